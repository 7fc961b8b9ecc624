"""Which events are routed, and which is set aside, while one cannot be routed and others come."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import text

from engine.operations.context import OperationContext
from engine.operations.events import routing
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.routing import route_received
from engine.store.database.transactions import Connection
from engine.store.events.events import StoredEvent
from tests.engine.operations.conftest import add_version
from tests.engine.worker.test_event_stream import PING, bench, context, deliveries, settle, store
from tests.engine.workflow.harness import Bench

__all__ = ["bench", "context", "store"]


async def test_an_event_that_comes_meanwhile_and_stands_before_it_is_not_set_aside_for_it(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of transactions of their producers stand before the others until they are routed."""
    ordinary = routing._deliver

    async def broken(connection: Connection, events: Sequence[StoredEvent]) -> None:
        if any(event.event_id == "poison" for event in events):
            if len(events) == 1:
                async with bench.store.begin() as theirs:
                    await submit_event(context, EventRequest("PING", {}, event_id="sound"), theirs)
            raise ZeroDivisionError
        await ordinary(connection, events)

    monkeypatch.setattr(routing, "_deliver", broken)
    await add_version(bench.store, "wf.a", trigger=PING)
    await submit_event(context, EventRequest("PING", {}, event_id="poison"))
    await submit_event(context, EventRequest("PING", {}, event_id="after"))
    await route_received(context)
    await settle(context)
    marked = await bench.rows("SELECT event_id FROM workflow_runtime_events WHERE error_message LIKE 'ROUTING_FAILED%'")
    assert [row["event_id"] for row in marked] == ["poison"]
    assert sorted(await deliveries(bench)) == [
        ("launch", "wf.a", "done"),
        ("launch", "wf.a", "done"),
        ("routing", "", "failed"),
    ]


async def test_an_event_whose_row_somebody_holds_is_routed_when_it_is_let_go_of(
    bench: Bench, context: OperationContext
) -> None:
    await add_version(bench.store, "wf.a", trigger=PING)
    for event_id in ("held", "free"):
        await submit_event(context, EventRequest("PING", {}, event_id=event_id))
    async with bench.store.begin() as theirs:
        held = "SELECT 1 FROM workflow_runtime_events WHERE event_id = 'held' FOR UPDATE"
        assert (await theirs.execute(text(held))).rowcount == 1
        assert await route_received(context) == 1
    assert await route_received(context) == 1
    rows = await bench.rows("SELECT event_id FROM workflow_runtime_events WHERE state = 'routed' ORDER BY arrival")
    assert [row["event_id"] for row in rows] == ["free", "held"]
