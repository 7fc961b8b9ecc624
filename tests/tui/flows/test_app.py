"""The studio as a whole: connecting, too small, help, palette, themes."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Unavailable
from runstudio_tui.actions import Scope, of_scope
from runstudio_tui.backend.fake import FakeBackend
from tests.tui.refusals import postgres_away


async def test_no_postgres_at_start_says_what_was_tried_and_retries(studio: Any, backend: FakeBackend) -> None:
    backend.fail_next("open", postgres_away())
    async with studio(settle=False) as session:
        await session.settle()
        assert f"✖ {postgres_away().message}" in session.text
        assert postgres_away().hint in " ".join(session.text.split())
        assert "runstudio doctor" in session.text
        await session.press("r")
        assert "order-fulfilment" in session.text


@pytest.mark.parametrize("size", [(80, 24), (60, 15), (200, 50)])
async def test_s23_what_is_wrong_at_start_is_read_to_its_end(
    studio: Any, backend: FakeBackend, size: tuple[int, int]
) -> None:
    message = 'Postgres cannot be reached: connection to server at "10.0.0.17", port 5432 failed: Connection refused.'
    backend.fail_next("open", Unavailable("POSTGRES_UNREACHABLE", message, f"Check DATABASE_URL. {'More. ' * 20}End."))
    async with studio(settle=False, size=size) as session:
        await session.settle()
        text = " ".join(session.text.split())
        assert message in text
        assert "More. End." in text
        assert "r try again q leave" in text


async def test_leaving_while_connecting(studio: Any, backend: FakeBackend) -> None:
    backend.hold("open")
    async with studio(settle=False) as session:
        await session.settle()
        assert "connecting…" in session.text
        await session.press("q")
        assert session.app._exit


async def test_too_small_and_back(studio: Any) -> None:
    async with studio() as session:
        await session.resize(52, 12)
        assert "Run Studio needs 60x15; this terminal is 52x12." in " ".join(session.text.split())
        await session.press("c")
        await session.resize(50, 20)
        assert "50x20" in session.text
        await session.resize(80, 24)
        assert "order-fulfilment" in session.text
        assert type(session.screen).__name__ == "RunsScreen"


async def test_too_small_from_the_start_and_over_a_dialog(studio: Any) -> None:
    async with studio(size=(40, 10), settle=False) as session:
        await session.settle()
        assert "needs 60x15" in " ".join(session.text.split())
        await session.resize(80, 24)
        assert "order-fulfilment" in session.text
        await session.press("c")
        await session.resize(40, 10)
        await session.resize(80, 24)
        assert "Cancel 1 run" in session.text


async def test_sixty_by_fifteen_is_enough(studio: Any) -> None:
    async with studio(size=(60, 15)) as session:
        assert "order-fulfilment" in session.text
        await session.press("enter", "enter")
        assert "Outcome" in session.text


async def test_help_has_every_action_of_the_screen(studio: Any) -> None:
    async with studio(size=(120, 60)) as session:
        await session.press("question_mark")
        rows = session.screen._list.all_text
        for action in of_scope(Scope.RUNS, Scope.LIST, Scope.EVERYWHERE):
            assert " ".join(action.help.split()[:5]) in " ".join(rows.split())
        assert "status:" in rows
        assert "▲" in rows
        await session.press("q")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_the_palette_does_what_it_finds(studio: Any) -> None:
    async with studio() as session:
        run = session.screen.current
        await session.press("ctrl+p")
        await session.type("why")
        assert f"same as: runstudio runs why {run.run_id}" in session.said
        await session.press("enter")
        assert "No worker is polling" in session.text
        await session.press("escape", "ctrl+p")
        await session.type("zzz")
        assert "nothing of that name" in session.text
        await session.press("enter", "escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_the_palette_tells_why_something_does_not_work(studio: Any) -> None:
    async with studio(filter_text="err:NOPE") as session:
        await session.press("ctrl+p")
        await session.type("cancel")
        assert "not now: there is no run here" in session.said


async def test_every_action_has_a_handler(studio: Any) -> None:
    async with studio() as session:
        handlers = {**session.screen._common(), **session.screen.handlers()}
        assert set(handlers) == {action.id for action in of_scope(Scope.RUNS, Scope.EVERYWHERE)}
        await session.press("enter")
        handlers = {**session.screen._common(), **session.screen.handlers()}
        assert set(handlers) == {action.id for action in of_scope(Scope.RUN, Scope.EVERYWHERE)}


async def test_themes_change(studio: Any) -> None:
    async with studio() as session:
        await session.press("T")
        assert session.app.theme == "dark"
        await session.press("T", "T")
        assert session.app.theme == "terminal"


async def test_a_bug_is_told_and_the_studio_goes_on(studio: Any, backend: FakeBackend, caplog: Any) -> None:
    async with studio(size=(120, 36)) as session:
        backend.fail_next("runs.list", KeyError("a bug"), times=2)
        await session.pass_time(4.1)
        assert "○ not current" in session.text
        await session.pass_time(8.1)
        assert "Internal error: KeyError. The log file has the rest." in session.note
        assert "a bug" in caplog.text
        await session.pass_time(16.1)
        assert "● live" in session.text


async def test_a_bug_while_connecting_is_told(studio: Any, backend: FakeBackend, caplog: Any) -> None:
    backend.fail_next("open", KeyError("a bug"))
    async with studio(settle=False) as session:
        await session.settle()
        assert "✖ Internal error: KeyError." in session.text
        assert "a bug" in caplog.text
        await session.press("r")
        assert "order-fulfilment" in session.text


async def test_a_bug_behind_a_dialog_is_told(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        backend.fail_next("runs.why", KeyError("a bug"))
        await session.press("w")
        assert "Internal error: KeyError. The log file has the rest." in session.said
        await session.pass_time(11)
        assert "No worker is polling" in session.text


async def test_a_broken_flow_is_told(studio: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    async with studio() as session:
        with monkeypatch.context() as patched:
            patched.setattr("runstudio_tui.flows.PaletteDialog", broken)
            await session.press("ctrl+p")
        assert "internal error, see the log file" in session.note
        assert "a bug" in caplog.text
        await session.press("ctrl+p")
        assert "Actions" in session.text


async def test_opening_on_one_run(studio: Any, backend: FakeBackend) -> None:
    run_id = next(iter(backend.world.runs))
    async with studio(run_id=run_id) as session:
        assert session.screen.run_id == run_id
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_low_bandwidth_polls_and_ticks_less_and_rests_when_not_looked_at(
    studio: Any, backend: FakeBackend
) -> None:
    async with studio(low_bandwidth=True) as session:
        asked = len(backend.called("runs.list"))
        backend._calls.stirred.clear()
        session.app.post_message(__import__("textual.events", fromlist=["AppBlur"]).AppBlur())
        await session.settle()
        await session.pass_time(60)
        assert len(backend.called("runs.list")) <= asked + 1
        session.app.post_message(__import__("textual.events", fromlist=["AppFocus"]).AppFocus())
        await session.settle()
        assert len(backend.called("runs.list")) >= asked + 1
