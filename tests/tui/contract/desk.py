"""What waits for an operator: open tasks, dead deliveries, runs out of quota. The same on both backends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import text
from temporalio.client import Client

from engine.client import Engine
from engine.ids import new_id
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.routing import route_received
from engine.operations.reconcile.disagreements import audit
from engine.records import Delivery, EventDetail, Json, OpenWait, RunFilter, RunStatus, WaitKind
from engine.store.database.transactions import writing
from runstudio_tui.backend.fake.world import World
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.ports import Backend
from tests.engine.operations.conftest import until
from tests.tui.contract.engine_world import engine_world

ANSWERED: Json = {"approved": True, "cost_center": "4200 stock"}
FORM: Json = {
    "type": "object",
    "required": ["approved", "cost_center"],
    "properties": {"approved": {"type": "boolean"}, "cost_center": {"enum": ["4200 stock", "4300 office"]}},
}
PAUSED = 3
DISAGREED = ("They stood apart: it was told again.", "They stood apart once more: both were ended.")


@dataclass
class Desk:
    """An open backend, and what is on the desk."""

    backend: Backend
    tasks: tuple[str, ...]
    """Two open tasks with a form that takes ``ANSWERED`` only."""
    skipped: str
    """A delivery that was skipped because its workflow was paused; it is not any more."""
    over: str
    """One whose target is over."""
    unroutable: str
    """One whose trigger could make no payload of the event."""
    unrouted: tuple[str, str]
    """The delivery that stands for an event which could not be routed, and that event; nothing is in its way any more."""
    waiting: str
    """A run that waits for something else than quota."""
    disagreed: tuple[str, str]
    """A run about which the stores disagreed twice, and what was told of it last."""
    out_of_quota: tuple[str, ...]
    """Runs that wait for quota, ``PAUSED`` of them."""
    set_limit: Callable[[int], Awaitable[Any]]
    deliver: Callable[[], Awaitable[None]]
    """Make every delivery that is due."""


@asynccontextmanager
async def fake_desk() -> AsyncIterator[Desk]:
    """Of the demo world."""
    backend = demo_backend(ManualClock(datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC)), past=40)
    await backend.open()
    world = backend.world
    live = [row for row in world.select(RunFilter()) if not row.status.ended and not row.read_only]
    waiting = next(row.run_id for row in live if row.wait is not None and row.wait.kind is WaitKind.EVENT)
    tasks = {detail.row.run_id for detail in world.tasks.values()}
    others = [row.run_id for row in live if row.run_id != waiting and row.run_id not in tasks][:PAUSED]
    for run_id in others:
        wait = OpenWait(WaitKind.QUOTA, world.now())
        world.runs[run_id].change(world.now(), status=RunStatus.WAITING, wait=wait, step_count=1)

    async def set_limit(limit: int) -> None:
        world.quota = (limit, 10)

    async def deliver() -> None:
        """It makes no deliveries: what is made again is due for ever."""

    unrouted = _set_aside(world)
    for at, said in enumerate(DISAGREED):
        world.runs[waiting].disagree(world.now() + timedelta(seconds=at), said)
    dead = {row.event_id: row.delivery_id for row in (await backend.events.deliveries(status="dead", limit=100)).rows}
    asked = sorted(key for key, detail in world.tasks.items() if detail.row.status == "pending")
    yield Desk(
        backend, tuple(asked[:2]), dead["bank-19"], dead["carrier-75"], dead["erp-3"], unrouted, waiting,
        (waiting, DISAGREED[-1]), tuple(others), set_limit, deliver,
    )  # fmt: skip
    await backend.close()


def _set_aside(world: World) -> tuple[str, str]:
    """In the demo world: the event nobody waited for."""
    detail, delivery_id = world.events["carrier-76"], "0198c2aa-de11-7000-8000-000000000009"
    said = "ROUTING_FAILED: The event cannot be routed (DataError); the worker's log has the rest."
    row = replace(detail.row, status="error", error=said)
    at = row.created_at
    failed = Delivery(
        delivery_id, row.event_id, row.name, row.key, "routing", "", None, None, "failed", 1, None, None, said, at, at
    )
    world.events[row.event_id] = EventDetail(row, detail.payload, (failed,))
    return delivery_id, row.event_id


@asynccontextmanager
async def engine_desk(database_url: str, temporal: Client) -> AsyncIterator[Desk]:
    """Of runs a worker has executed."""
    async with engine_world(database_url, temporal) as world:
        engine = world.backend

        async def deliver() -> None:
            while await route_received(engine._context) or await make_due_deliveries(engine._context):
                pass

        tasks = [await _asked(engine) for _ in range(2)]
        skipped, unroutable, over = await _dead(engine, deliver)
        unrouted = await _unrouted(engine)
        await _disagree(engine, world.waiting)
        used = (await engine.quota.usage()).used_count
        await engine.quota.set_limit(used + 1)
        steps = [{"id": name, "type": "action.call", "config": _count(name)} for name in ("a", "b", "c")]
        await _publish(engine, "counting", steps)
        paused = [(await engine.runs.start("counting")).run_id for _ in range(PAUSED)]
        for run_id in paused:
            await until(partial(waits_for_quota, engine, run_id))
        yield Desk(
            engine, tuple(tasks), skipped, over, unroutable, unrouted, world.waiting,
            (world.waiting, DISAGREED[-1]), tuple(paused), engine.quota.set_limit, deliver,
        )  # fmt: skip


async def waits_for_quota(backend: Backend, run_id: str) -> bool:
    """Whether a run does."""
    wait = (await backend.runs.get(run_id)).row.wait
    return wait is not None and wait.kind is WaitKind.QUOTA


async def _publish(engine: Engine, workflow: str, steps: list[Json], **more: Json) -> None:
    body = {
        "id": workflow,
        "version": 1,
        "name": workflow,
        "payloadSchemaRef": "payload.Any.v1",
        "steps": steps,
        **more,
    }
    await engine.workflows.publish(body, only_if_changed=True)


def _count(key: str) -> Json:
    return {"actionId": "store.increment", "version": 1, "inputMapping": {"namespace": "desk", "key": key}}


async def _asked(engine: Engine) -> str:
    """A task that asks to be answered."""
    await engine.tasks.set_form("approve", FORM)
    task = {"taskType": "approve", "title": {"$expr": "'Approve it'"}}
    await _publish(engine, "asking", [{"id": "ask", "type": "human.task", "config": task}])
    run_id = (await engine.runs.start("asking")).run_id

    async def asks() -> bool:
        return any(task.run_id == run_id for task in (await engine.tasks.list()).rows)

    await until(asks)
    return next(task.task_id for task in (await engine.tasks.list()).rows if task.run_id == run_id)


async def _dead(engine: Engine, deliver: Callable[[], Awaitable[None]]) -> tuple[str, str, str]:
    """Skipped by a pause, not routable, and with a target that does not exist."""
    note = [{"id": "note", "type": "state.set", "config": {"state": "NOTED"}}]
    await _publish(engine, "placed", note, trigger={"type": "event", "eventName": "DESK_PLACED"})
    mapping = {"name": {"$expr": "event.payload.a.b.c + 1"}}
    trigger = {"type": "event", "eventName": "DESK_MAPPED", "payloadMapping": mapping}
    await _publish(engine, "mapped", note, trigger=trigger)
    await engine.workflows.limit("placed", 0, when_busy="skip")
    await engine.workflows.pause("placed", reason="contract test")
    await engine.events.submit("DESK_PLACED", {}, key="k", event_id="desk-placed")
    await engine.events.submit("DESK_MAPPED", {"a": {"b": {"c": "text"}}}, key="k", event_id="desk-mapped")
    await engine.events.submit("HUMAN_TASK_COMPLETED", {}, key=new_id(), event_id="desk-over")
    await deliver()
    await engine.workflows.unpause("placed", reason="contract test")
    dead = {row.event_id: row.delivery_id for row in (await engine.events.deliveries(status="dead")).rows}
    return dead["desk-placed"], dead["desk-mapped"], dead["desk-over"]


async def _disagree(engine: Engine, run_id: str) -> None:
    """As the reconciler tells it."""
    row = (await engine.runs.get(run_id)).row
    for said in DISAGREED:
        async with writing(engine._context.store) as connection:
            await audit(engine._context, connection, run_id, row.workflow_id, said, {})


async def _unrouted(engine: Engine) -> tuple[str, str]:
    """An event with a body that no program could read, until somebody mended it."""
    change = text("UPDATE workflow_runtime_events SET payload = CAST(:body AS jsonb) WHERE event_id = 'desk-unrouted'")
    store = engine._context.store
    await engine.events.submit("DESK_NOBODY", {}, key="k", event_id="desk-unrouted")
    async with store.begin() as connection:
        await connection.execute(change, {"body": '{"n": 1e5000}'})
    while await route_received(engine._context):
        pass
    async with store.begin() as connection:
        await connection.execute(change, {"body": "{}"})
    rows = (await engine.events.deliveries(status="failed")).rows
    return next(row.delivery_id for row in rows if row.event_id == "desk-unrouted"), "desk-unrouted"
