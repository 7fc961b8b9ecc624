"""Moving a stack's database to a Temporal whose data is new, before the worker asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from temporalio.client import Client

from engine.devstack.info import StackInfo
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.installation import move_installation
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.temporal.client import connect_temporal
from engine.temporal.connection import TemporalConnection

REASON: Final = "runstudio dev up --move"


def move_to_its_temporal(info: StackInfo, settings: Settings) -> None:
    """Bind the stack's database to the stack's Temporal, audited. Blocks. Raises as the operation."""

    def connect() -> Awaitable[Client]:
        # What configures the user's own Temporal client says nothing of the stack's own server.
        return Client.connect(info.temporal_address) if info.owns_temporal else connect_temporal(settings)

    # In a thread of its own, so that it can be called with and without a running event loop.
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(lambda: asyncio.run(_move(info.database_url, connect))).result()


async def _move(database_url: str, connect: Callable[[], Awaitable[Client]]) -> None:
    store = create_store_engine(database_url)
    temporal = TemporalConnection(connect)
    try:
        await move_installation(OperationContext(store, temporal, Actor.of_this_process("cli")), REASON)
    finally:
        await temporal.close()
        await store.dispose()
