"""A worker in a process of its own, to be killed.

``python -m tests.faults.worker_process DATABASE_URL OUTSIDE_URL TEMPORAL_ADDRESS NAME``. Its actions work on a system outside of
ours that recognises repeated requests by their key, as the systems of our users should.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

from pydantic import BaseModel
from sqlalchemy import text
from temporalio.client import Client

from engine.actions.context import ActionContext
from engine.actions.declaration import declarations_of
from engine.actions.registry import ActionRegistry, action
from engine.actions.secrets import SecretResolver
from engine.activities.dependencies import ActivityDependencies
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store
from engine.temporal.connection import TemporalConnection
from engine.worker.temporal_worker import build_worker

READY = "ready"


class Given(BaseModel):
    model_config = {"extra": "allow"}


class Taken(BaseModel):
    executions: int


def registry_of(outside: Store) -> ActionRegistry:
    """``fault.quick``, ``fault.ordinary`` (takes ``seconds``) and ``fault.inside`` (transactional)."""

    async def effect(ctx: ActionContext) -> dict[str, int]:
        async with outside.begin() as connection:
            row = await connection.execute(
                text(
                    "INSERT INTO effects (key, executions) VALUES (:key, 1)"
                    " ON CONFLICT (key) DO UPDATE SET executions = effects.executions + 1 RETURNING executions"
                ),
                {"key": ctx.idempotency_key},
            )
            return {"executions": row.scalar_one()}

    @action("fault.quick", input=Given, output=Taken, quick=True)
    async def quick(given: Any, ctx: ActionContext) -> dict[str, int]:
        """An effect outside, at once."""
        return await effect(ctx)

    @action("fault.ordinary", input=Given, output=Taken)
    async def ordinary(given: Any, ctx: ActionContext) -> dict[str, int]:
        """An effect outside, after a while."""
        await asyncio.sleep(getattr(given, "seconds", 0))
        return await effect(ctx)

    @action("fault.inside", input=Given, output=Taken, quick=True, transaction=True)
    async def inside(given: Any, ctx: ActionContext) -> dict[str, int]:
        """An effect in our own database, which recognises nothing."""
        row = await ctx.transaction.execute(
            text("INSERT INTO inside (run_id) VALUES (:run) RETURNING 1"), {"run": ctx.run_id}
        )
        return {"executions": row.scalar_one()}

    registry = ActionRegistry()
    for handler in (quick, ordinary, inside):
        for declared in declarations_of(handler):
            registry.register(declared)
    return registry


async def serve(url: str, outside: str, address: str, name: str) -> None:
    """Work until SIGTERM."""
    actions = registry_of(create_store_engine(outside))
    dependencies = ActivityDependencies(create_store_engine(url), actions, SecretResolver([]), name)
    client = await Client.connect(address, identity=name)
    worker = build_worker(client, dependencies, sandboxed=False, identity=name)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with worker:
        print(READY, flush=True)
        await stop.wait()
    await TemporalConnection.from_client(client).close()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:5]))
