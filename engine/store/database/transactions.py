"""Transactions of operations, and an unreachable Postgres as ``Unavailable``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.store.database.connecting import is_pooled
from engine.store.database.refusals import as_engine_error

Store: TypeAlias = AsyncEngine
"""What operations hold; only this package knows what is behind it."""
Connection: TypeAlias = AsyncConnection


@asynccontextmanager
async def writing(store: Store) -> AsyncIterator[Connection]:
    """A transaction that is committed when the block ends, and rolled back when it raises.

    Raises ``Unavailable`` (POSTGRES_UNREACHABLE, POSTGRES_BUSY, ...; see ``as_unavailable``) when Postgres cannot be asked, and
    ``Invalid`` (see ``as_refusal``) for a value that it cannot hold. Nothing but statements belongs in the block: while it
    lasts, rows are locked.
    """
    with _saying_when_unavailable():
        async with store.begin() as connection:
            yield connection


@asynccontextmanager
async def writing_at_once(store: Store) -> AsyncIterator[Connection]:
    """As ``writing``, for one autocommit statement: one round trip instead of three."""
    with _saying_when_unavailable():
        async with store.connect() as connection:
            yield await connection.execution_options(isolation_level="AUTOCOMMIT")


async def goes_through_a_pooler(connection: Connection) -> bool:
    """Whether the connection is one of a pooler."""
    return is_pooled((await connection.get_raw_connection()).driver_connection)


@contextmanager
def _saying_when_unavailable() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout, OSError, UnicodeEncodeError) as error:
        refusal = as_engine_error(error)
        if refusal is None:
            raise
        raise refusal from error
