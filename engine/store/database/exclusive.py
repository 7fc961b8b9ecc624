"""Advisory locks: for work that only one process does at a time."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from engine.store.database.engine import as_unavailable
from engine.store.database.transactions import Store

_CLASS: Final = 0x52535455
"""First half of the key of all our advisory locks, so that they meet nobody else's."""


@asynccontextmanager
async def only_one(store: Store, work: str) -> AsyncIterator[bool]:
    """Take the advisory lock of ``work`` for the block; False, without waiting, when another process holds it.

    The lock belongs to a connection: when the process or its connection dies, Postgres lets go of it. Raises ``Unavailable``.
    """
    key = zlib.crc32(work.encode()) - 2**31
    try:
        async with store.connect() as connection:
            # Without autocommit the lock would keep a transaction open for as long as the work takes.
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            ours = bool(await connection.scalar(select(func.pg_try_advisory_lock(_CLASS, key))))
            try:
                yield ours
            finally:
                if ours:
                    await connection.execute(select(func.pg_advisory_unlock(_CLASS, key)))
    except (DBAPIError, PoolTimeout, OSError) as error:
        refusal = as_unavailable(error)
        if refusal is None:
            raise
        raise refusal from error
