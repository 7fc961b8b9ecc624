"""The engine as a scenario: runs that a real worker executed, on a real Temporal and a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError

from engine.actions.registry import load_actions
from engine.activities.dependencies import ActivityDependencies
from engine.client import Engine
from engine.contract import workflow_id_for
from engine.ids import new_id
from engine.records import RunStatus
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.worker.temporal_worker import build_worker
from tests.engine.operations.conftest import until

WORKFLOW = "order-fulfilment"
EVENT = "carrier.picked_up"
KEY = "ORD-1042"
FAILURE = "HTTP_HOST_NOT_ALLOWED"
VALID = {"order_id": "ORD-1", "then": "end"}

SCHEMA = {
    "type": "object",
    "required": ["order_id"],
    "properties": {"order_id": {"type": "string"}, "then": {"enum": ["end", "wait", "fail"]}},
}


def _expression(source: str) -> dict[str, str]:
    return {"$expr": source}


def _call(step_id: str, action: str, **given: Any) -> dict[str, Any]:
    return {
        "id": step_id,
        "type": "action.call",
        "config": {"actionId": action, "version": 1, "inputMapping": given, "saveAs": step_id},
    }


DEFINITION = {
    "id": WORKFLOW,
    "version": 1,
    "name": WORKFLOW,
    "payloadSchemaRef": "payload.Order.v1",
    "steps": [
        _call("reserve", "store.increment", namespace="stock", key=_expression("payload.order_id")),
        {
            "id": "wait",
            "type": "control.if",
            "condition": _expression("payload.then = 'wait'"),
            "then": [
                {
                    "id": "await-carrier",
                    "type": "event.wait",
                    "config": {"eventName": EVENT, "correlationKey": _expression("payload.order_id")},
                }
            ],
        },
        {
            "id": "fail",
            "type": "control.if",
            "condition": _expression("payload.then = 'fail'"),
            "then": [_call("call", "http.request", method="GET", url="http://nobody.example/")],
        },
        {
            "id": "each",
            "type": "control.forEach",
            "items": _expression("['a', 'b']"),
            "itemVar": "item",
            "body": [_call("count", "store.increment", namespace="items", key=_expression("item"))],
        },
    ],
}


@dataclass(frozen=True)
class EngineWorld:
    """What there is in it."""

    backend: Engine
    succeeded: str
    failed: str
    waiting: str
    total: int


@asynccontextmanager
async def engine_world(database_url: str, temporal: Client) -> AsyncIterator[EngineWorld]:
    """A tenant of its own with eight runs at rest, and a worker that goes on working."""
    config = temporal.service_client.config
    settings = Settings(database_url=database_url, temporal_address=config.target_host)
    backend = Engine(settings, tenant=new_id())
    await backend.open()
    registry = load_actions((), settings)
    store = create_store_engine(database_url)
    worker = ActivityDependencies(store, registry, registry.secrets(settings), "worker-of-the-contract")
    try:
        async with build_worker(temporal, worker, sandboxed=False, identity=worker.identity):
            await backend.events.set_correlation_paths({EVENT: ["order_id"]})
            await backend.workflows.publish(DEFINITION, payload_schema=SCHEMA, examples={"usual": VALID})
            first = [await _started(backend, then) for then in ("fail", "end", "end", "end", "end", "end")]
            waiting = [await _started(backend, "wait", KEY), await _started(backend, "wait", "ORD-7")]
            for run_id in first + waiting:
                await _at_rest(backend, run_id)
            yield EngineWorld(backend, first[1], first[0], waiting[0], len(first + waiting))
            for run_id in waiting:
                await _end(temporal, run_id)
    finally:
        await backend.close()
        await store.dispose()


async def _started(backend: Engine, then: str, order: str = "ORD-1") -> str:
    payload = {"order_id": order, "then": then, "card_token": "tok_canary"}
    return (await backend.runs.start(WORKFLOW, payload)).run_id


async def _at_rest(backend: Engine, run_id: str) -> None:
    async def is_at_rest() -> bool:
        return (await backend.runs.get(run_id)).status is not RunStatus.RUNNING

    await until(is_at_rest, seconds=30)


async def _end(temporal: Client, run_id: str) -> None:
    with suppress(RPCError):
        await temporal.get_workflow_handle(workflow_id_for(run_id)).terminate("the test has ended")
