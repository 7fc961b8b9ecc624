"""An accepted event has an end one can see: the field cases of events that were lost, or that stopped others."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import event as hooks
from sqlalchemy import make_url
from sqlalchemy.exc import DataError

from engine.definition.hash import canonical_json
from engine.errors import Conflict
from engine.operations.actor import Actor
from engine.operations.attention import attention
from engine.operations.context import OperationContext
from engine.operations.events import routing
from engine.operations.events.correlation_paths import set_correlation_paths
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.redelivery import redeliver_event
from engine.operations.events.routing import route_received
from engine.operations.health import system_health
from engine.operations.jobs.jobs import get_job, submit_job
from engine.operations.jobs.settling import take_turn
from engine.records import AttentionKind, EventFilter, JobKind
from engine.store.database.transactions import Connection
from engine.store.events.events import StoredEvent
from engine.store.events.reading import deliveries_page, events_page
from tests.engine.operations.conftest import add_version
from tests.engine.worker.test_event_stream import PING, bench, context, settle, store
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import set_state, wait_event

__all__ = ["bench", "context", "store"]

Psycopg = psycopg.AsyncConnection[tuple[object, ...]]


@pytest_asyncio.fixture
async def connection(database_url: str) -> AsyncIterator[Psycopg]:
    plain = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    async with await psycopg.AsyncConnection.connect(plain) as made:
        yield made


async def test_f6_a_run_that_an_event_started_looks_back_to_that_event(bench: Bench, context: OperationContext) -> None:
    """Both were submitted while nobody routed, so the run is younger than what it waits for."""
    await set_correlation_paths(context, {"*": ["order"]})
    placed = {"type": "event", "eventName": "ORDER_PLACED"}
    await add_version(bench.store, "wf.order", trigger=placed, steps=[wait_event("w", "PAID", key="payload.order")])
    await submit_event(context, EventRequest("PAID", {"order": "A-1", "n": 0}))
    await submit_event(context, EventRequest("ORDER_PLACED", {"order": "A-1"}))
    await submit_event(context, EventRequest("PAID", {"order": "A-1", "n": 1}))
    await bench.execute("UPDATE workflow_runtime_events SET created_at = now() - interval '1 hour'")
    await settle(context)

    async def ended() -> list[dict[str, Any]]:
        return await bench.rows("SELECT output_json FROM workflow_runs WHERE status = 'SUCCEEDED'")

    [run] = await bench.until(ended)
    assert run["output_json"]["event"]["n"] == 1, "what came before the event that started it is not for this run"


@pytest.mark.parametrize("age", ["0 s", "75 s"])
async def test_f37_an_event_committed_after_a_later_one_was_looked_at_is_taken(
    age: str, bench: Bench, context: OperationContext, connection: Psycopg
) -> None:
    await bench.publish([wait_event("first"), wait_event("between", "GO"), wait_event("then")])
    run = await bench.start()
    await run.waiting("event")
    # Its look back is over, which would find the K that is only to be copied.
    await run.at_rest()
    await submit_event(context, EventRequest("PING", {"n": "K"}, event_id="K"))
    # K as it was before its commit: a transaction that has inserted it, with its number, and is still open.
    [row] = await bench.rows("SELECT * FROM workflow_runtime_events")
    await bench.execute("DELETE FROM workflow_runtime_events")
    await connection.execute(
        "INSERT INTO workflow_runtime_events"
        " (tenant, event_id, event_name, correlation_keys, payload, state, arrival, created_at)"
        " VALUES (%s, 'K', 'PING', '[]', '{\"n\": \"K\"}', 'received', %s, now() - CAST(%s AS interval))",
        (row["tenant"], row["arrival"], age),
    )
    await bench.execute("UPDATE workflow_runs SET started_at = started_at - interval '2 minutes'")
    await submit_event(context, EventRequest("PING", {"n": "K+1"}))
    await settle(context)

    async def between() -> bool:
        return [wait["event_name"] for wait in await run.waits()] == ["PING", "GO"]

    await bench.until(between)
    await connection.commit()
    await settle(context)
    await run.send_event("GO")
    row = await run.ended()
    assert (row["status"], row["output_json"]["event"]) == ("SUCCEEDED", {"n": "K"})


async def test_f42_an_event_that_cannot_be_routed_is_set_aside_and_the_others_are_routed(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow_id = "wf." + "a" * 60
    await add_version(bench.store, workflow_id, trigger=PING, steps=[set_state("s")])
    for name in ("before", "poison", "after"):
        await submit_event(context, EventRequest("PING", {}, "k", event_id=name))
    # As it was stored by a program that did not measure: no index row has room for its delivery.
    await bench.execute(
        "UPDATE workflow_runtime_events SET event_id = substr((SELECT string_agg(md5(n::text), '') FROM generate_series(1, 83)"
        " AS n), 1, 2644) WHERE event_id = 'poison'"
    )
    assert await route_received(context) == 3
    await settle(context)
    rows = await bench.rows("SELECT event_id, state, error_message FROM workflow_runtime_events ORDER BY arrival")
    assert [row["state"] for row in rows] == ["routed"] * 3
    assert [(row["error_message"] or "").partition(":")[0] for row in rows] == ["", "ROUTING_FAILED", ""]
    assert len(await bench.rows("SELECT 1 FROM workflow_runs")) == 2

    async def bug(_connection: Connection, events: list[StoredEvent]) -> None:
        if any(event.event_id == "odd" for event in events):
            raise DataError("", {}, ValueError("nobody thought of that"))
        await ordinary(_connection, events)

    ordinary = routing._deliver
    monkeypatch.setattr(routing, "_deliver", bug)
    for name in ("even", "odd", "last"):
        await submit_event(context, EventRequest("PING", {}, "k", event_id=name))
    assert await route_received(context) == 3
    marked = await bench.rows("SELECT event_id FROM workflow_runtime_events WHERE error_message LIKE 'ROUTING_FAILED%'")
    assert [row["event_id"] for row in marked if len(row["event_id"]) < 10] == ["odd"]
    # Both stand where an operator looks: also the one whose id no other delivery has room for.
    dead = (await deliveries_page(context.store, context.tenant, status="dead")).rows
    assert {(row.kind, row.status, row.event_name, row.key) for row in dead} == {("routing", "failed", "PING", "k")}
    assert sorted(len(row.event_id or "") for row in dead) == [3, 2644]


async def test_an_event_that_could_not_be_routed_is_seen_and_routed_again(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = routing._deliver

    async def bug(_connection: Connection, _events: list[StoredEvent]) -> None:
        raise DataError("", {}, ValueError("nobody thought of that"))

    await add_version(bench.store, "wf.a", trigger=PING, steps=[set_state("s")])
    monkeypatch.setattr(routing, "_deliver", bug)
    for name in ("one", "two"):
        await submit_event(context, EventRequest("PING", {}, "k", event_id=name))
    await settle(context)
    parts = {part.name: part for part in await system_health(context)}
    assert parts["events"].detail == "2 deliveries were given up; of these 2 events that could not be routed"
    seen = [item for item in (await attention(context)).items if item.kind is AttentionKind.DELIVERY]
    assert {(item.event_id, item.reason.partition(":")[0]) for item in seen} == {
        ("one", "ROUTING_FAILED"),
        ("two", "ROUTING_FAILED"),
    }
    first = next(item.key for item in seen if item.event_id == "one")
    await redeliver_event(context, first, "is it still so")
    await settle(context)
    dead = (await deliveries_page(context.store, context.tenant, status="dead")).rows
    assert sorted(row.event_id or "" for row in dead) == ["one", "two"], "it is, and both are seen again"

    monkeypatch.setattr(routing, "_deliver", ordinary)
    await redeliver_event(context, first, "the bug is mended")
    with pytest.raises(Conflict, match="DELIVERY_NOT_FAILED"):
        await redeliver_event(context, first, "once more")
    job = await submit_job(context, JobKind.REDELIVER, "dead", "all of them")
    worker = replace(context, actor=Actor("17@host", None, "reconciler", "service"))
    while (await take_turn(worker)).found:
        pass
    assert (await get_job(context, job.job.job_id)).done == 1
    await settle(context)
    rows = await bench.rows("SELECT event_id, target_kind, status FROM workflow_event_deliveries ORDER BY event_id")
    assert [tuple(row.values()) for row in rows] == [("one", "launch", "done"), ("two", "launch", "done")]
    assert await bench.rows("SELECT 1 FROM workflow_runtime_events WHERE error_message IS NOT NULL") == []


async def test_an_event_that_is_gone_is_not_routed_again(bench: Bench, context: OperationContext) -> None:
    await bench.execute(
        "INSERT INTO workflow_event_deliveries (delivery_id, event_id, target_kind, target, status)"
        " VALUES (gen_random_uuid(), 'gone', 'routing', '', 'failed')"
    )
    [row] = (await deliveries_page(context.store, context.tenant, status="failed")).rows
    with pytest.raises(Conflict, match="DELIVERY_WITHOUT_EVENT"):
        await redeliver_event(context, row.delivery_id, "is it there")


async def test_f42_a_body_that_cannot_be_read_stops_no_other(bench: Bench, context: OperationContext) -> None:
    """Postgres keeps longer numbers than Python reads."""
    unreadable = "UPDATE workflow_runtime_events SET payload = '{\"n\": 1e5000}' WHERE event_id = :id"
    await add_version(bench.store, "wf.a", trigger=PING, steps=[set_state("s")])
    for name in ("first", "second", "third"):
        await submit_event(context, EventRequest("PING", {}, name, event_id=name))
    await bench.execute(unreadable, id="first")
    assert await route_received(context) == 3
    await bench.execute(unreadable, id="second")
    await settle(context)
    rows = await bench.rows(
        "SELECT e.event_id, left(e.error_message, 14) AS error, d.status, left(d.last_error, 10) AS why"
        " FROM workflow_runtime_events AS e LEFT JOIN workflow_event_deliveries AS d USING (tenant, event_id)"
        " ORDER BY e.event_id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("first", "ROUTING_FAILED", "failed", "ROUTING_FA"),
        ("second", None, "failed", "UNREADABLE"),
        ("third", None, "done", None),
    ]


async def test_f31_the_same_event_id_with_other_content_is_a_conflict(bench: Bench, context: OperationContext) -> None:
    first = EventRequest("PING", {"n": 1, "m": 2.0}, "k", event_id="e-1", payload_schema_ref="payload.Any.v1")
    assert (await submit_event(context, first)).accepted
    same = EventRequest("PING", {"m": 2, "n": 1.0}, " k ", event_id="e-1", payload_schema_ref="payload.Any.v1")
    assert not (await submit_event(context, same)).accepted
    await set_correlation_paths(context, {"*": ["n"]})
    assert not (await submit_event(context, first)).accepted, "what the tenant has set since is not the producer's"
    for other in (
        EventRequest("PONG", first.payload, "k", "e-1", "payload.Any.v1"),
        EventRequest("PING", {"n": 2, "m": 2.0}, "k", "e-1", "payload.Any.v1"),
        EventRequest("PING", first.payload, "q", "e-1", "payload.Any.v1"),
        EventRequest("PING", first.payload, "k", "e-1", None),
    ):
        with pytest.raises(Conflict, match="EVENT_ID_REUSED"):
            await submit_event(context, other)
    [row] = await bench.rows("SELECT payload FROM workflow_runtime_events")
    assert row["payload"] == {"n": 1, "m": 2.0}
    await bench.execute("UPDATE workflow_runtime_events SET content_digest = NULL")
    assert not (await submit_event(context, first)).accepted, "stored before digests were kept"


async def test_one_key_in_two_forms_is_the_same_event(bench: Bench, context: OperationContext) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert (await submit_event(context, EventRequest("PING", {}, composed, event_id="e-1"))).accepted
    for key in (decomposed, f" {composed}\ufeff"):
        receipt = await submit_event(context, EventRequest("PING", {}, key, event_id="e-1"))
        assert (receipt.accepted, receipt.keys) == (False, (composed,))
    earlier = hashlib.sha256(canonical_json(["PING", decomposed, {}, None])).hexdigest()
    await bench.execute("UPDATE workflow_runtime_events SET content_digest = :earlier", earlier=earlier)
    assert not (await submit_event(context, EventRequest("PING", {}, decomposed, event_id="e-1"))).accepted


@pytest.mark.parametrize("sent", ["Ge\u0301ant", " G\u00e9ant\n"])
async def test_a_name_in_another_form_is_the_same_event(bench: Bench, context: OperationContext, sent: str) -> None:
    """A producer whose text comes from a file's name, say, sends accents as characters of their own."""
    name = "G\u00e9ant"
    await set_correlation_paths(context, {"Ge\u0301ant": ["order"]})
    await bench.publish([wait_event("w", name, key="'o-1'")])
    run = await bench.start()
    await run.waiting("event")
    request = EventRequest(sent, {"order": "o-1", "n": 1}, event_id="e-1")
    assert (await submit_event(context, request)).keys == ("o-1",)
    assert not (await submit_event(context, replace(request, name=name))).accepted
    await route_received(context)
    await make_due_deliveries(context)
    assert (await run.ended())["output_json"]["event"] == {"order": "o-1", "n": 1}
    assert [event.name for event in (await events_page(bench.store, bench.tenant, EventFilter(name=sent))).rows] == [
        name
    ]


async def test_f40_f14_events_that_a_wait_refuses_are_not_sent_and_found_by_a_wait_that_wants_them(
    bench: Bench, context: OperationContext
) -> None:
    """Three thousand to one wait, settled by the page; another wait has its own in the same pass."""
    big = {"path": "kind", "op": "=", "value": "big"}
    small = {"path": "kind", "op": "=", "value": "small"}
    await bench.publish([wait_event("w", filters=[big]), wait_event("then", filters=[small])], "wf.picky")
    await bench.publish([wait_event("w", "OTHER")], "wf.other")
    picky, other = await bench.start(workflow_id="wf.picky"), await bench.start(workflow_id="wf.other")
    await picky.waiting("event")
    await other.waiting("event")
    await submit_event(context, EventRequest("PING", {"kind": "small", "n": 0, "body": "x" * 150_000}, event_id="e0"))
    await bench.execute(
        "INSERT INTO workflow_runtime_events (tenant, event_id, event_name, correlation_key, correlation_keys, payload, state)"
        " SELECT tenant, 'e' || n, event_name, 'key ' || n, jsonb_build_array('key ' || n),"
        " jsonb_build_object('kind', CASE n WHEN 2900 THEN 'big' ELSE 'small' END, 'n', n), 'received'"
        " FROM workflow_runtime_events, generate_series(1, 2999) AS n"
    )
    await submit_event(context, EventRequest("OTHER"))
    while await route_received(context):
        pass
    assert len(await bench.rows("SELECT 1 FROM workflow_event_deliveries WHERE status = 'pending'")) == 3_001
    statements = 0

    def counted(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal statements
        # Over a pooler each transaction is told first how long to wait for locks.
        statements += "set_config('lock_timeout'" not in statement

    hooks.listen(context.store.sync_engine, "before_cursor_execute", counted)
    passes = []
    while made := await make_due_deliveries(context):
        passes.append(made)
    hooks.remove(context.store.sync_engine, "before_cursor_execute", counted)
    assert passes[0] == 2, "the other wait is served beside the first page"
    assert len(passes) <= 4
    # Two for each page of fifty, and a few for each claim and each signal.
    assert statements <= 2 * 60 + 60
    assert (await other.ended())["status"] == "SUCCEEDED"
    row = await picky.ended()
    assert (row["status"], row["output_json"]["event"]["n"]) == ("SUCCEEDED", 0)
    sent = await bench.rows("SELECT event_id FROM workflow_event_deliveries WHERE status = 'done' AND reason IS NULL")
    assert "e2900" in {row["event_id"] for row in sent}
    signals = (await picky.events())["WORKFLOW_EXECUTION_SIGNALED"]
    assert signals == 1, "one event, and nothing of what the filters refuse"
