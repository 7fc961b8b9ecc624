"""Moving a stack's database to a Temporal whose data is new, before the worker asks."""

from __future__ import annotations

import asyncio
from typing import Final

from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.installation import move_installation
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.temporal.connection import TemporalConnection

REASON: Final = "runstudio dev up --move"


def move_to(settings: Settings) -> None:
    """Bind the database of ``settings`` to their Temporal, audited. Blocks. Raises as the operation."""
    asyncio.run(_move(settings))


async def _move(settings: Settings) -> None:
    store = create_store_engine(settings.required_database_url())
    temporal = TemporalConnection.from_settings(settings)
    try:
        await move_installation(OperationContext(store, temporal, Actor.of_this_process("cli")), REASON)
    finally:
        await temporal.close()
        await store.dispose()
