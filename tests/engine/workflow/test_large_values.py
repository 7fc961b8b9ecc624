"""Large values stay out of Temporal, and too large ones out of the run."""

from __future__ import annotations

import json

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.converter import WorkflowSerializationContext
from temporalio.exceptions import ApplicationError

from engine.contract import SIGNAL_HUMAN_TASK
from engine.operations.reconcile import positions, reconcile
from engine.temporal.data_converter import PAYLOAD_LOST, LostPayload, data_converter
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.restored import Reconciling
from tests.engine.workflow.steps import ask, assign, attempt, call, set_state, wait_event


async def largest_payload(run: Run) -> int:
    """Bytes of the largest event."""
    history = await run.history()
    return max(len(event.SerializeToString()) for event in history.events)


async def test_large_values_go_by_reference_and_are_used_like_any_other(bench: Bench) -> None:
    run = await bench.play([
        call("big", "test.sized", characters=500_000),
        assign("n", length="len(vars.big.value)"),
        call("half", "test.sized", characters=200_000),
        call("both", "test.ordinary", value="=vars.half.value", other="=vars.half.value"),
    ])  # fmt: skip
    row = await run.row()
    assert row["status"] == "SUCCEEDED"
    assert await largest_payload(run) < 220_000
    first, second, third = await run.tries()
    assert (first["output_json"], first["output_bytes"]) == (None, 500_012)
    assert (second["output_ref"], second["output_bytes"]) == (None, 200_012)
    assert (third["input_json"], third["input_bytes"]) == (None, 400_023)
    [stored] = await bench.rows(
        "SELECT value_json, run_id FROM workflow_payloads WHERE payload_id = :id", id=third["input_ref"]
    )
    assert stored["value_json"] == {"value": "x" * 200_000, "other": "x" * 200_000}
    assert str(stored["run_id"]) == run.id
    assert (await run.result())["scopes"]["vars"]["length"] == 500_000
    # The final vars are too large for the row; they are where large values are.
    assert row["output_json"] is None
    [kept] = await bench.rows("SELECT 1 FROM workflow_payloads WHERE value_json ? 'vars'")
    assert kept


async def test_an_output_that_is_too_large_fails_the_step(bench: Bench) -> None:
    big = call("big", "test.sized", characters=3_000_000)
    run = await bench.play([attempt("t", [big], [set_state("caught")])])
    error = (await run.row())["output_json"]["caught"]
    assert (error["code"], error["details"]) == ("PAYLOAD_TOO_LARGE", {"bytes": 3_000_012, "limit": 2 * 1024 * 1024})
    [tried] = await run.tries()
    assert tried["status"] == "FAILED"
    assert await largest_payload(run) < 10_000


async def test_an_input_that_is_too_large_does_not_reach_the_action(idle_bench: Bench) -> None:
    idle_bench.max_value_bytes = 400_000
    async with idle_bench.worker():
        run = await idle_bench.play([
            call("big", "test.sized", characters=250_000),
            call("twice", "test.ordinary", label="twice", one="=vars.big.value", two="=vars.big.value"),
        ])  # fmt: skip
    row = await run.row()
    assert (row["status"], row["error_json"]["code"]) == ("FAILED", "PAYLOAD_TOO_LARGE")
    assert idle_bench.counts.ran["twice"] == 0
    assert [t["status"] for t in await run.tries()] == ["SUCCEEDED", "FAILED"]


async def test_a_long_error_is_cut(bench: Bench) -> None:
    fails = call(
        "f", "test.fails", category="ActionError", message="no " * 50_000, code="E1", details={"d": "y" * 300_000}
    )
    run = await bench.play([fails])
    row = await run.row()
    assert row["status"] == "FAILED"
    assert len(json.dumps(row["error_json"])) <= 32 * 1024
    [tried] = await run.tries()
    assert len(json.dumps(tried["error_json"])) <= 32 * 1024
    assert tried["error_json"]["details"]["truncated"] is True
    assert tried["error_message"].endswith("...[truncated]")


async def test_what_postgres_cannot_hold_is_replaced_for_the_run_too(bench: Bench) -> None:
    run = await bench.play([call("text", "test.nasty"), call("len", "test.ordinary", value="=vars.text.value")])
    row = await run.row()
    assert row["output_json"]["text"] == {"value": "a\ufffdb\ufffdc"}
    assert row["output_json"]["len"] == {"value": "a\ufffdb\ufffdc"}
    assert (await run.result())["scopes"]["vars"] == row["output_json"]


async def test_texts_that_postgres_cannot_hold_stop_no_run(bench: Bench) -> None:
    late = wait_event("late", key="vars.raw", timeoutMs=10)
    await bench.publish([
        wait_event("w"),
        assign("raw", raw="vars.event.raw"),
        attempt("t", [late], [set_state("late")]),
        attempt("u", [call("keyed", "test.ordinary", key="vars.raw", value="=vars.raw")], [set_state("refused")]),
        ask("person", title="vars.raw"),
        call("f", "test.fails", category="ActionError", message="=vars.raw", code="=vars.raw"),
    ])  # fmt: skip
    run = await bench.start()
    await run.waiting("event")
    await run.send_event("PING", {"raw": "a\x00b\ud800c"})
    await run.waiting("human")
    [task] = await bench.rows("SELECT task_id, title FROM workflow_human_tasks")
    assert task["title"] == "a\ufffdb\ufffdc"
    await run.handle.signal(SIGNAL_HUMAN_TASK, {"taskId": str(task["task_id"]), "payload": {"ok": 1}})
    row = await run.ended()
    assert (row["status"], row["last_error_code"]) == ("FAILED", "a\ufffdb\ufffdc")
    assert row["error_json"]["message"] == "a\ufffdb\ufffdc"
    assert [w["status"] for w in await run.waits()] == ["RESOLVED", "TIMED_OUT", "RESOLVED"]


@pytest.mark.parametrize("moved", [True, False])
async def test_a_value_that_is_lost_with_a_restore_ends_the_run(
    idle_bench: Bench, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    """Nobody will find the value again: its workflow task would fail for ever, and while it waits it cannot say where it is."""
    monkeypatch.setattr(reconcile, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(positions, "IDLE_SECONDS", 0.0)
    await idle_bench.publish([call("big", "test.sized", characters=500_000), wait_event("w", "GO"), set_state("after")])
    async with idle_bench.worker():
        run = await idle_bench.start()
        await run.waiting("event")
        await run.at_rest()
    await idle_bench.execute("DELETE FROM workflow_payloads")
    reconciling = Reconciling(idle_bench)
    async with idle_bench.worker():
        if moved:
            await run.send_event("GO")

        async def closed() -> int:
            if not moved:
                await reconciling.look()
            return (await reconcile.close_stranded(reconciling.context)).closed

        assert await idle_bench.until(closed) == 1
    row = await run.row()
    assert (row["status"], row["error_json"]["code"]) == ("FAILED", PAYLOAD_LOST)
    assert "A value that the run needs is lost: The payload" in row["error_json"]["message"]


async def test_an_activity_whose_arguments_are_lost_is_not_tried_again(idle_bench: Bench) -> None:
    async with idle_bench.worker():
        run = await idle_bench.play([set_state("s")])
    converter = data_converter(idle_bench.store).with_context(WorkflowSerializationContext("default", run.handle.id))
    [reference] = await converter.encode([{"text": "x" * 300_000}])
    assert await converter.decode([reference]) == [{"text": "x" * 300_000}]
    await idle_bench.execute("DELETE FROM workflow_payloads")
    failure = Failure()
    try:
        try:
            await converter.decode([reference])
        except LostPayload as lost:
            raise ApplicationError("Failed decoding arguments") from lost
    except ApplicationError as of_the_sdk:
        await converter.encode_failure(of_the_sdk, failure)
    info = failure.application_failure_info
    assert (info.type, info.non_retryable) == (PAYLOAD_LOST, True)
