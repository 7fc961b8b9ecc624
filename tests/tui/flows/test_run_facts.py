"""What a run tells, fact by fact: where it came from, its steps, its waits, its values, and what is masked in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest

from engine.records import PLACEHOLDER, AttemptBody, Document, LogLevel, OpenWait, RunFilter, WaitKind, WaitStatus
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake.run import Place
from runstudio_tui.domain.present import full_moment
from tests.tui.flows.test_run import failed_invoice, waiting_order

WIDE = (120, 36)


def pane(session: Any, containing: str) -> str:
    """What stands right of the steps in the first line with this text."""
    return " ".join(str(session.line(containing)).split("│")[-1].split())


async def test_a_run_that_ended_tells_when_it_started_and_ended(studio: Any, backend: FakeBackend) -> None:
    run_id = failed_invoice(backend)
    row = backend.world.runs[run_id].row
    assert row.completed_at is not None
    async with studio(size=(160, 36), run_id=run_id) as session:
        header = session.line("✖ failed")
        for told in ("failed 1.3s", "invoice-intake v2", f"started {row.started_at:%H:%M:%S}", "manual"):
            assert told in header
        await session.press("v")
        assert pane(session, "  started  ") == f"started {full_moment(row.started_at, UTC)}"
        assert pane(session, "  changed  ") == f"changed {full_moment(row.updated_at, UTC)}"
        assert pane(session, "  ended  ") == f"ended {full_moment(row.completed_at, UTC)}"


async def test_a_run_started_by_time_tells_which_time_was_meant(studio: Any, backend: FakeBackend) -> None:
    run = backend.world.runs[failed_invoice(backend)]
    async with studio(size=WIDE, run_id=run.row.run_id) as session:
        await session.press("v")
        assert "Trigger" not in session.text
    run.row = replace(run.row, trigger="recurring")
    meant = {"scheduledFor": "2026-01-15T08:45:00.000Z", "cron": "*/15 * * * *"}
    run.details = replace(run.details, trigger_metadata=meant)
    async with studio(size=WIDE, run_id=run.row.run_id) as session:
        assert "· recurring" in session.line("✖ failed")
        await session.press("v")
        assert "Trigger" in session.text
        assert '"scheduledFor": "2026-01-15T08:45:00.000Z"' in session.text
        assert '"cron": "*/15 * * * *"' in session.text


async def test_a_step_tells_path_id_tries_and_duration(studio: Any, backend: FakeBackend) -> None:
    run = backend.world.runs[failed_invoice(backend)]
    [step] = [step for step in run.steps.values() if step.step_id == "match-po"]
    assert step.started_at is not None
    run.steps[step.row_id] = replace(step, completed_at=step.started_at + timedelta(milliseconds=1500))
    async with studio(size=WIDE, run_id=run.row.run_id) as session:
        assert "match-po" in session.line("▌")
        assert session.line("▌").split("│")[0].split()[-2:] == ["2", "1.5s"]
        assert pane(session, "root.steps[2]") == "match-po · action.call · root.steps[2]"
        assert pane(session, " took ") == "took 1.5s"
        assert pane(session, " tries ") == "tries 2 (i shows them)"


@pytest.mark.parametrize(
    ("wanted", "step"), [("charge-c", "charge-card"), ("event.wait", "await-carrier"), ("forEach", "for each line")]
)
async def test_a_step_is_found_by_its_name_and_by_its_type(
    studio: Any, backend: FakeBackend, wanted: str, step: str
) -> None:
    async with studio(size=WIDE, run_id=waiting_order(backend)) as session:
        await session.press("home", "slash")
        await session.type(wanted)
        await session.press("enter")
        assert "1 of 1" in session.note
        assert step in session.line("▌")


async def test_waits_tell_kind_state_event_key_and_times(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE, run_id=waiting_order(backend)) as session:
        await session.press("x")
        assert pane(session, "◔ waiting  root") == "▌ ◔ waiting root.steps[4]"
        assert pane(session, "waits for    event") == "waits for event carrier.picked_up"
        assert pane(session, "  key   ") == "key ORD-1042"
        assert pane(session, "  since ") == "since 10:40:19 (3m)"
        assert pane(session, "  gives up  ").startswith("gives up Fri 10:40 (in 23h 56m)")
        assert pane(session, "✔ resolved  root") == "✔ resolved root.steps[2]"
        assert pane(session, "the next try") == "waits for the next try"
        assert pane(session, "  waited ") == "waited 5.9s"


async def test_a_wait_for_a_time_tells_until_when(studio: Any, backend: FakeBackend) -> None:
    run = backend.world.runs[waiting_order(backend)]
    for name in list(run.waits):
        run.close_wait(name, backend.world.now(), WaitStatus.RESOLVED)
    until = backend.world.now() + timedelta(hours=2)
    place = Place("root.steps[4]", "", "await-carrier", "time.wait")
    run.open_wait(place, backend.world.now(), OpenWait(WaitKind.TIME, backend.world.now(), until=until))
    async with studio(size=WIDE, run_id=run.row.run_id) as session:
        assert "12:43" in session.text.split("\n")[2]
        await session.press("x")
        assert pane(session, "◔ waiting  root") == "▌ ◔ waiting root.steps[4]"
        assert pane(session, "  due  ") == "due 12:43:21 (in 1h 59m)"


async def test_what_is_masked_has_a_lock_in_a_try_too(studio: Any, backend: FakeBackend) -> None:
    run = backend.world.runs[waiting_order(backend)]
    [name] = [name for name, one in run.attempts.items() if one.action == "store.put@1"]
    hidden = Document({"card_token": PLACEHOLDER, "plain": 1}, frozenset({"/card_token"}))
    run.bodies[name] = AttemptBody(hidden, hidden)
    async with studio(size=WIDE, run_id=run.row.run_id) as session:
        await session.press("home", "i", "tab")
        for part in ("input", "output"):
            session.screen.panes.rows.move_to(
                next(k for k, r in session.screen.panes.rows._rows.items() if part in r.link)
            )
            await session.press("enter")
            assert f"Tries ▸ {part} of try 1" in session.text
            assert f'"card_token": "{PLACEHOLDER}", ⚿' in session.text
            assert '"plain": 1' in session.text
            await session.press("escape")


async def test_the_values_of_a_try_are_whole(studio: Any, backend: FakeBackend) -> None:
    run = backend.world.runs[waiting_order(backend)]
    [name] = [name for name, one in run.attempts.items() if one.action == "store.put@1"]
    many = [f"line {number} {'x' * 40}" for number in range(2000)]
    run.bodies[name] = AttemptBody(Document({}), Document(many))
    async with studio(size=WIDE, run_id=run.row.run_id) as session:
        await session.press("home", "i", "tab")
        rows = session.screen.panes.rows
        assert "store.put@1" in session.line("✔ try 1")
        rows.move_to(next(key for key, row in rows._rows.items() if "output" in row.link))
        await session.press("enter", "plus", "end")
        assert '"line 1999 ' in session.text
        assert session.screen.panes.document.all_text.count("line ") == 2000


async def test_a_live_run_is_read_again_with_the_pane_that_is_open(studio: Any, backend: FakeBackend) -> None:
    run = backend.world.runs[waiting_order(backend)]
    async with studio(size=WIDE, run_id=run.row.run_id) as session:
        await session.press("x")
        assert "◔ waiting  root.steps[4]" in session.text
        [open_wait] = [name for name, wait in run.waits.items() if wait.status.value == "WAITING"]
        run.close_wait(open_wait, backend.world.now(), WaitStatus.RESOLVED)
        run.log(backend.world.now(), LogLevel.INFO, "the carrier came")
        await session.pass_time(4)
        assert "◔ waiting  root.steps[4]" not in session.text
        assert "✔ resolved  root.steps[4]" in session.text
        assert "● running" in session.text.split("\n")[1]
        await session.press("l")
        assert "the carrier came" in session.text


async def test_a_json_value_folds_by_the_keys_of_the_help(studio: Any, backend: FakeBackend) -> None:
    run = backend.world.runs[waiting_order(backend)]
    run.payload = Document({"a": {"b": {"c": 1}}, "d": [2, 3]})
    async with studio(size=WIDE, run_id=run.row.run_id) as session:
        await session.press("p", "minus")
        assert '"b"' not in session.text
        assert [pane(session, name) for name in ('"a"', '"d"')] == ['▸ "a": { 1 member }', '▸ "d": [ 2 items ]']
        await session.press("plus")
        assert '"c": 1' in session.text
        await session.press("down", "left")
        assert '"b"' not in session.text
        await session.press("right")
        assert '"b"' in session.text
        await session.press("enter")
        assert '"b"' not in session.text
        await session.press("space", "down", "down", "h", "h")
        assert "▌" in session.line('"b"')
        await session.press("question_mark")
        assert "In a JSON value" in help_text(session)
        assert "Fold everything below the top." in help_text(session)


def help_text(session: Any) -> str:
    """All lines of the help, also those below the screen."""
    from runstudio_tui.screens.help import help_rows
    from runstudio_tui.widgets.line import plain

    screen = session.app.screen_stack[-2]
    return "\n".join(plain(row.line) for row in help_rows(screen.SCOPE, screen.now(), 80))


async def test_the_newest_run_of_a_workflow_is_two_keys_away(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        session.screen._list.move_to(failed_invoice(backend))
        await session.settle()
        workflow = session.screen.current.workflow_id
        await session.press("W", "g", "enter")
        newest = backend.world.select(RunFilter(workflow=workflow))[0]
        assert newest.started_at == max(
            run.row.started_at for run in backend.world.runs.values() if run.row.workflow_id == workflow
        )
        assert session.screen.run_id == newest.run_id
