"""Writing in a transaction that belongs to the caller: what we write is committed with the caller's own rows, or not at all.

Nothing here commits, rolls back the caller's rows, or leaves the connection other than it was. Our statements stand in a
savepoint, so that a refusal, a failure or a cancellation of ours takes back our rows and leaves the caller's as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from psycopg import errors as postgres_errors
from psycopg.adapt import AdaptersMap
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import NullPool, Row, text
from sqlalchemy.dialects.postgresql.psycopg import AsyncAdapt_psycopg_connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.errors import Forbidden, Invalid
from engine.store.database.callers_connection import CallersConnection, Lent, OfThread, lent
from engine.store.database.schema_version import require_current_schema
from engine.store.database.tenant_binding import SETTING
from engine.store.database.transactions import Connection, Store, writing_at_once
from engine.store.tables import metadata

_PLACE: Final = text(
    """
    WITH before AS MATERIALIZED (SELECT coalesce(current_setting(:setting, true), '') AS tenant)
    SELECT (SELECT system_identifier FROM pg_control_system()) AS server,
        (SELECT oid FROM pg_database WHERE datname = current_database()) AS database,
        ARRAY(
            SELECT to_regclass(name)::oid FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS known (name, place)
            ORDER BY place
        ) AS tables,
        current_setting('transaction_read_only') = 'on' AS read_only,
        before.tenant AS tenant_before, set_config(:setting, coalesce(:tenant, before.tenant), true)
    FROM before
    """
)
"""Names the tenant too, in the round trip that is needed anyway."""
_BACK: Final = text("SELECT set_config(:setting, :tenant, true)")
_NAMES: Final = {"names": sorted(metadata.tables), "tenant": None, "setting": SETTING}


@dataclass(slots=True)
class _Known:
    """What is known about one engine of ours."""

    place: tuple[Any, ...] | None = None
    """Server, database and tables; None: not asked yet."""
    turns: WeakKeyDictionary[Any, asyncio.Lock] = field(default_factory=WeakKeyDictionary)
    """By connection: savepoints of two tasks on one connection must not overlap."""


_KNOWN: Final[WeakKeyDictionary[Any, _Known]] = WeakKeyDictionary()


@asynccontextmanager
async def writing_in(store: Store, connection: CallersConnection, tenant: str) -> AsyncIterator[Connection]:
    """Statements in the caller's transaction, which must be in the database of ``store``, and for which it names ``tenant``,
    whatever tenant it named before and names again afterwards.

    When the block raises, what it has written is taken back, and the caller's transaction goes on. Raises, with nothing written:
    ``Invalid`` (CONNECTION_UNSUPPORTED, CONNECTION_CLOSED, CONNECTION_AUTOCOMMIT, CONNECTION_ELSEWHERE, CONNECTION_ENCODING,
    TRANSACTION_READ_ONLY),
    ``Conflict`` (CONNECTION_BUSY, TRANSACTION_FAILED), ``Forbidden`` (CONNECTION_NOT_ALLOWED), ``SchemaOutdated``. What ends the
    caller's transaction (a serialization failure, a deadlock, a time-out, a lost connection) is raised as the caller's own
    library raises it.
    """
    known = _KNOWN.setdefault(store.sync_engine, _Known())
    theirs = await lent(connection, _adapters_of(store))
    async with known.turns.setdefault(theirs.driver, asyncio.Lock()):
        try:
            await theirs.begin()
            async with theirs.savepoint(), _statements(store, theirs) as ours:
                before = await _require_same_place(store, known, ours, tenant)
                yield ours
                # When the block has raised, the savepoint has taken this back too.
                await ours.execute(_BACK, {"setting": SETTING, "tenant": before})
        except DBAPIError as error:
            if isinstance(error.orig, postgres_errors.InsufficientPrivilege):
                raise Forbidden(
                    "CONNECTION_NOT_ALLOWED",
                    f"The connection's user may not do this: {str(error.orig).splitlines()[0]}.",
                    "GRANT runstudio_service to that user.",
                ) from error
            if _speaks_sqlalchemy(connection) or error.orig is None:
                raise
            raise error.orig from error


@asynccontextmanager
async def _statements(store: Store, theirs: Lent) -> AsyncIterator[Connection]:
    """Our engine's statements on a connection that is not of its pool."""
    adapted = AsyncAdapt_psycopg_connection(store.dialect.loaded_dbapi, theirs)  # type: ignore[arg-type] # all that is asked of one
    pool = NullPool(lambda: adapted, dialect=store.dialect, reset_on_return=None)  # type: ignore[arg-type] # as above
    connection = AsyncConnection(store, SyncConnection(store.sync_engine, pool.connect()))
    try:
        yield connection
    finally:
        await connection.close()


async def _require_same_place(store: Store, known: _Known, connection: Connection, tenant: str) -> str:
    """Names the tenant; the one that was named before, or an empty text."""
    row = (await connection.execute(_PLACE, {**_NAMES, "tenant": tenant})).one()
    # Asked again before it is believed to be another one: ours may have been restored from a copy meanwhile.
    if known.place is None or _place_in(row) != known.place:
        known.place = await _own_place(store)
    if _place_in(row) != known.place:
        raise Invalid(
            "CONNECTION_ELSEWHERE",
            "The connection does not see the tables of this engine: it is to another server or database, or has another"
            " search_path.",
            "Give a connection to the engine's own database.",
        )
    if row.read_only:
        raise Invalid("TRANSACTION_READ_ONLY", "The connection's transaction is read-only.", "Give one that may write.")
    before: str = row.tenant_before
    return before


async def _own_place(store: Store) -> tuple[Any, ...]:
    await require_current_schema(store)
    async with writing_at_once(store) as connection:
        return _place_in((await connection.execute(_PLACE, _NAMES)).one())


def _place_in(row: Row[Any]) -> tuple[Any, ...]:
    return (row.server, row.database, tuple(row.tables))


def _adapters_of(store: Store) -> AdaptersMap:
    """How our own connections read and write values, JSON above all."""
    _, arguments = store.dialect.create_connect_args(store.url)
    adapters: AdaptersMap = arguments["context"]
    return adapters


def _speaks_sqlalchemy(connection: CallersConnection) -> bool:
    given = connection.connection if isinstance(connection, OfThread) else connection
    return isinstance(given, AsyncConnection | SyncConnection)
