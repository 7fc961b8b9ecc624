"""Long histories: a run goes on as a new execution and does not notice."""

from __future__ import annotations

import pytest
from temporalio.client import WorkflowExecutionStatus

from engine.contract import SIGNAL_HUMAN_TASK, SIGNAL_QUOTA_RESUME
from engine.workflow import continuation
from tests.engine.workflow.executions import executions
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import (
    ask,
    assign,
    attempt,
    call,
    call_workflow,
    for_each,
    ordinary,
    quick,
    set_state,
    wait_event,
)


@pytest.fixture(autouse=True)
def short_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Continue as new after a few dozen events."""
    monkeypatch.setattr(continuation, "MAX_EVENTS", 40)


async def test_a_loop_in_a_try_goes_on_where_it_was(bench: Bench) -> None:
    body = [ordinary("o", value="=item"), assign("sum", total="vars.total + vars.o.value")]
    fails = call("f", "test.fails", category="ActionError", message="no", code="E1")
    run = await bench.play([
        assign("zero", total="0"),
        attempt("t", [for_each("l", "payload.items", body), fails], [set_state("caught")]),
    ], {"items": list(range(20))})  # fmt: skip
    row = await run.row()
    assert row["status"] == "SUCCEEDED"
    assert row["output_json"]["total"] == 190
    assert row["output_json"]["caught"]["code"] == "E1"
    assert await executions(run) >= 3
    assert bench.counts.ran["o"] == 20
    assert row["step_count"] == 20 * 2 + 5
    assert {s["status"] for s in await run.steps()} == {"SUCCEEDED", "FAILED"}
    assert (await run.handle.describe()).status == WorkflowExecutionStatus.COMPLETED


async def test_events_that_were_not_used_yet_are_carried(bench: Bench) -> None:
    await bench.publish([
        wait_event("gate", "GATE"),
        for_each("l", "[1,2,3,4,5,6,7,8,9,10]", [ordinary("o")]),
        for_each("m", "[1,2,3]", [wait_event("w"), assign("a", seen="append(coalesce(vars.seen, []), vars.event.n)")]),
    ])  # fmt: skip
    run = await bench.start()
    await run.waiting("event")
    for n in (1, 2, 3):
        await run.send_event("PING", {"n": n}, event_id=f"e{n}")
    await run.send_event("PING", {"n": 1}, event_id="e1")
    await run.send_event("GATE", event_id="gate")
    row = await run.ended()
    assert row["status"] == "SUCCEEDED"
    assert row["output_json"]["seen"] == [1, 2, 3]
    assert await executions(run) >= 2
    assert [w["matched_event_id"] for w in await run.waits()] == ["gate", "e1", "e2", "e3"]


async def test_a_wait_that_is_signalled_over_and_over_goes_on_waiting(bench: Bench) -> None:
    wait = wait_event("w", filters=[{"path": "n", "op": "=", "value": 99}], timeoutMs=60_000)
    await bench.publish([wait, quick("q", value="=vars.event.n")])
    run = await bench.start()
    row = await run.waiting("event")
    # More signals than a history may have events, however few workflow tasks they come in.
    for n in range(45):
        await run.send_event("PING", {"n": n}, event_id=f"e{n}")

    async def continued() -> bool:
        return await executions(run) >= 2

    await bench.until(continued)
    assert (await run.row())["waiting_since"] == row["waiting_since"]
    await run.send_event("PING", {"n": 99}, event_id="right")
    row = await run.ended()
    assert row["output_json"]["q"] == {"value": 99}
    assert [(w["status"], w["matched_event_id"]) for w in await run.waits()] == [("RESOLVED", "right")]


async def test_answers_and_a_quota_resume_are_carried(bench: Bench) -> None:
    await bench.execute(
        "INSERT INTO workflow_settings (tenant, quota_limit) VALUES (CAST(:t AS uuid), 13)", t=bench.tenant
    )
    await bench.publish([
        wait_event("gate", "GATE"),
        for_each("l", "[1,2,3,4,5,6,7,8,9,10]", [ordinary("o")]),
        ask("t"),
        quick("last"),
    ])  # fmt: skip
    run = await bench.start()
    await run.waiting("event")
    await run.handle.signal(SIGNAL_QUOTA_RESUME, {})
    await run.send_event("GATE")
    await run.waiting("human")
    [task] = await bench.rows("SELECT task_id FROM workflow_human_tasks")
    await run.handle.signal(SIGNAL_HUMAN_TASK, {"taskId": str(task["task_id"]), "payload": {"ok": 1}})
    await run.waiting("quota")
    # The resume that was carried makes it ask a second time, while there is still nothing.
    await run.at_rest()
    assert await executions(run) >= 2
    await bench.execute("UPDATE workflow_settings SET quota_limit = 20")
    await run.handle.signal(SIGNAL_QUOTA_RESUME, {})
    row = await run.ended()
    assert (row["status"], row["step_count"]) == ("SUCCEEDED", 14)
    assert row["output_json"]["event"] == {"ok": 1}


async def test_a_child_is_never_left_behind(bench: Bench) -> None:
    await bench.publish([quick("q")], "wf.child")
    run = await bench.play([for_each("l", "payload.items", [call_workflow("c", "wf.child")])], {"items": [1] * 12})
    assert (await run.row())["status"] == "SUCCEEDED"
    assert await executions(run) >= 2
    children = await bench.rows("SELECT status FROM workflow_runs WHERE parent_run_id IS NOT NULL")
    assert [child["status"] for child in children] == ["SUCCEEDED"] * 12


async def test_a_large_state_is_carried_by_reference(bench: Bench) -> None:
    run = await bench.play([
        call("big", "test.sized", characters=300_000),
        for_each("l", "[1,2,3,4,5,6,7,8]", [ordinary("o")]),
        assign("n", length="len(vars.big.value)"),
    ])  # fmt: skip
    row = await run.row()
    assert row["status"] == "SUCCEEDED"
    assert await executions(run) >= 2
    history = await run.history()
    started = history.events[0].workflow_execution_started_event_attributes
    assert len(started.input.payloads[0].data) < 1000
    scopes = (await run.result())["scopes"]
    assert scopes["vars"]["length"] == 300_000


async def test_a_cancel_in_the_task_that_would_continue_is_not_left_behind(idle_bench: Bench) -> None:
    await idle_bench.publish([wait_event("w", filters=[{"path": "n", "op": "=", "value": 99}])])
    async with idle_bench.worker():
        run = await idle_bench.start()
        await run.waiting("event")
    # They come together, and signals are told first: by then the history is long enough.
    for n in range(45):
        await run.send_event("PING", {"n": n}, event_id=f"e{n}")
    await run.handle.cancel()
    async with idle_bench.worker():
        row = await run.ended()
    assert row["status"] == "CANCELED"
    assert (await run.handle.describe()).status == WorkflowExecutionStatus.CANCELED


async def test_a_cancel_after_continuing_closes_everything(bench: Bench) -> None:
    await bench.publish([for_each("l", "[1,2,3,4,5,6,7,8]", [ordinary("o")]), wait_event("w")])
    run = await bench.start()
    await run.waiting("event")
    assert await executions(run) >= 2
    await run.handle.cancel()
    row = await run.ended()
    assert row["status"] == "CANCELED"
    assert [w["status"] for w in await run.waits()] == ["CANCELED"]
