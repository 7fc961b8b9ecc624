"""How an operation changes something: one transaction, and one way to say that Postgres cannot be asked now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.store.engine import as_unavailable

Store: TypeAlias = AsyncEngine
"""What operations hold; only this package knows what is behind it."""
Connection: TypeAlias = AsyncConnection


@asynccontextmanager
async def writing(store: Store) -> AsyncIterator[Connection]:
    """A transaction that is committed when the block ends, and rolled back when it raises.

    Raises ``Unavailable`` (POSTGRES_UNREACHABLE, POSTGRES_BUSY) when Postgres cannot be asked. Nothing but statements belongs
    in the block: while it lasts, rows are locked.
    """
    try:
        async with store.begin() as connection:
            yield connection
    except (DBAPIError, PoolTimeout, OSError) as error:
        refusal = as_unavailable(error)
        if refusal is None:
            raise
        raise refusal from error
