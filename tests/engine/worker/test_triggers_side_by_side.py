"""A trigger that cannot be served, or computes for long, keeps its event from no other target."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event as hooks
from sqlalchemy import text

from engine.operations.catalog.publish import limit_concurrency
from engine.operations.context import OperationContext
from engine.operations.events import routing
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.routing import route_received
from engine.values.timestamps import iso_milliseconds
from tests.engine.operations.conftest import add_version
from tests.engine.worker.test_event_stream import PING, bench, context, deliveries, settle, store
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import expression, wait_event

__all__ = ["bench", "context", "store"]

EXPENSIVE = {f"n{number}": expression(f"[event.payload.items[a = {number}]]") for number in range(60)}


async def submit(context: OperationContext, payload: Any) -> None:
    await submit_event(context, EventRequest("PING", payload, "k"))
    await settle(context)


async def reasons(bench: Bench) -> dict[str, str | None]:
    rows = await bench.rows("SELECT target, reason FROM workflow_event_deliveries WHERE target_kind = 'launch'")
    return {row["target"]: row["reason"] for row in rows}


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({".".join("a" * 1000): 1}, "the name has more than 200 parts"),
        (EXPENSIVE, "its expressions have used more than 1000000 evaluation steps in all"),
    ],
)
async def test_a_mapping_beyond_its_limits_refuses_its_own_launch_alone(
    mapping: Any, said: str, bench: Bench, context: OperationContext
) -> None:
    await bench.publish([wait_event("w", key='"k"')])
    waiting = await bench.start()
    await waiting.waiting("event")
    await add_version(bench.store, "wf.bad", trigger={**PING, "payloadMapping": mapping})
    await add_version(bench.store, "wf.good", trigger=PING)
    await submit(context, {"items": [{"a": number} for number in range(14_000)]})
    found = await deliveries(bench)
    assert [(target, status) for kind, target, status in found if kind == "launch"] == [
        ("wf.bad", "skipped"),
        ("wf.good", "done"),
    ]
    assert said in str((await reasons(bench))["wf.bad"])
    assert (await waiting.ended())["status"] == "SUCCEEDED"


async def test_whatever_a_trigger_brings_out_refuses_its_own_launch_alone(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = routing.apply_trigger_mapping

    def broken(trigger: Any, *given: Any, **more: Any) -> Any:
        if trigger.payload_mapping:
            raise ZeroDivisionError
        return apply(trigger, *given, **more)

    monkeypatch.setattr(routing, "apply_trigger_mapping", broken)
    await add_version(bench.store, "wf.bad", trigger={**PING, "payloadMapping": {"n": 1}})
    await add_version(bench.store, "wf.good", trigger=PING)
    await submit(context, {})
    assert await deliveries(bench) == [("launch", "wf.bad", "skipped"), ("launch", "wf.good", "done")]
    assert "ZeroDivisionError" in str((await reasons(bench))["wf.bad"])


async def test_a_workflow_with_a_step_of_a_later_release_is_started_whoever_routes(
    bench: Bench, context: OperationContext
) -> None:
    steps = [{"id": "new", "type": "event.stream", "config": {"of": "a later release"}}]
    await add_version(bench.store, "wf.later", trigger=PING, steps=steps)
    await submit(context, {})
    assert await deliveries(bench) == [("launch", "wf.later", "done")]


async def test_postgres_hears_of_a_router_that_computes_for_long(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the transaction of one that is silent for as long as a lease lasts; then all events would wait for ever."""
    monkeypatch.setattr(routing, "MOST_STEPS", 1)
    heard: list[str] = []
    apply = routing.apply_trigger_mapping

    def mapped(*given: Any, **more: Any) -> Any:
        heard.append("computing")
        return apply(*given, **more)

    monkeypatch.setattr(routing, "apply_trigger_mapping", mapped)
    hooks.listen(bench.store.sync_engine, "before_cursor_execute", lambda *_: heard.append("statement"))
    for name in ("wf.a", "wf.b"):
        await add_version(bench.store, name, trigger={**PING, "payloadMapping": {"n": expression("1 + 1")}})
    for _ in range(2):
        await submit_event(context, EventRequest("PING", {}, "k"))
    heard.clear()
    assert await route_received(context) == 2
    between = "".join(word[0] for word in heard).strip("s").split("c")
    assert between == ["", "s", "s", "s", ""]


async def test_ids_with_colons_make_an_occurrence_of_no_other_workflow(bench: Bench, context: OperationContext) -> None:
    for name in ("wf", "b:wf"):
        await add_version(bench.store, name, trigger=PING)
    for event_id in ("a", "a:b"):
        await submit_event(context, EventRequest("PING", {"of": event_id}, "k", event_id=event_id))
    await settle(context)
    again = "UPDATE workflow_event_deliveries SET status = 'pending', next_attempt_at = now()"
    await bench.execute(again)
    await settle(context)
    rows = await bench.rows("SELECT workflow_id, input_json ->> 'of' AS event FROM workflow_runs")
    assert sorted((row["workflow_id"], row["event"]) for row in rows) == [
        ("b:wf", "a"),
        ("b:wf", "a:b"),
        ("wf", "a"),
        ("wf", "a:b"),
    ]


async def test_the_time_in_a_mapping_is_that_of_the_event(bench: Bench, context: OperationContext) -> None:
    await add_version(bench.store, "wf.a", trigger={**PING, "payloadMapping": {"at": expression("nowIso()")}})
    await submit(context, {})
    [row] = await bench.rows("SELECT input_json ->> 'at' AS at, created_at FROM workflow_runs, workflow_runtime_events")
    assert row["at"] == iso_milliseconds(row["created_at"])


async def test_a_workflow_that_somebody_holds_keeps_no_other_waiting_for_all_its_events(
    bench: Bench, context: OperationContext
) -> None:
    """A program that launches in a transaction of its own holds it until that ends."""
    await add_version(bench.store, "wf.held", trigger=PING)
    await add_version(bench.store, "wf.free", trigger={"type": "event", "eventName": "PONG"})
    await limit_concurrency(context, "wf.held", 100)
    for number in range(40):
        await submit_event(context, EventRequest("PING", {}, f"k{number}"))
    while await route_received(context):
        pass
    async with bench.store.begin() as theirs:
        lock = "SELECT 1 FROM workflow_definitions WHERE workflow_id = 'wf.held' FOR UPDATE"
        await theirs.execute(text(lock))
        await make_due_deliveries(context)
        put_off = await bench.rows(
            "SELECT last_error, refusals, count(*) AS number FROM workflow_event_deliveries"
            " WHERE status = 'pending' AND next_attempt_at >= updated_at + interval '10 seconds' GROUP BY 1, 2"
        )
        assert [(row["refusals"], row["number"]) for row in put_off] == [(0, 40)]
        assert put_off[0]["last_error"].startswith("POSTGRES_LOCKED: ")
        await submit_event(context, EventRequest("PONG", {}))
        await route_received(context)
        while ("launch", "wf.free", "done") not in await deliveries(bench):
            await make_due_deliveries(context)
    await bench.execute("UPDATE workflow_event_deliveries SET next_attempt_at = now() WHERE status = 'pending'")
    await settle(context)
    assert {status for _, _, status in await deliveries(bench)} == {"done"}
