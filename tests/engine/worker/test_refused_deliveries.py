"""A delivery that is refused is tried again beside the others, and keeps none of them waiting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from engine.errors import EngineError, Invalid
from engine.operations.context import OperationContext
from engine.operations.events import deliveries as making
from engine.operations.events.deliveries import MAX_REFUSALS, make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.routing import route_received
from engine.operations.runs.launch import LaunchRequest
from engine.records import Started
from tests.engine.operations.conftest import add_version
from tests.engine.operations.crashing import refusing as refusing_temporal
from tests.engine.worker.test_event_stream import PING, bench, context, deliveries, settle, store
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import wait_event

__all__ = ["bench", "context", "store"]

LATER = 3_600.0
"""Seconds; so long that it is over only when the test says so."""


async def submit(context: OperationContext, *payloads: dict[str, Any], key: str | None = None) -> None:
    for payload in payloads:
        await submit_event(context, EventRequest("PING", payload, key))
    await route_received(context)


async def test_a_refused_launch_holds_no_later_one_without_a_key(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_FIRST_PAUSE_SECONDS", LATER)
    launch = making.launch_published_run

    async def refusing(acting: OperationContext, request: LaunchRequest) -> Started:
        if request.payload == {"n": 1}:
            raise EngineError("BROKEN", "It will not do.")
        return await launch(acting, request)

    monkeypatch.setattr(making, "launch_published_run", refusing)
    await add_version(bench.store, "wf.a", trigger=PING)
    await submit(context, {"n": 1}, {"n": 2}, {"n": 3})
    await settle(context)
    assert await deliveries(bench) == [("launch", "wf.a", status) for status in ("pending", "done", "done")]


async def test_a_launch_that_temporal_refuses_leaves_one_run_behind(
    bench: Bench, context: OperationContext, temporal_address: str
) -> None:
    """The run is kept as FAILED, to be looked at and replayed; another try would keep another."""
    refused = replace(context, temporal=await refusing_temporal(temporal_address))
    await add_version(bench.store, "wf.a", trigger=PING)
    await submit(context, {"n": 1})
    for _ in range(3):
        await make_due_deliveries(refused)
        await bench.execute("UPDATE workflow_event_deliveries SET next_attempt_at = now() WHERE status = 'pending'")
    [run] = await bench.rows("SELECT run_id, status FROM workflow_runs")
    [delivery] = await bench.rows("SELECT status, run_id, last_error FROM workflow_event_deliveries")
    assert (run["status"], delivery["status"], delivery["run_id"]) == ("FAILED", "failed", run["run_id"])
    assert "Blob data size exceeds limit" in delivery["last_error"]


async def test_an_event_that_temporal_refuses_is_counted_and_the_next_one_ends_the_wait(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_FIRST_PAUSE_SECONDS", LATER)
    signal = WorkflowHandle.signal
    refused = RPCError("the input is too long", RPCStatusCode.INVALID_ARGUMENT, b"")

    async def refusing(handle: Any, name: str, given: Any, **more: Any) -> None:
        if given["payload"]["n"] == 1:
            raise refused
        await signal(handle, name, given, **more)

    monkeypatch.setattr(WorkflowHandle, "signal", refusing)
    await bench.publish([wait_event("w", key='"k"', filters=[{"path": "n", "op": "!=", "value": 2}])])
    run = await bench.start()
    await run.waiting("event")
    await run.at_rest()
    await run.at_rest()
    await submit(context, {"n": 1}, {"n": 2}, key="k")
    assert [await make_due_deliveries(context) for _ in range(2)] == [1, 1]
    # What its filters refuse is kept for later, and nothing that stands before it.
    assert [status for _, _, status in await deliveries(bench)] == ["pending", "done"]
    await submit(context, {"n": 3}, key="k")
    await settle(context)
    assert (await run.ended())["output_json"]["event"] == {"n": 3}
    [first, *_] = await bench.rows("SELECT refusals, last_error FROM workflow_event_deliveries ORDER BY arrival")
    assert first["refusals"] == 1


async def test_what_temporal_refuses_for_good_is_a_dead_letter(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_FIRST_PAUSE_SECONDS", 0.0)

    async def refusing(*_: Any, **__: Any) -> None:
        raise RPCError("the input is too long", RPCStatusCode.INVALID_ARGUMENT, b"")

    monkeypatch.setattr(WorkflowHandle, "signal", refusing)
    await bench.publish([wait_event("w", key='"k"')])
    run = await bench.start()
    await run.waiting("event")
    await run.at_rest()
    await submit(context, {"n": 1}, key="k")

    async def given_up() -> bool:
        await make_due_deliveries(context)
        return [status for _, _, status in await deliveries(bench)] == ["failed"]

    await bench.until(given_up)
    [row] = await bench.rows("SELECT status, refusals, last_error FROM workflow_event_deliveries")
    assert row == {
        "status": "failed",
        "refusals": MAX_REFUSALS - 1,
        "last_error": "TEMPORAL_REFUSED: Temporal refused the event: the input is too long.",
    }


async def test_what_the_submitter_may_not_do_is_skipped_at_once(bench: Bench, context: OperationContext) -> None:
    await add_version(bench.store, "wf.a", trigger=PING)
    await submit(context, {"n": 1})
    await bench.execute("UPDATE workflow_runtime_events SET submitted_level = 'read', submitted_known_by = 'account'")
    await settle(context)
    [row] = await bench.rows("SELECT status, reason FROM workflow_event_deliveries")
    assert row["status"] == "skipped"
    assert row["reason"].startswith("LEVEL_TOO_LOW: This needs the level operate")


async def test_a_reason_that_no_row_can_hold_is_written_all_the_same(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refusing(_acting: OperationContext, request: LaunchRequest) -> Started:
        raise Invalid("ODD", f"a\x00b of {request.workflow_id}")

    monkeypatch.setattr(making, "launch_published_run", refusing)
    await add_version(bench.store, "wf.a", trigger=PING)
    await submit(context, {"n": 1})
    await settle(context)
    [row] = await bench.rows("SELECT status, reason FROM workflow_event_deliveries")
    assert row == {"status": "skipped", "reason": "ODD: a\ufffdb of wf.a"}
