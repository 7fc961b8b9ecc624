"""Autocommit statements: each is a transaction of its own, one round trip to Postgres instead of three.

They are the hot path, two per step of every run. So they go to the driver directly, on connections kept for them in autocommit:
what SQLAlchemy does around a statement (checking a connection out, setting it up, compiling, checking it in) would cost more
than the statement itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.rows import namedtuple_row
from sqlalchemy import TextClause, event, text

from engine.store.database.connecting import connect
from engine.store.database.engine import adapters_of, as_unavailable
from engine.store.database.proving import is_stale
from engine.store.database.transactions import Store

CONNECTIONS: Final = 12
"""Most connections of a process that work on single statements, beside those of the engine's pool."""
_WAITS_FOR_A_LOCK: Final = text("""
    SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = CAST(:backend AS int) AND wait_event_type = 'Lock') AS waits
""")
_PAUSE_SECONDS: Final = 0.1
_PARAMETER: Final = re.compile(r"(?<![:\w]):(\w+)")

Driver = psycopg.AsyncConnection[Any]


async def execute_alone(store: Store, statement: TextClause, parameters: Mapping[str, Any]) -> Any:
    """Run one statement in autocommit and return its first row, by name and by position; None when it gives none.

    Raises the driver's own errors. A connection on which anything went wrong is not used again.
    """
    kept = _kept_of(store)
    async with kept.room:
        driver = kept.take() or await connect(store.url, "runstudio-steps", adapters=adapters_of(store))
        try:
            cursor = driver.cursor(row_factory=namedtuple_row)
            await cursor.execute(for_driver(statement.text), parameters)
            row = await cursor.fetchone() if cursor.description else None
        except BaseException as error:
            await driver.close()
            if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | ReadOnlySqlTransaction):
                # The server went away or is the primary no more, and with it the others.
                kept.close_idle()
            raise
        kept.idle.append(driver)
    return row


async def until_it_goes_on(store: Store, backend: int | None) -> None:
    """Return as soon as Postgres answers, and says that this session of it waits for no lock, however long that takes.

    ``backend``: its process id; None: it is not known, and only an answer is waited for.
    """
    while True:
        try:
            row = await execute_alone(store, _WAITS_FOR_A_LOCK, {"backend": backend})
        except Exception as error:
            if as_unavailable(error) is None:
                raise
        else:
            if not row.waits:
                return
        await asyncio.sleep(_PAUSE_SECONDS)


class _Kept:
    """The idle autocommit connections of one engine."""

    def __init__(self) -> None:
        self.room = asyncio.Semaphore(CONNECTIONS)
        self.idle: list[Driver] = []

    def take(self) -> Driver | None:
        """An idle one that can be used; when one of them has been ended, none is."""
        if self.idle and is_stale(self.idle[-1]):
            self.close_idle()
        return self.idle.pop() if self.idle else None

    def close_idle(self) -> None:
        """Close them without waiting for anything."""
        while self.idle:
            self.idle.pop().pgconn.finish()


_KEPT: Final[WeakKeyDictionary[Any, _Kept]] = WeakKeyDictionary()


def _kept_of(store: Store) -> _Kept:
    engine = store.sync_engine
    kept = _KEPT.get(engine)
    if kept is None:
        kept = _KEPT[engine] = _Kept()
        event.listen(engine, "engine_disposed", lambda _engine: kept.close_idle())
    return kept


@lru_cache(maxsize=512)
def for_driver(sql: str) -> bytes:
    """The statement in the driver's spelling: ``%(name)s`` for ``:name``."""
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%")).encode()
