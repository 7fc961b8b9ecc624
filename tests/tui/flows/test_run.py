"""One run: opens on what matters, panes, folding, search, copying, what comes and goes by itself."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from engine.records import Document, ErrorInfo, LogLevel, RunFilter, RunStatus, StepStatus
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.widgets.split import Split
from tests.tui.refusals import postgres_away


def newest(backend: FakeBackend, **conditions: Any) -> str:
    """The newest run meeting conditions of a query."""
    return backend.world.select(RunFilter(**conditions))[0].run_id


def waiting_order(backend: FakeBackend) -> str:
    """The run that waits for its carrier."""
    return newest(backend, workflow="order", statuses=frozenset({RunStatus.WAITING}))


def failed_invoice(backend: FakeBackend) -> str:
    """A run whose purchase order was not found."""
    return newest(backend, error_code="PO_NOT_FOUND")


def copied(session: Any) -> str:
    """The text last sent to the clipboard."""
    return base64.b64decode(session.written[-1].removeprefix("\x1b]52;c;").removesuffix("\x07")).decode()


async def test_a_failed_run_opens_on_the_failed_step_with_its_error(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=failed_invoice(backend)) as session:
        assert session.line("▌").split("│")[0].strip().startswith("▌  ✖ match-po")
        assert "PO_NOT_FOUND: No purchase order 4500012 for supplier Nordwind.  in match-po" in session.text
        assert "erp.match_po@1" in session.text
        assert '"supplier": "Nordwind"' in session.text
        assert "ended" in session.line("invoice-intake v2")


async def test_a_live_run_opens_on_what_it_waits_for(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        assert "await-carrier" in session.line("▌")
        assert "event carrier.picked_up, key ORD-" in session.text.split("\n")[2]
        assert "gives up     " in session.text
        assert "Waiting for event carrier.picked_up" in session.text
        assert "● live" in session.text.split("\n")[1]


async def test_s24_at_80_columns_the_outcome_of_the_chosen_step_stands_below_the_steps(
    studio: Any, backend: FakeBackend
) -> None:
    async with studio(run_id=waiting_order(backend)) as session:
        lines = session.text.split("\n")
        tabs = next(y for y, text in enumerate(lines) if "o Outcome" in text)
        assert any("STEPS" in text for text in lines[:tabs])
        assert "await-carrier · event.wait" in lines[tabs + 1]
        await session.press("up")
        assert "else" in session.line("▌")
        assert "This branch was not taken." in session.text
        await session.press("i")
        assert "STEPS" in session.text, "the step's own panes leave the keys with the steps"
        await session.press("o", "down")


async def test_at_80_columns_the_panes_take_the_place_of_the_steps_while_they_have_the_keys(
    studio: Any, backend: FakeBackend
) -> None:
    async with studio(run_id=waiting_order(backend)) as session:
        await session.press("enter")
        assert "STEPS" not in session.text
        assert "o Outcome" in session.text
        await session.press("escape")
        assert "await-carrier" in session.line("▌")
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_the_header_counts_seconds(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=waiting_order(backend), poll_seconds=60) as session:
        assert "waiting 3m 09s" in session.text.split("\n")[1]
        asked = len(backend.called("runs.get"))
        await session.pass_time(3)
        assert "waiting 3m 12s" in session.text.split("\n")[1]
        assert len(backend.called("runs.get")) == asked


async def test_the_stuck_panel_comes_and_goes_by_itself(studio: Any, backend: FakeBackend) -> None:
    run_id = newest(backend, stuck=True)
    async with studio(run_id=run_id) as session:
        await session.pass_time(4)
        assert "▲ Nobody has picked this run up for 2m 18s" in session.text
        assert "It was started at 10:41:07 and has executed no step." in session.text
        assert "No worker is polling the task queue workflow-runtime-v2." in session.text
        assert "What helps: Start a worker: `runstudio worker`." in session.text
        await session.pass_time(80)
        assert "Nobody has picked" not in session.text
        assert "await-carrier" in session.line("▌")
        assert "▲" not in session.text


async def test_the_steps_give_way_to_the_stuck_panel_at_once(studio: Any, backend: FakeBackend) -> None:
    backend.world.runs[newest(backend, stuck=True)].change(backend.world.now(), started_at=backend.world.now())
    run_id = newest(backend, workflow="order", statuses=frozenset({RunStatus.RUNNING}))
    async with studio(size=(80, 20), run_id=run_id, poll_seconds=600) as session:
        await session.pass_time(4)
        steps, both = session.screen.step_list, session.screen.query_one(Split)
        assert steps.size.height == steps.length + 1 <= both.size.height // 2
        await session.pass_time(58)
        assert "▲ Nobody has picked this run up for 1m 0" in session.text
        assert steps.size.height == both.size.height // 2 < steps.length + 1


async def test_the_stuck_panel_appears_without_any_new_data(studio: Any, backend: FakeBackend) -> None:
    backend.world.runs[newest(backend, stuck=True)].change(backend.world.now(), started_at=backend.world.now())
    run_id = newest(backend, workflow="order", statuses=frozenset({RunStatus.RUNNING}))
    async with studio(run_id=run_id, poll_seconds=600) as session:
        await session.pass_time(59)
        assert "Nobody has picked" not in session.text
        await session.pass_time(2)
        assert "▲ Nobody has picked this run up for 1m 0" in session.text


async def test_blocks_fold_and_iterations_open(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=waiting_order(backend)) as session:
        await session.press("home", "down", "down")
        assert "▸ ✔ [0]" in session.line("▌")
        await session.press("right")
        assert "price" in session.text
        assert "▾ ✔ [0]" in session.line("▌")
        await session.press("down", "left")
        assert "▾ ✔ [0]" in session.line("▌")
        await session.press("left", "left")
        assert "for each line" in session.line("▌")
        await session.press("left")
        assert "[0]" not in session.text
        await session.press("full_stop")
        assert "await-carrier" in session.line("▌")


async def test_tries_show_every_attempt_with_input_and_output(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await session.press("home", "down", "down", "down", "down", "i")
        assert "✔ try 2" in session.text
        assert "✖ try 1" in session.text
        assert "upstream answered 503" in session.text
        await session.press("tab")
        for _ in range(4):
            await session.press("down")
        await session.press("enter")
        assert "Tries ▸ output of try 2" in session.text
        assert '"ok": true' in session.text
        assert backend.called("runs.attempt_body")
        await session.press("escape")
        assert "✖ try 1" in session.text


async def test_payload_is_folded_searched_and_copied_by_value(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await session.press("p")
        assert '"card_token": "[REDACTED]" ⚿' in session.text
        assert session.note.endswith("/")
        await session.press("slash")
        await session.type("sku-2")
        await session.press("enter")
        assert "1 of 1" in session.note
        assert session.note.endswith("/lines/1/sku")
        await session.press("y")
        assert copied(session) == "SKU-2"
        await session.press("Y")
        assert '"order_id"' in copied(session)
        await session.press("escape", "left", "left", "left", "left")
        assert "2 items ]" in session.text or "▸ " in session.text


async def test_waits_logs_and_more(studio: Any, backend: FakeBackend) -> None:
    run_id = waiting_order(backend)
    backend.world.runs[run_id].log(
        backend.world.now(), LogLevel.DEBUG, "looking back for early events", "root.steps[4]"
    )
    async with studio(size=(120, 36), run_id=run_id) as session:
        await session.press("x")
        assert "◔ waiting  root.steps[4]" in session.text
        assert "✔ resolved  root.steps[2]" in session.text
        await session.press("l")
        assert "looking back for early events" in session.text
        await session.press("L")
        assert "info and above" in session.note
        assert "looking back" not in session.text
        await session.press("v")
        assert run_id in session.text
        assert "workflow-runtime-v2:run:" in session.text
        assert "replay of" in session.text


async def test_the_log_follows_what_is_written(studio: Any, backend: FakeBackend) -> None:
    run_id = waiting_order(backend)
    async with studio(size=(120, 36), run_id=run_id) as session:
        await session.press("l")
        backend.world.runs[run_id].log(backend.world.now(), LogLevel.WARN, "a new line")
        await session.pass_time(4.1)
        assert "a new line" in session.text


async def test_related_runs_open_and_close(studio: Any, backend: FakeBackend) -> None:
    run_id = waiting_order(backend)
    source = backend.world.runs[run_id].row.replay_of
    async with studio(size=(120, 36), run_id=run_id) as session:
        await session.press("v")
        await session.press("slash")
        await session.type("replay of")
        await session.press("enter")
        await session.press("enter")
        assert session.screen.run_id == source
        assert "replayed by" in session.text
        await session.press("escape")
        assert session.screen.run_id == run_id


async def test_copying_in_the_tree_and_the_panes(studio: Any, backend: FakeBackend) -> None:
    run_id = waiting_order(backend)
    async with studio(size=(120, 36), run_id=run_id) as session:
        await session.press("y")
        assert copied(session) == "root.steps[4]"
        await session.press("Y")
        assert copied(session) == run_id
        await session.press("v", "down", "y")
        assert copied(session) == run_id


async def test_neighbours_of_the_list(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("enter", "right_square_bracket")
        assert "▸ order-fulfilment" in session.text
        assert "event carrier" in session.text
        await session.press("right_square_bracket", "left_square_bracket", "left_square_bracket")
        assert "Nobody has picked" in session.text
        await session.press("left_square_bracket")
        assert "no run above" in session.note
        await session.press("escape")
        assert "not picked up" in session.line("▌")


async def test_the_last_loaded_run_has_none_below(studio: Any) -> None:
    async with studio(filter_text="err:PO_NOT_FOUND") as session:
        number = len(session.screen.store)
        last = session.screen.store.id_at(number - 1)
        assert number > 1
        await session.press("enter", *["right_square_bracket"] * (number - 1))
        assert session.screen.run_id == last
        await session.press("right_square_bracket")
        assert "no run below" in session.note
        assert session.screen.run_id == last


async def test_find_in_the_steps(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=waiting_order(backend)) as session:
        await session.press("slash")
        await session.type("store")
        assert "reserve-stock" in session.line("▌")
        await session.press("enter")
        assert "1 of 1" in session.note
        await session.press("n", "N")
        assert "reserve-stock" in session.line("▌")
        await session.press("escape")
        assert "1 of 1" not in session.note
        await session.press("n")
        assert "search first" in session.note


async def test_a_run_that_ended_is_read_once_more_and_then_left_alone(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=failed_invoice(backend)) as session:
        await session.pass_time(3.1)
        asked = len(backend.called("runs.get"))
        assert asked == 2
        await session.pass_time(120)
        assert len(backend.called("runs.get")) == asked


async def test_a_run_that_does_not_exist(studio: Any) -> None:
    async with studio(run_id="0198c2aa-0000-7000-8000-000000000000") as session:
        assert "There is no such run." in session.text
        await session.press("c", "escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_nothing_of_another_run_shows_through(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36)) as session:
        await session.press("enter")
        gate = backend.hold("runs.get")
        await session.press("right_square_bracket")
        assert "loading…" in session.text
        assert "Nobody" not in session.text
        await session.press("c")
        assert "there is no run here" in session.note
        gate.set()
        await session.until(lambda: "await-carrier" in session.text)


async def test_bodies_that_cannot_be_read_say_why(studio: Any, backend: FakeBackend) -> None:
    backend.fail_next("runs.payload", postgres_away())
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await session.press("p")
        assert postgres_away().message in session.text


async def test_history_is_read_only(studio: Any, backend: FakeBackend) -> None:
    old = next(key for key, run in backend.world.runs.items() if run.row.read_only)
    async with studio(size=(120, 36), run_id=old) as session:
        assert "◇" in session.text.split("\n")[1]
        assert "before the cutover, read-only" in session.text
        assert "cancel" not in session.text.split("\n")[-1]


async def test_s29_why_is_asked_again_until_there_is_an_answer(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=waiting_order(backend)) as session:
        await session.press("w")
        assert "Waiting for event carrier.picked_up" in session.text
        assert "WAITING_EVENT" in session.text
        await session.press("escape")
        backend.fail_next("runs.why", postgres_away())
        await session.press("w")
        assert postgres_away().message in session.said
        await session.pass_time(11)
        assert "WAITING_EVENT" in session.text
        assert session.said.strip() == ""


async def test_when_temporal_is_down_the_panel_says_what_is_known(studio: Any, backend: FakeBackend) -> None:
    from engine.records import HealthPart, PartState

    health = backend.world.health
    backend.world.health = (health[0], HealthPart("temporal", PartState.DOWN, "connection refused"), health[2])
    async with studio(run_id=newest(backend, stuck=True)) as session:
        await session.pass_time(4)
        assert "Temporal cannot be asked" in session.text
        assert "heartbeats" in session.text


async def test_growing_loops_keep_the_cursor_on_its_step(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=newest(backend, workflow="stock", statuses=frozenset({RunStatus.RUNNING}))) as session:
        line = session.line("▌")
        await session.pass_time(20)
        assert session.line("▌").split()[2] == line.split()[2] == "push-line"
        await session.press("up")
        assert "[142]" in session.line("▌") or "▾" in session.line("▌")


async def test_a_long_name_hides_neither_the_id_nor_the_start(studio: Any, backend: FakeBackend) -> None:
    run_id = waiting_order(backend)
    run = backend.world.runs[run_id]
    run.row = replace(
        run.row, workflow_name="order-fulfilment-for-every-country-of-the-world-and-what-is-beyond-it", replay_of=None
    )
    async with studio(run_id=run_id) as session:
        assert f"{run_id[:6]}…{run_id[-4:]} " in session.line("RUN STUDIO")
        assert "started 10:40:12" in session.line("◔ waiting 3m")


async def test_the_timeline_keeps_the_step_and_zooms(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await session.press("plus")
        assert "only in the timeline" in session.note
        await session.press("d")
        assert "TIMELINE  whole run" in session.text
        assert "10:40:12.040 ──" in session.text
        assert "░" in session.line("charge-card")
        assert session.line("▌").rstrip().endswith("▶")
        assert "await-carrier: began 2026-01-15 10:40:19." in session.note
        await session.press("up", "up")
        assert "gift: began" in session.note
        await session.press("plus", "plus")
        assert "TIMELINE  x4" in session.text
        before = session.line("TIMELINE")
        await session.press("right")
        assert session.line("TIMELINE") != before
        await session.press("minus", "0")
        assert "whole run" in session.text
        await session.press("d")
        assert "STEPS" in session.text
        assert "gift" in session.line("▌")
        await session.press("d", "enter")
        assert "TIMELINE" in session.text
        assert "o Outcome" in session.text
        assert session.app.focused.id == "rows"
        await session.press("escape", "escape")
        assert "o Outcome" not in session.text
        await session.press("escape", "escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_the_header_tells_state_version_start_and_trigger(studio: Any, backend: FakeBackend) -> None:
    run_id = waiting_order(backend)
    backend.world.runs[run_id].row = replace(backend.world.runs[run_id].row, replay_of=None)
    async with studio(size=(120, 36), run_id=run_id) as session:
        header = session.line("◔ waiting 3m")
        for told in ("order-fulfilment v3", "started 10:40:12", "event order.placed", "● live"):
            assert told in header


def running_stock(backend: FakeBackend) -> str:
    """A run in the middle of a loop of hundreds."""
    return newest(backend, workflow="stock", statuses=frozenset({RunStatus.RUNNING}))


async def test_s26_a_live_run_is_followed_until_the_cursor_is_moved(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=running_stock(backend)) as session:
        assert "STEPS  following" in session.text
        assert "push-line" in session.line("▌")
        first = session.line("▾ ● [")
        await session.pass_time(4)
        second = session.line("▾ ● [")
        assert int(second.split("[")[1].split("]")[0]) > int(first.split("[")[1].split("]")[0])
        opened = [entry for entry in session.screen.steps._tree.values() if entry.open and "@" in entry.key]
        assert len(opened) == 1, "the iterations it has left are folded again"
        await session.press("up")
        assert "following" not in session.text
        here = session.line("▌")[:30]
        await session.pass_time(8)
        assert session.line("▌")[:20] == here[:20].replace("●", "✔")
        await session.press("full_stop")
        assert "STEPS  following" in session.text
        assert "● push-line" in session.line("▌")


async def test_s26_a_run_that_fails_while_it_is_followed_shows_its_failure(studio: Any, backend: FakeBackend) -> None:
    run_id = running_stock(backend)
    async with studio(size=(120, 36), run_id=run_id) as session:
        run = backend.world.runs[run_id]
        backend.world._due = [due for due in backend.world._due if due[2] is not run]
        step = run.steps[run.written[-1]]
        error = ErrorInfo("ActionError", "the shop is closed", "CLOSED", step.path)
        run._write(replace(step, status=StepStatus.FAILED, completed_at=backend.world.now(), error=error))
        run.finish(backend.world.now(), RunStatus.FAILED, error)
        await session.pass_time(4)
        assert "✖ push-line" in session.line("▌")
        assert "following" not in session.text
        assert "the shop is closed" in session.text


async def test_s27_iterations_are_named_and_the_failed_ones_counted_and_found(
    studio: Any, backend: FakeBackend
) -> None:
    run_id = running_stock(backend)
    run = backend.world.runs[run_id]
    for index in (3, 70):
        row = next(step for step in run.steps.values() if step.iteration == str(index))
        run._write(replace(row, status=StepStatus.FAILED, handled_by="forEach-continue"))
    async with studio(run_id=run_id) as session:
        await session.press("home", "down")
        assert "143 of 400 · 2 failed" in session.line("▌")
        await session.press("right_curly_bracket")
        assert "▾ ✖ [3] SKU-4" in session.text
        assert "✖ push-line" in session.line("▌")
        await session.press("right_curly_bracket")
        assert "▾ ✖ [70] SKU-71" in session.text
        await session.press("right_curly_bracket")
        assert "[3] SKU-4" in session.text
        await session.press("left_curly_bracket")
        assert "[70] SKU-71" in session.text


async def test_where_nothing_failed_the_key_says_so(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=waiting_order(backend)) as session:
        await session.press("right_curly_bracket")
        assert "no step of this run failed" in session.note


async def test_s20_find_looks_into_what_is_folded(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=running_stock(backend)) as session:
        await session.press("slash")
        await session.type("sku-17")
        await session.press("enter")
        assert "1 of 11" in session.note
        assert "[16] SKU-17" in session.line("▌")
        await session.press("escape", "slash")
        await session.type("push-line")
        await session.press("enter")
        assert "▾ ✔ [0]" in session.text
        assert "push-line" in session.line("▌")
        await session.press("n")
        assert "▾ ✔ [1]" in session.text


async def test_masked_items_name_nothing(studio: Any, backend: FakeBackend) -> None:
    run_id = waiting_order(backend)
    run = backend.world.runs[run_id]
    assert run.payload is not None
    run.payload = Document(run.payload.value, run.payload.masked | {"/lines/0/sku"})
    async with studio(run_id=run_id) as session:
        await session.press("home", "down", "down")
        assert session.line("▌").split("✔")[1].split()[:2] != ["[0]", "SKU-1"]
        assert "[1] SKU-2" in session.text
