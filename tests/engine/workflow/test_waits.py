"""Waits: events early, late and never, times, and people."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.common import RawValue

from engine.contract import QUERY_CURRENT_STEP, QUERY_CURRENT_WAIT, QUERY_SUMMARY, SIGNAL_EVENT, SIGNAL_HUMAN_TASK
from engine.temporal.payload_codec import ENCODING, ENCRYPTED
from tests.engine.workflow.harness import PATIENCE_SECONDS, Bench, Run
from tests.engine.workflow.steps import ask, attempt, expression, quick, set_state, wait_event, wait_time


async def publish_event(bench: Bench, event_id: str, name: str, key: str | None = None, payload: str = "{}") -> None:
    """An event as ingestion stores it."""
    await bench.execute(
        "INSERT INTO workflow_runtime_events (tenant, event_id, event_name, correlation_key, correlation_keys, payload)"
        " VALUES (CAST(:t AS uuid), :id, :name, :key, jsonb_build_array(CAST(:key AS text)), CAST(:payload AS jsonb))",
        t=bench.tenant,
        id=event_id,
        name=name,
        key=key,
        payload=payload,
    )


async def test_a_matching_event_resolves_the_wait(bench: Bench) -> None:
    await bench.publish([
        wait_event("w", key="payload.order", filters=[{"path": "ok", "op": "=", "value": True}]),
        quick("q", value="=vars.event.amount"),
    ])  # fmt: skip
    run = await bench.start({"order": "o-1"})
    row = await run.waiting("event")
    assert (row["node_path"], row["node_step_id"]) == ("root.steps[0]", "w")
    [wait] = await run.waits()
    assert (wait["status"], wait["event_name"], wait["key"]) == ("WAITING", "PING", "o-1")
    assert row["waiting_since"] == wait["created_at"]
    await run.send_event("PING", {"ok": True, "amount": 1}, key="other", event_id="e1")
    await run.send_event("PONG", {"ok": True, "amount": 2}, key="o-1", event_id="e2")
    await run.send_event("PING", {"ok": False, "amount": 3}, key="o-1", event_id="e3")
    await run.send_event("PING", {"ok": True, "amount": 4}, key="o-1", event_id="e4")
    row = await run.ended()
    assert (row["status"], row["waiting_on"], row["waiting_since"]) == ("SUCCEEDED", None, None)
    assert row["output_json"]["q"] == {"value": 4}
    [wait] = await run.waits()
    assert (wait["status"], wait["matched_event_id"]) == ("RESOLVED", "e4")
    assert wait["resolved_at"] >= wait["created_at"]


async def test_an_event_published_before_the_wait_is_found(bench: Bench) -> None:
    await bench.publish([wait_event("first", "GO"), wait_event("w", key='"k"')])
    run = await bench.start()
    await run.waiting("event")
    await publish_event(bench, "early", "PING", "k", '{"n": 1}')
    await publish_event(bench, "later", "PING", "k", '{"n": 2}')
    await publish_event(bench, "foreign", "PING", "other")
    await run.send_event("GO", event_id="go")
    row = await run.ended()
    assert row["output_json"]["event"] == {"n": 1}
    assert [w["matched_event_id"] for w in await run.waits()] == ["go", "early"]


async def test_an_event_is_consumed_once(bench: Bench) -> None:
    await bench.publish([wait_event("one"), wait_event("two")])
    run = await bench.start()
    await run.waiting("event")
    await publish_event(bench, "e1", "PING", None, '{"n": 1}')
    await run.send_event("PING", {"n": 1}, event_id="e1")
    await run.send_event("PING", {"n": 1}, event_id="e1")

    async def second_wait() -> bool:
        return len(await run.waits()) == 2

    await bench.until(second_wait)
    assert (await run.row())["node_path"] == "root.steps[1]"
    await run.send_event("PING", {"n": 2}, event_id="e2")
    row = await run.ended()
    assert [w["matched_event_id"] for w in await run.waits()] == ["e1", "e2"]
    assert row["output_json"]["event"] == {"n": 2}


async def test_events_from_before_the_run_are_not_its(bench: Bench) -> None:
    await publish_event(bench, "old", "PING")
    await bench.publish([wait_event("w")])
    run = await bench.start()
    await run.waiting("event")
    assert (await run.row())["status"] == "WAITING"
    await run.send_event("PING", event_id="new")
    await run.ended()
    assert [w["matched_event_id"] for w in await run.waits()] == ["new"]


async def test_many_early_events_are_looked_through_page_by_page(bench: Bench) -> None:
    await bench.publish([
        wait_event("first", "GO"),
        wait_event("w", filters=[{"path": "n", "op": "=", "value": 249}]),
    ])  # fmt: skip
    run = await bench.start()
    await run.waiting("event")
    await bench.execute(
        "INSERT INTO workflow_runtime_events (tenant, event_id, event_name, payload)"
        " SELECT CAST(:t AS uuid), 'e' || n, 'PING', jsonb_build_object('n', n) FROM generate_series(0, 249) AS n",
        t=bench.tenant,
    )
    await run.send_event("GO", event_id="go")
    row = await run.ended()
    assert row["output_json"]["event"] == {"n": 249}


async def test_a_deadline_passes(bench: Bench) -> None:
    run = await bench.play([attempt("t", [wait_event("w", timeoutMs=50)], [set_state("late")])])
    row = await run.row()
    assert row["status"] == "SUCCEEDED"
    assert row["output_json"]["caught"]["code"] == "EVENT_WAIT_TIMEOUT"
    [wait] = await run.waits()
    assert (wait["status"], wait["matched_event_id"]) == ("TIMED_OUT", None)
    assert wait["timeout_at"] is not None


async def left_waiting(bench: Bench, milliseconds: int = 1500) -> Run:
    """A run that waits for an event, until a deadline that no worker has seen pass."""
    await bench.publish([wait_event("w", timeoutMs=milliseconds)])
    async with bench.worker():
        run = await bench.start()
        await run.waiting("event")
    if (await run.events())["TIMER_FIRED"]:
        # The worker took longer to stop than that.
        return await left_waiting(bench, 4 * milliseconds)
    return run


async def test_an_event_and_its_deadline_in_one_activation_is_the_event(idle_bench: Bench) -> None:
    run = await left_waiting(idle_bench)
    # Nobody is there when the event comes and the deadline passes: the next worker learns of both at once.
    await run.send_event("PING", {"n": 1})

    async def fired() -> bool:
        return (await run.events())["TIMER_FIRED"] == 1

    await idle_bench.until(fired)
    async with idle_bench.worker():
        row = await run.ended()
    assert row["status"] == "SUCCEEDED"
    assert [w["status"] for w in await run.waits()] == ["RESOLVED"]


async def test_a_time_wait_says_until_when(bench: Bench) -> None:
    await bench.publish([wait_time("w", 60_000)])
    run = await bench.start()
    row = await run.waiting("time")
    [wait] = await run.waits()
    assert (wait["wait_type"], wait["status"]) == ("time", "WAITING")
    # Both are the run's own times.
    assert (wait["timeout_at"] - row["waiting_since"]).total_seconds() == 60


async def test_a_time_wait_ends_at_its_time(bench: Bench) -> None:
    run = await bench.play([wait_time("w", 1200)])
    [wait] = await run.waits()
    assert (wait["wait_type"], wait["status"]) == ("time", "RESOLVED")
    assert (wait["timeout_at"] - wait["created_at"]).total_seconds() == 1.2
    assert (await run.row())["completed_at"] >= wait["timeout_at"]


async def test_a_person_is_asked_and_answers(bench: Bench) -> None:
    await bench.publish([ask("t"), quick("q", value="=vars.event.approved")])
    run = await bench.start()
    await run.waiting("human")
    [task] = await bench.rows("SELECT * FROM workflow_human_tasks")
    assert (task["task_type"], task["title"], task["status"]) == ("approval", "Approve?", "pending")
    assert (str(task["run_id"]), task["step_path"], task["context_json"]) == (run.id, "root.steps[0]", {"n": 2})
    [wait] = await run.waits()
    assert wait["key"] == str(task["task_id"])
    await run.handle.signal(SIGNAL_HUMAN_TASK, {"taskId": "another", "payload": {"approved": False}})
    answer = {"taskId": str(task["task_id"]), "payload": {"approved": True}}
    await run.handle.signal(SIGNAL_HUMAN_TASK, answer)
    await run.handle.signal(SIGNAL_HUMAN_TASK, {**answer, "payload": {"approved": "too late"}})
    row = await run.ended()
    assert row["output_json"]["q"] == {"value": True}
    assert [w["status"] for w in await run.waits()] == ["RESOLVED"]


async def test_queries_tell_where_the_run_is(bench: Bench) -> None:
    await bench.publish([quick("a"), wait_event("w", key='"k"')])
    run = await bench.start()
    await run.waiting("event")
    assert await run.handle.query(QUERY_CURRENT_STEP) == {"runId": run.id, "currentStepPath": "root.steps[1]"}
    assert await run.handle.query(QUERY_CURRENT_WAIT) == {
        "type": "event.wait",
        "stepPath": "root.steps[1]",
        "descriptor": {"eventName": "PING", "correlationKey": "k", "timeoutAt": None},
    }
    assert await run.handle.query(QUERY_SUMMARY) == {
        "runId": run.id,
        "stepCount": 2,
        "currentStepPath": "root.steps[1]",
        "frameDepth": 0,
    }
    await run.send_event("PING", key="k")
    await run.ended()
    assert await run.handle.query(QUERY_CURRENT_WAIT) is None


async def test_what_temporals_ui_asks_of_every_execution_is_answered(bench: Bench) -> None:
    await bench.publish([wait_event("w")])
    run = await bench.start()
    await run.waiting("event")
    answer: RawValue = await run.handle.query("__temporal_workflow_metadata", result_type=RawValue)
    assert answer.payload.metadata["encoding"] == b"json/protobuf"
    named = [query["name"] for query in json.loads(answer.payload.data)["definition"]["queryDefinitions"]]
    assert {QUERY_CURRENT_STEP, QUERY_CURRENT_WAIT, QUERY_SUMMARY} <= set(named)


async def test_signals_that_are_none_are_dropped(bench: Bench) -> None:
    await bench.publish([wait_event("w")])
    run = await bench.start()
    await run.waiting("event")
    for nonsense in (None, 7, "x", [], {}, {"eventName": 3}):
        await run.handle.signal("workflowRuntimeV2Event", nonsense)
        await run.handle.signal(SIGNAL_HUMAN_TASK, nonsense)
    await run.send_event("PING", {"n": 1})
    row = await run.ended()
    assert row["output_json"]["event"] == {"n": 1}


async def test_a_signal_with_what_no_row_can_hold_is_taken_as_it_can_be_kept(bench: Bench) -> None:
    """Nobody who submits an event can have such an id; whoever can signal may, and the run must not stand still for it."""
    await bench.publish([wait_event("w", key="'o-1'")])
    run = await bench.start()
    await run.waiting("event")
    await run.send_event("PING", {"text": "a\0b"}, key="o-1", event_id="e\0\ud800")
    row = await run.ended()
    assert (row["status"], row["output_json"]["event"]) == ("SUCCEEDED", {"text": "a\ufffdb"})
    [wait] = await run.waits()
    assert wait["matched_event_id"] == "e\ufffd\ufffd"


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        (ENCODING, {"payload_id": "00000000-0000-7000-8000-000000000009", "bytes": 3, "sha256": "x"}),
        (ENCODING, {"payload_id": "no id", "run": "other"}),
        (ENCODING, ["none"]),
        (ENCRYPTED, "not encrypted"),
    ],
)
async def test_a_forged_reference_in_a_signal_is_dropped(bench: Bench, encoding: bytes, data: Any) -> None:
    """Whoever can signal past the front door names what is not the run's: that is not read, and nothing stands still for it."""
    await bench.publish([wait_event("w", key="'o-1'")])
    run = await bench.start()
    await run.waiting("event")
    metadata = {"encoding": encoding, "key": b"k"}
    forged = Payload(metadata=metadata, data=json.dumps(data).encode())
    await bench.client.workflow_service.signal_workflow_execution(
        SignalWorkflowExecutionRequest(
            namespace=bench.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run.handle.id),
            signal_name=SIGNAL_EVENT,
            input=Payloads(payloads=[forged]),
        )
    )
    await run.send_event("PING", {"n": 1}, key="o-1", event_id="right")
    row = await run.ended()
    assert (row["status"], row["output_json"]["event"]) == ("SUCCEEDED", {"n": 1})


async def test_an_event_that_comes_while_the_run_is_busy_is_kept(bench: Bench) -> None:
    await bench.publish([
        {"id": "g", "type": "action.call", "config": {"actionId": "test.gated", "version": 1, "inputMapping": {"label": "g"}}},
        wait_event("w"),
    ])  # fmt: skip
    run = await bench.start()
    await asyncio.wait_for(bench.counts.begun("g").wait(), PATIENCE_SECONDS)
    await run.send_event("PING", {"n": 5})
    bench.counts.gate("g").set()
    row = await run.ended()
    assert row["output_json"]["event"] == {"n": 5}


async def test_the_outcome_of_a_wait_can_be_assigned(bench: Bench) -> None:
    wait = wait_event("w")
    wait["config"]["assign"] = {"vars.got": expression("vars.event.n")}
    await bench.publish([wait])
    run: Run = await bench.start()
    await run.waiting("event")
    await run.send_event("PING", {"n": 9})
    assert (await run.ended())["output_json"]["got"] == 9
