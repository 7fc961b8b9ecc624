"""Pictures of every screen and dialog. What must be looked at stands in the docstring of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.records import Level, RunFilter, RunStatus
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.clock import ManualClock
from tests.tui.conftest import Session
from tests.tui.refusals import postgres_away, temporal_away

SIZES = [pytest.param((80, 24), id="80x24"), pytest.param((120, 36), id="120x36")]
LOOKS = [
    pytest.param({"glyphs": "ascii"}, id="ascii"),
    pytest.param({"color": False}, id="no-colour"),
    pytest.param({"theme": "dark"}, id="dark"),
    pytest.param({"theme": "light"}, id="light"),
]
SESSIONS = [
    pytest.param({"read_only": True}, id="read-only"),
    pytest.param({"low_bandwidth": True}, id="low-bandwidth"),
]
sizes = pytest.mark.parametrize("size", SIZES)
looks = pytest.mark.parametrize("look", LOOKS)
sessions = pytest.mark.parametrize("session_of", SESSIONS)
Picture = Callable[[Any, str], None]


def newest(backend: FakeBackend, **conditions: Any) -> str:
    """The newest run meeting conditions."""
    return backend.world.select(RunFilter(**conditions))[0].run_id


def waiting(backend: FakeBackend) -> str:
    """The order that waits for its carrier."""
    return newest(backend, workflow="order", statuses=frozenset({RunStatus.WAITING}))


@sizes
async def test_runs(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """Stuck run first and yellow; retry with its number; ages right-aligned; preview with the steps where there is room."""
    async with studio(size=size, filter_text="since:24h") as session:
        picture(session, "runs")


@looks
async def test_runs_in_every_look(studio: Any, picture: Picture, look: dict[str, Any]) -> None:
    """The same list: glyph and word alone must tell the state."""
    async with studio(size=(120, 36), filter_text="since:24h", **look) as session:
        await session.press("down", "space")
        await session.pass_time(0.2)
        picture(session, "runs")


async def test_runs_wide(studio: Any, picture: Picture) -> None:
    """All columns and the preview side by side."""
    async with studio(size=(200, 50)) as session:
        picture(session, "runs")


async def test_runs_narrowest(studio: Any, picture: Picture) -> None:
    """60x15: status, workflow and place are still there."""
    async with studio(size=(60, 15)) as session:
        picture(session, "runs")


@sizes
async def test_runs_filter_being_edited(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """The input takes the place of the filter text; the completion is dim; marks stand before the status."""
    async with studio(size=size) as session:
        await session.press("space", "down", "space", "slash")
        await session.type("status:fai")
        picture(session, "filter")


async def test_runs_with_new_ones_above(studio: Any, picture: Picture) -> None:
    """``+ 2 new (g top)`` on the right of the note line; the first row is the same as before."""
    async with studio() as session:
        await session.press("down")
        await session.pass_time(45)
        picture(session, "new")


async def second_by_second(session: Session, seconds: int) -> None:
    """Let time pass as it does for a person: what each second changes is drawn before the next one."""
    for _ in range(seconds):
        await session.pass_time(1)


async def test_runs_old_data(studio: Any, picture: Picture, backend: FakeBackend) -> None:
    """The last good rows stay; one yellow line says how old, when again, and why."""
    async with studio() as session:
        backend.fail_next("runs.list", postgres_away(), times=9)
        await second_by_second(session, 14)
        picture(session, "old")


async def test_runs_empty(studio: Any, picture: Picture, backend: FakeBackend, clock: ManualClock) -> None:
    """No runs at all, then nothing for a filter: different sentences, both with the key that helps."""
    backend.world.runs.clear()
    backend.world._due.clear()
    async with studio() as session:
        picture(session, "none")
        await session.press("s")
        picture(session, "no-match")


async def test_runs_for_a_viewer(studio: Any, picture: Picture, backend: FakeBackend) -> None:
    """No key that would be refused is offered; the refusal of one pressed anyway says what is missing."""
    backend.world.session = replace(backend.world.session, level=Level.READ, actor="guest")
    async with studio() as session:
        await session.press("c")
        picture(session, "viewer")


@sizes
async def test_run_waiting(studio: Any, picture: Picture, backend: FakeBackend, size: tuple[int, int]) -> None:
    """Opens on the waiting step; header says until when; branch not taken is dim."""
    async with studio(size=size, run_id=waiting(backend)) as session:
        picture(session, "waiting")


@looks
async def test_run_in_every_look(studio: Any, picture: Picture, backend: FakeBackend, look: dict[str, Any]) -> None:
    """The same run."""
    async with studio(size=(120, 36), run_id=waiting(backend), **look) as session:
        picture(session, "waiting")


@sizes
async def test_run_failed(studio: Any, picture: Picture, backend: FakeBackend, size: tuple[int, int]) -> None:
    """Opens on the failed step; the error is red in the header and in full on the right."""
    async with studio(size=size, run_id=newest(backend, error_code="PO_NOT_FOUND")) as session:
        picture(session, "failed")
        if size[0] < 100:
            await session.press("enter")
            picture(session, "failed-outcome")


@sizes
async def test_run_stuck(studio: Any, picture: Picture, backend: FakeBackend, size: tuple[int, int]) -> None:
    """The panel over the steps: what, since when, evidence, what helps."""
    async with studio(size=size, run_id=newest(backend, stuck=True)) as session:
        await second_by_second(session, 4)
        picture(session, "stuck")


async def test_run_in_a_loop(studio: Any, picture: Picture, backend: FakeBackend) -> None:
    """The iteration that runs is open, those before are closed."""
    run_id = newest(backend, workflow="stock", statuses=frozenset({RunStatus.RUNNING}))
    async with studio(size=(120, 36), run_id=run_id) as session:
        picture(session, "loop")


@sizes
async def test_run_that_caught_an_error(
    studio: Any, picture: Picture, backend: FakeBackend, size: tuple[int, int]
) -> None:
    """The catch branch was taken and looks like it; what was not reached yet is dim."""
    run_id = newest(backend, workflow="invoice", statuses=frozenset({RunStatus.WAITING}))
    async with studio(size=size, run_id=run_id) as session:
        picture(session, "caught")


@pytest.mark.parametrize(
    ("key", "name"), [("i", "tries"), ("p", "payload"), ("x", "waits"), ("l", "logs"), ("v", "more")]
)
async def test_run_panes(studio: Any, picture: Picture, backend: FakeBackend, key: str, name: str) -> None:
    """Each pane of the run; the chosen one is bold in the line of panes."""
    async with studio(size=(120, 36), run_id=waiting(backend)) as session:
        await session.press("home", "down", "down", "down", "down", key)
        picture(session, name)


async def test_run_panes_narrow(studio: Any, picture: Picture, backend: FakeBackend) -> None:
    """At 80 columns a pane has the whole width; an opened document says what it is of."""
    async with studio(run_id=waiting(backend)) as session:
        await session.press("p")
        picture(session, "payload")
        await session.press("escape", "home", "i")
        picture(session, "tries")


async def test_run_before_the_cutover(studio: Any, picture: Picture, backend: FakeBackend) -> None:
    """The badge says read-only, and why it was closed."""
    old = next(key for key, run in backend.world.runs.items() if run.row.read_only)
    async with studio(size=(120, 36), run_id=old) as session:
        picture(session, "history")


@sizes
async def test_cancel(studio: Any, picture: Picture, backend: FakeBackend, size: tuple[int, int]) -> None:
    """Targets with their state, what is skipped and why; focus in the reason; then a result for each."""
    async with studio(size=size) as session:
        await session.press("space", "space", "space", "down", "down", "space", "c")
        picture(session, "asking")
        backend.fail_next("runs.cancel", temporal_away())
        await session.type("wrong price list loaded")
        picture(session, "typed")
        await session.press("ctrl+s")
        picture(session, "results")


@sizes
async def test_start(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """Workflow, then version and payload; problems are listed with their place."""
    async with studio(size=size) as session:
        await session.press("n")
        picture(session, "which")
        await session.press("enter")
        await session.pass_time(0.4)
        picture(session, "payload")
        session.screen.query_one("#payload").focus()
        await session.press("left")
        await session.pass_time(0.4)
        picture(session, "problems")


@sizes
async def test_help(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """Every key of the screen; what does not work now is dim and says why."""
    async with studio(size=size) as session:
        await session.press("question_mark")
        picture(session, "help")


async def test_palette(studio: Any, picture: Picture) -> None:
    """The closest first, with keys and the command that does the same."""
    async with studio() as session:
        await session.press("ctrl+p")
        await session.type("can")
        picture(session, "palette")


async def test_why(studio: Any, picture: Picture) -> None:
    """What is the case, evidence, what helps, the code."""
    async with studio() as session:
        await session.press("w")
        picture(session, "why")


async def test_messages(studio: Any, picture: Picture) -> None:
    """Everything that was said, with its time."""
    async with studio() as session:
        await session.press("y", "P", "P", "m")
        picture(session, "messages")


async def test_no_postgres(studio: Any, picture: Picture, backend: FakeBackend) -> None:
    """What was tried, the error, what to do."""
    backend.fail_next("open", postgres_away())
    async with studio(settle=False) as session:
        await session.settle()
        picture(session, "down")


async def test_too_small(studio: Any, picture: Picture) -> None:
    """One sentence in the middle, with both sizes."""
    async with studio(size=(52, 12), settle=False) as session:
        await session.settle()
        picture(session, "small")


@sizes
async def test_run_timeline(studio: Any, picture: Picture, backend: FakeBackend, size: tuple[int, int]) -> None:
    """Lanes under the time; retry gaps dotted; idle stretches short and labelled; what goes on has an arrow."""
    async with studio(size=size, run_id=waiting(backend)) as session:
        await session.press("d")
        picture(session, "timeline")
