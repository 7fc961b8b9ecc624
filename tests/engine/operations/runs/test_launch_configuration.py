"""F11: a configuration that can come right later leaves launches pending, and says so; only a refusal of the run fails it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from temporalio.service import RPCStatusCode

from engine import Engine
from engine.errors import EngineError
from engine.operations.attention import attention
from engine.operations.context import OperationContext
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.routing import route_received
from engine.operations.reconcile.reconcile import Relaunched, relaunch_pending
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.records import AttentionKind
from engine.settings import Settings
from engine.store.database.transactions import Store
from engine.temporal.connection import TemporalConnection
from tests.engine.operations.conftest import Execute, Query, add_version, age
from tests.engine.operations.crashing import refusing

LATER = (
    (RPCStatusCode.NOT_FOUND, "Namespace nope is not found."),
    (RPCStatusCode.INVALID_ARGUMENT, "Namespace is empty."),
    (RPCStatusCode.PERMISSION_DENIED, "Request unauthorized."),
    (RPCStatusCode.UNAUTHENTICATED, "The API key has expired."),
    (RPCStatusCode.FAILED_PRECONDITION, "Namespace has invalid state: Deleted."),
    (RPCStatusCode.UNIMPLEMENTED, "unknown service"),
    (RPCStatusCode.RESOURCE_EXHAUSTED, "rps limit"),
)


async def test_only_what_concerns_this_run_fails_it(
    context: OperationContext, store: Store, temporal_address: str, execute: Execute, query: Query
) -> None:
    await add_version(store)
    for status, message in LATER:
        refused = replace(context, temporal=await refusing(temporal_address, status, message))
        started = await launch_published_run(refused, LaunchRequest("orders"))
        assert (started.pending, message.rstrip(".") in started.message) == (True, True), status
        await age(execute)
        assert (await relaunch_pending(refused)).failed == 0, status
    rows = await query("SELECT DISTINCT status, launch_state FROM workflow_runs")
    assert rows == [{"status": "RUNNING", "launch_state": "pending"}]
    too_large = replace(context, temporal=await refusing(temporal_address))
    with pytest.raises(EngineError, match="LAUNCH_REFUSED"):
        await launch_published_run(too_large, LaunchRequest("orders"))
    await age(execute)
    assert await relaunch_pending(context) == Relaunched(started=len(LATER)), "once it is right, all of them start"


async def test_a_namespace_that_is_not_there_leaves_everything_pending_and_is_said_everywhere(
    context: OperationContext, store: Store, database_url: str, temporal_address: str, execute: Execute, query: Query
) -> None:
    for number in range(5):
        await add_version(store, f"orders-{number}", trigger={"type": "event", "eventName": "PAID"})
    given = Settings.load(database_url=database_url, temporal_address=temporal_address, temporal_namespace="nope")
    async with Engine(given, actor="shop") as engine:
        started = await engine.runs.start("orders-0")
        assert (started.pending, "nope" in started.message) == (True, True)
        [temporal] = [part for part in (await engine.system.health()).parts if part.name == "temporal"]
        assert (temporal.state, "nope is not found" in temporal.detail) == ("down", True)
    wrong = replace(context, temporal=TemporalConnection.from_settings(given))
    await submit_event(wrong, EventRequest("PAID", {}, "42"))
    assert await route_received(wrong) == 1
    assert await make_due_deliveries(wrong) == 5
    await age(execute)
    assert (await relaunch_pending(wrong)).failed == 0
    rows = await query("SELECT status, launch_state, count(*) AS runs FROM workflow_runs GROUP BY 1, 2")
    assert rows == [{"status": "RUNNING", "launch_state": "pending", "runs": 6}]

    why = (await diagnose_run(wrong, started.run_id)).findings
    assert any("nope is not found" in line for found in why for line in (found.sentence, *found.evidence))
    [item] = [item for item in (await attention(wrong)).items if item.key == started.run_id]
    assert (item.kind, "nope is not found" in item.reason) == (AttentionKind.LAUNCH, True)
    await wrong.temporal.close()
    await age(execute)
    assert await relaunch_pending(context) == Relaunched(started=6)
