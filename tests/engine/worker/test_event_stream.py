"""Events from submission to everybody they are for: real Postgres, real Temporal, a real worker, and two routers at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError

from engine.contract import workflow_id_for
from engine.errors import EngineError, Invalid, Unavailable
from engine.operations.actor import Actor
from engine.operations.catalog.publish import limit_concurrency, pause_workflow
from engine.operations.context import OperationContext
from engine.operations.events.correlation_paths import set_correlation_paths
from engine.operations.events.deliveries import MAX_REFUSALS, make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.redelivery import redeliver_event
from engine.operations.events.routing import route_received
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store
from engine.temporal.connection import TemporalConnection
from engine.worker.event_stream import EventStream
from engine.worker.parts import Part, Parts
from tests.engine.operations.conftest import add_version
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import set_state, wait_event

PING = {"type": "event", "eventName": "PING"}


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    engine = create_store_engine(database_url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def bench(store: Store, temporal: Client) -> AsyncIterator[Bench]:
    bench = Bench(store, temporal)
    async with bench.worker():
        yield bench
    for row in await bench.rows("SELECT run_id FROM workflow_runs"):
        with suppress(RPCError):
            await temporal.get_workflow_handle(workflow_id_for(str(row["run_id"]))).terminate("the test has ended")


@pytest.fixture
def context(bench: Bench) -> OperationContext:
    return OperationContext(bench.store, TemporalConnection.from_client(bench.client), Actor("producer"))


@asynccontextmanager
async def streams(context: OperationContext, url: str, number: int = 1) -> AsyncIterator[None]:
    parts = Parts(Part(f"eventStream{n}", EventStream(context, url).run, fresh_seconds=20.0) for n in range(number))
    parts.start()
    try:
        yield
    finally:
        assert await parts.stop(60.0) == []


async def settle(context: OperationContext) -> None:
    """Route and deliver everything that is due now."""
    while await route_received(context) or await make_due_deliveries(context):
        pass


async def deliveries(bench: Bench) -> list[tuple[str, str, str]]:
    rows = await bench.rows(
        "SELECT target_kind, target, status FROM workflow_event_deliveries ORDER BY arrival, target_kind, target"
    )
    return [(row["target_kind"], str(row["target"]), row["status"]) for row in rows]


async def test_an_event_wakes_its_wait_within_moments(
    bench: Bench, context: OperationContext, direct_database_url: str
) -> None:
    await bench.publish([wait_event("w", key="payload.order")])
    run = await bench.start({"order": "o-1"})
    await run.waiting("event")
    async with streams(context, direct_database_url):
        receipt = await submit_event(context, EventRequest("PING", {"n": 1}, "o-1"))
        row = await run.ended()
    assert row["status"] == "SUCCEEDED"
    assert row["output_json"]["event"] == {"n": 1}
    [event] = await bench.rows("SELECT * FROM workflow_runtime_events")
    assert (event["event_id"], event["state"], str(event["matched_run_id"])) == (receipt.event_id, "routed", run.id)


async def test_the_same_event_twice_changes_nothing(bench: Bench, context: OperationContext) -> None:
    await add_version(bench.store, "wf.a", trigger=PING)
    first = await submit_event(context, EventRequest("PING", {}, "k", event_id="e-1"))
    second = await submit_event(context, EventRequest("PING", {}, "k", event_id="e-1"))
    await settle(context)
    assert (first.accepted, second.accepted) == (True, False)
    assert len(await bench.rows("SELECT 1 FROM workflow_runs")) == 1
    [event] = await bench.rows("SELECT payload FROM workflow_runtime_events")
    assert event["payload"] == {}


async def test_all_matching_waits_and_triggers_are_served_each_on_its_own(
    bench: Bench, context: OperationContext
) -> None:
    await bench.publish([wait_event("any", key="null")])
    await add_version(bench.store, "wf.a", trigger=PING)
    await add_version(bench.store, "wf.paused", trigger=PING)
    await add_version(bench.store, "wf.picky", trigger=PING, payload_schema={"required": ["name"]})
    await limit_concurrency(context, "wf.paused", 0, when_busy="skip")
    await pause_workflow(context, "wf.paused", paused=True)
    waiting = await bench.start()
    await waiting.waiting("event")

    await submit_event(context, EventRequest("PING", {"n": 1}, "k"))
    await settle(context)

    assert (await waiting.ended())["status"] == "SUCCEEDED"
    found = {(kind, status) if kind == "wait" else (target, status) for kind, target, status in await deliveries(bench)}
    assert found == {("wait", "done"), ("wf.a", "done"), ("wf.paused", "skipped"), ("wf.picky", "skipped")}
    reasons = await bench.rows("SELECT target, reason FROM workflow_event_deliveries WHERE status = 'skipped'")
    by_target = {row["target"]: row["reason"] for row in reasons}
    assert by_target["wf.paused"].startswith("WORKFLOW_PAUSED")
    assert by_target["wf.picky"].startswith("PAYLOAD_REJECTED")
    assert await bench.rows("SELECT 1 FROM workflow_runs WHERE workflow_id = 'wf.picky'") == []
    [event] = await bench.rows("SELECT error_message FROM workflow_runtime_events")
    assert event["error_message"] is None


async def test_an_event_nobody_can_take_says_why(bench: Bench, context: OperationContext) -> None:
    await add_version(bench.store, "wf.picky", trigger=PING, payload_schema={"required": ["name"]})
    await submit_event(context, EventRequest("PING", {}, "k", event_id="refused"))
    await submit_event(context, EventRequest("LOST", {}, event_id="keyless"))
    await settle(context)
    rows = await bench.rows("SELECT event_id, error_message FROM workflow_runtime_events")
    errors = {row["event_id"]: row["error_message"] for row in rows}
    assert "name" in errors["refused"]
    assert errors["keyless"] == "The event has no correlation key."


async def test_every_key_of_the_payload_counts(bench: Bench, context: OperationContext) -> None:
    await set_correlation_paths(context, {"PING": ["order.id"], "*": ["customer"]})
    await bench.publish([wait_event("w", key="payload.key")])
    runs = [await bench.start({"key": key}) for key in ("7", "ada")]
    for run in runs:
        await run.waiting("event")
    receipt = await submit_event(context, EventRequest("PING", {"order": {"id": 7}, "customer": " ada "}))
    await settle(context)
    assert receipt.keys == ("7", "ada")
    assert [(await run.ended())["status"] for run in runs] == ["SUCCEEDED", "SUCCEEDED"]


async def test_a_mapping_makes_the_payload_and_the_latest_version_is_started(
    bench: Bench, context: OperationContext
) -> None:
    await add_version(bench.store, "wf.a", trigger=PING)
    mapping = {"name": {"$expr": "event.payload.foo"}, "src.event": {"$expr": "event.name"}}
    await add_version(bench.store, "wf.a", trigger={**PING, "payloadMapping": mapping})
    await submit_event(context, EventRequest("PING", {"foo": "hello"}, "k"))
    await settle(context)
    [run] = await bench.rows("SELECT * FROM workflow_runs")
    assert run["input_json"] == {"name": "hello", "src": {"event": "PING"}}
    assert (run["workflow_version"], run["trigger_type"], run["trigger_mapping_applied"]) == (2, "event", True)


async def test_two_routers_at_once_deliver_each_event_once_and_in_order(
    bench: Bench, context: OperationContext, direct_database_url: str
) -> None:
    count = 30
    await bench.publish(
        [wait_event(f"w{n}", key='"k"', assign={f"vars.seen{n}": {"$expr": "vars.event.n"}}) for n in range(count)]
    )
    await add_version(bench.store, "wf.a", trigger=PING)
    run = await bench.start()
    await run.waiting("event")
    async with streams(context, direct_database_url, number=2):
        for number in range(count):
            await submit_event(context, EventRequest("PING", {"n": number}, "k", event_id=f"e-{number:03}"))
        row = await run.ended()

        async def all_started() -> bool:
            return len(await bench.rows("SELECT 1 FROM workflow_runs WHERE workflow_id = 'wf.a'")) == count

        await bench.until(all_started)
    assert [row["output_json"][f"seen{n}"] for n in range(count)] == list(range(count))


async def test_a_wait_whose_run_is_gone_is_closed(bench: Bench, context: OperationContext) -> None:
    await bench.publish([wait_event("w", key='"k"')])
    run = await bench.start()
    await run.waiting("event")
    await run.handle.terminate("gone")
    await submit_event(context, EventRequest("PING", {}, "k"))
    await settle(context)
    [wait] = await run.waits()
    assert wait["status"] == "CANCELED"
    assert [status for _, _, status in await deliveries(bench)] == ["skipped"]


async def test_f8_a_delivery_is_tried_for_as_long_as_temporal_is_away(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So long that it is over only when the test says so, and not because the machine was busy.
    monkeypatch.setattr("engine.operations.events.deliveries._FIRST_PAUSE_SECONDS", 200.0)

    async def nobody() -> Client:
        raise Unavailable("TEMPORAL_UNAVAILABLE", "Nobody answers.", "Try again.")

    away = replace(context, temporal=TemporalConnection(nobody))
    await bench.publish([wait_event("w", key='"k"')])
    run = await bench.start()
    await run.waiting("event")
    await run.at_rest()
    await submit_event(context, EventRequest("PING", {}, "k"))
    assert await route_received(away) == 1
    for attempt in (1, 2, 10, 5_000):
        await bench.execute(
            "UPDATE workflow_event_deliveries SET next_attempt_at = now(), attempts = :n", n=attempt - 1
        )
        assert await make_due_deliveries(away) == 1
        [row] = await bench.rows(
            "SELECT attempts, refusals, status, reason, last_error, next_attempt_at < now() + interval '31 s' AS soon"
            " FROM workflow_event_deliveries"
        )
        assert row == {
            "attempts": attempt,
            "refusals": 0,
            "status": "pending",
            "reason": None,
            "last_error": "TEMPORAL_UNAVAILABLE: Nobody answers.",
            "soon": True,
        }
        assert await make_due_deliveries(away) == 0, "it is not due again at once"
    await bench.execute("UPDATE workflow_event_deliveries SET next_attempt_at = now()")
    await settle(context)
    assert (await run.ended())["status"] == "SUCCEEDED"


async def test_f8_a_count_ends_what_is_refused_and_it_can_be_made_again(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.operations.events.deliveries._FIRST_PAUSE_SECONDS", 0.0)

    async def broken() -> Client:
        raise EngineError("BROKEN", "It will not do.", "Repair it.")

    refusing = replace(context, temporal=TemporalConnection(broken))
    await bench.publish([wait_event("w", key='"k"')])
    run = await bench.start()
    await run.waiting("event")
    await run.at_rest()
    await submit_event(context, EventRequest("PING", {}, "k"))
    assert await route_received(context) == 1
    for _ in range(MAX_REFUSALS):
        assert await make_due_deliveries(refusing) == 1
    [row] = await bench.rows("SELECT delivery_id, status, last_error FROM workflow_event_deliveries")
    assert (row["status"], row["last_error"]) == ("failed", "BROKEN: It will not do.")
    await redeliver_event(context, str(row["delivery_id"]), "it is repaired")
    await settle(context)
    assert (await run.ended())["status"] == "SUCCEEDED"


async def test_bad_events_are_refused_and_not_stored(bench: Bench, context: OperationContext) -> None:
    wrong = [
        EventRequest(" "),
        EventRequest("x" * 201),
        EventRequest("PING", event_id="a\0b"),
        EventRequest("PING", [1]),  # type: ignore[arg-type] # as a careless caller sends it
        EventRequest("PING", {"n": float("nan")}),
        EventRequest("PING", {"big": "x" * 600_000}),
        EventRequest("PING", correlation_key="\ud800"),
        # F42: what an index or a row has no room for is measured in bytes.
        EventRequest("PING", event_id="\U0001f600" * 661),
        EventRequest("PING", correlation_key="\u20ac" * 334),
        EventRequest("PING", {"order": "\u20ac" * 1_000}),
    ]
    await set_correlation_paths(context, {"*": ["order"]})
    for request in wrong:
        with pytest.raises(Invalid):
            await submit_event(context, request)
    assert await bench.rows("SELECT 1 FROM workflow_runtime_events") == []


async def test_concurrent_submissions_of_one_id_are_one_event(bench: Bench, context: OperationContext) -> None:
    await add_version(bench.store, "wf.a", trigger=PING, steps=[set_state("s")])
    request = EventRequest("PING", {}, "k", event_id="same")
    receipts = await asyncio.gather(*(submit_event(context, request) for _ in range(5)))
    await settle(context)
    assert sum(receipt.accepted for receipt in receipts) == 1
    assert len(await bench.rows("SELECT 1 FROM workflow_runs")) == 1
