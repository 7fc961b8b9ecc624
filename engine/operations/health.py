"""How the parts of the system are, asked now: for the studio's System line and for ``runstudio doctor``."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError

from engine.contract import TASK_QUEUE
from engine.errors import EngineError, Unavailable
from engine.operations.context import OperationContext
from engine.operations.temporal import RPC_TIMEOUT, unavailable
from engine.store.reconciling import count_gaps
from engine.store.schema_version import head_revision, require_current_schema
from engine.store.transactions import writing
from engine.store.workers import load_workers

State = Literal["ok", "degraded", "down", "unknown"]


@dataclass(frozen=True, slots=True)
class PartHealth:
    """One part of the system."""

    name: str
    state: State
    detail: str
    """Figures, or what is wrong."""
    advice: str = ""
    """What helps, when something is wrong."""


async def system_health(context: OperationContext) -> tuple[PartHealth, ...]:
    """Postgres, schema, Temporal, workers and runs between row and Temporal. Never raises for a part that is down."""
    postgres, temporal = await asyncio.gather(_postgres(context), _temporal(context))
    if postgres.state == "down":
        unknown = [PartHealth(name, "unknown", "Postgres cannot be asked.") for name in ("schema", "workers", "runs")]
        return (postgres, unknown[0], temporal, *unknown[1:])
    schema = await _schema(context)
    if schema.state != "ok":
        unknown = [PartHealth(name, "unknown", "The schema is not this program's.") for name in ("workers", "runs")]
        return (postgres, schema, temporal, *unknown)
    return (postgres, schema, temporal, *await _rows(context))


async def _postgres(context: OperationContext) -> PartHealth:
    begun = time.monotonic()
    try:
        level = await context.level()
    except Unavailable as error:
        return PartHealth("postgres", "down", error.message, error.hint)
    return PartHealth("postgres", "ok", f"answered in {_ms(begun)}; level {level.word}")


async def _schema(context: OperationContext) -> PartHealth:
    try:
        await require_current_schema(context.store)
    except EngineError as error:
        return PartHealth("schema", "down", error.message, error.hint)
    return PartHealth("schema", "ok", f"revision {head_revision()}")


async def _temporal(context: OperationContext) -> PartHealth:
    begun = time.monotonic()
    try:
        client = await context.temporal.client()
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace), timeout=RPC_TIMEOUT
        )
    except RPCError as error:
        refusal = unavailable(error, "describe the namespace")
        return PartHealth("temporal", "down", refusal.message, refusal.hint)
    except EngineError as error:
        return PartHealth("temporal", "down", error.message, error.hint)
    return PartHealth("temporal", "ok", f"namespace {client.namespace} answered in {_ms(begun)}")


async def _rows(context: OperationContext) -> tuple[PartHealth, PartHealth]:
    try:
        async with writing(context.store) as connection:
            seen = await load_workers(connection)
            gaps = await count_gaps(connection)
    except Unavailable as error:
        return PartHealth("workers", "unknown", error.message), PartHealth("runs", "unknown", error.message)
    alive = [worker for worker in seen if worker.alive]
    failing = sorted(
        {name for worker in alive for name, part in worker.parts.items() if part.get("state") == "failing"}
    )
    if not alive:
        last = f"; last seen {seen[0].identity}" if seen else ""
        workers = PartHealth("workers", "down", f"none alive on {TASK_QUEUE}{last}", "Start one: runstudio worker.")
    elif failing:
        workers = PartHealth(
            "workers", "degraded", f"{len(alive)} alive; failing: {', '.join(failing)}", "Read their logs."
        )
    else:
        workers = PartHealth("workers", "ok", f"{len(alive)} alive on {TASK_QUEUE}")
    counted = (
        f"{gaps.pending_launches} launches pending;"
        f" open in ended runs: {gaps.leftover_waits} waits, {gaps.leftover_tasks} tasks"
    )
    clean = not (gaps.pending_launches or gaps.leftover_waits or gaps.leftover_tasks)
    runs = PartHealth(
        "runs", "ok" if clean else "degraded", counted, "" if clean else "A running worker closes these gaps."
    )
    return workers, runs


def _ms(begun: float) -> str:
    return f"{(time.monotonic() - begun) * 1000:.0f} ms"
