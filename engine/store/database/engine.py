"""The SQLAlchemy engine on Postgres, and connection failures as ``Unavailable``."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, Literal

from psycopg import errors as postgres_errors
from psycopg.abc import AdaptContext
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from engine.errors import Unavailable
from engine.settings import DATABASE_DRIVER
from engine.store.database.connecting import CONNECT_TIMEOUT_SECONDS, UNENDED, connect, is_pooled, usable
from engine.store.database.proving import prove_before_use
from engine.store.database.tenant_binding import SETTING, bind_to_tenant
from engine.values.json_policy import dumps_for_storage

READ_TIMEOUT_SECONDS: Final = 2.0
"""Longest one statement of a reader may run."""
LOCK_TIMEOUT_SECONDS: Final = 10
"""Longest one statement of an operation waits for locks. Programs launch in transactions of their own, which may stay open."""
LOCKED: Final = "POSTGRES_LOCKED"
"""Code of ``Unavailable`` where Postgres answers, and somebody holds the very row."""
_OF_ONE_STATEMENT: Final = frozenset({LOCKED, "POSTGRES_STOPPED_IT", "QUERY_TOO_SLOW"})
"""Codes of ``as_unavailable`` that another statement need not meet."""
_OF_ALL: Final = frozenset({"POSTGRES_UNREACHABLE", "POSTGRES_BUSY", "POSTGRES_READ_ONLY", "POSTGRES_FAILING"})
"""Codes of ``as_unavailable`` that every other statement would meet as well."""
PASSING: Final = _OF_ONE_STATEMENT | _OF_ALL
"""Codes of ``as_unavailable``: what meets one goes on by itself when it is repeated until Postgres does its work again."""
_UNENDED: Final = ", ".join(
    f"CASE WHEN current_setting('{name}', true) IS NOT NULL THEN set_config('{name}', '{value}', true) END"
    for name, value in UNENDED.items()
)
_BEGIN_POOLED: Final = text(
    "SELECT pg_backend_pid(), set_config('lock_timeout', :timeout, true), set_config(:setting, :tenant, true),"
    f" {_UNENDED}"
)
_BACKEND: Final = "runstudio_backend"
"""Under which a connection through a pooler keeps which session its transaction was given."""


def create_store_engine(
    url: str,
    *,
    pool_size: int = 10,
    max_overflow: int = 10,
    application_name: str = "runstudio",
    tenant: str | None = None,
) -> AsyncEngine:
    """An async engine on psycopg 3 whose json parameters go through the JSON policy. Nothing is connected yet.

    ``url`` may name any Postgres dialect (``postgresql://...``), and a pooler. ``tenant``: the only one whose rows its
    transactions see; None: all of them, for a worker. Call ``dispose()`` at the end. A connection that the server has ended is
    not given out; one that breaks in its use fails that, and callers repeat (activities are). Raises ``Invalid``: see ``usable``.
    """
    location = usable(url).set(drivername=DATABASE_DRIVER)
    engine: AsyncEngine = create_async_engine(
        location,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=CONNECT_TIMEOUT_SECONDS,
        pool_recycle=1800,
        json_serializer=dumps_for_storage,
        # Payloads are parameters, and what an exception says is logged and stored.
        hide_parameters=True,
        async_creator=lambda: connect(
            location,
            application_name,
            adapters=adapters_of(engine),
            autocommit=False,
            lock_seconds=LOCK_TIMEOUT_SECONDS,
        ),
        isolation_level=None if tenant is None else "AUTOCOMMIT",
    )
    prove_before_use(engine)
    event.listen(engine.sync_engine, "handle_error", _leave_a_former_primary)
    if tenant is not None:
        # First: it is what begins the transaction.
        bind_to_tenant(engine, tenant)
    event.listen(engine.sync_engine, "begin", partial(_begin_over_a_pooler, tenant or ""))
    return engine


def adapters_of(engine: AsyncEngine) -> AdaptContext | None:
    """How the connections of an engine read and write values, json among them."""
    _, arguments = engine.dialect.create_connect_args(engine.url)
    adapters: AdaptContext | None = arguments.get("context")
    return adapters


def _leave_a_former_primary(context: ExceptionContext) -> None:
    """A server that takes no writes is left as one that went away is: the next connections are new ones."""
    if isinstance(context.original_exception, postgres_errors.ReadOnlySqlTransaction):
        context.is_disconnect = True


def _begin_over_a_pooler(tenant: str, connection: Connection) -> None:
    """What we set for a session would stay with the pooler's, and what another program has set for its own is still there. A
    direct connection has both from its beginning. ``tenant``: empty for all of them.
    """
    pooled = is_pooled(connection.connection.driver_connection)
    if pooled and connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        given = {"timeout": f"{LOCK_TIMEOUT_SECONDS}s", "setting": SETTING, "tenant": tenant}
        connection.info[_BACKEND] = connection.execute(_BEGIN_POOLED, given).scalar_one()


STOPPED: Final = frozenset({"57014", "25P03", "25P04"})
"""SQLSTATEs of a statement, and of a transaction, that a limit of the database or somebody has ended."""
_IN_THE_WAY: Final = frozenset({"55P03", "40001", "40P01"})
"""SQLSTATEs of a lock that was not to be had, a serialization failure and a deadlock."""
_FAILING: Final = frozenset({"53100", "53200", "53400", "58000", "58030"})
"""SQLSTATEs of a full disk, no memory, a limit of the configuration, and of faults of the system below."""


def backend_of(connection: AsyncConnection) -> int | None:
    """Process id of the server session in which the connection's transaction is; None when that is not known."""
    sync = connection.sync_connection
    if sync is None:
        return None
    driver: Any = sync.connection.driver_connection
    known: int | None = sync.info.get(_BACKEND) if is_pooled(driver) else driver.info.backend_pid
    return known


def transaction_of(connection: AsyncConnection) -> Literal["open", "failed", "ended", "lost"]:
    """What became of the transaction a connection was given with; nobody is asked. Failed: Postgres commits nothing of it."""
    sync = connection.sync_connection
    if sync is None or sync.closed:
        return "ended"
    driver: Any = None if sync.invalidated else sync.connection.driver_connection
    if driver is None or driver.closed:
        return "lost"
    status = driver.info.transaction_status
    if not sync.in_transaction() or status == TransactionStatus.IDLE:
        return "ended"
    return "failed" if status == TransactionStatus.INERROR else "open"


async def is_read_only(connection: AsyncConnection) -> bool:
    """Whether Postgres takes no writes: it is a standby, or told to."""
    # Not transaction_read_only: a reader's transaction is read-only anyway.
    asked = text("SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'")
    return bool((await connection.execute(asked)).scalar_one())


def url_without_password(url: str) -> str:
    """``url`` as it may be shown: ``postgresql://me:***@db.internal/runstudio``."""
    return make_url(url).render_as_string()


def is_away(error: BaseException) -> bool:
    """Whether every other statement would meet this as well, so that what meets it is not at fault."""
    return isinstance(error, Denied) or (isinstance(error, Unavailable) and error.code in _OF_ALL)


def as_unavailable(error: BaseException, *, question: bool = False) -> Unavailable | None:
    """``error`` as the refusal an operation answers with, when it says that Postgres cannot be asked now; else None.

    ``question``: of somebody who wanted to read, within ``READ_TIMEOUT_SECONDS``.
    """
    if isinstance(error, PoolTimeout):
        return Unavailable(
            "POSTGRES_BUSY",
            f"No connection to Postgres became free within {CONNECT_TIMEOUT_SECONDS} s.",
            "Try again; if it stays, look for long transactions.",
        )
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(cause, "sqlstate", None) or ""
    if isinstance(cause, postgres_errors.QueryCanceled) and question:
        return Unavailable(
            "QUERY_TOO_SLOW",
            f"Postgres needed more than {READ_TIMEOUT_SECONDS:g} s for this question.",
            "Narrow the filter: a time range, a workflow or a status.",
        )
    if state in STOPPED:
        return Unavailable(
            "POSTGRES_STOPPED_IT",
            f"Postgres stopped what was under way, and nothing of it was written: {_first_line(cause)}.",
            "Try again; if it stays, look at the time-outs of the database and of its login (`\\drds` in psql shows them).",
        )
    if state in _IN_THE_WAY:
        return Unavailable(
            LOCKED,
            f"Another transaction is in the way of this one: {_first_line(cause)}.",
            "Try again; if it stays, look for long transactions (pg_stat_activity shows them).",
        )
    if state in _FAILING:
        return Unavailable(
            "POSTGRES_FAILING",
            f"Postgres cannot do its work now: {_first_line(cause)}.",
            "Look at its server: disk, memory and the log of Postgres. Nothing was written; try again when it is mended.",
        )
    if isinstance(cause, postgres_errors.ReadOnlySqlTransaction):
        return Unavailable(
            "POSTGRES_READ_ONLY",
            f"Postgres takes no writes now, it is read-only or no longer the primary: {_first_line(cause)}.",
            "Try again when the primary is back, or correct DATABASE_URL; `runstudio doctor` shows where it points.",
        )
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    refused = isinstance(cause, postgres_errors.OperationalError) and cause.sqlstate is None
    # Class 57P is a server going down or coming up, class 08 a broken connection, 53300 one that has no room for it.
    if lost or refused or state.startswith(("57P", "08", "53300")) or isinstance(cause, OSError):
        return Unavailable(
            "POSTGRES_UNREACHABLE",
            f"Postgres cannot be reached: {_first_line(cause)}.",
            "Check DATABASE_URL and that the server runs; `runstudio doctor` shows both.",
        )
    return None


class Denied(Unavailable):
    """Something has to be put right for the login first."""

    retryable = False


def as_denied(error: BaseException) -> Denied | None:
    """``error`` as what has to be put right for the login first, rights or where it looks for tables; else None.

    Not for statements of actions, whose own mistake it can be.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, postgres_errors.InsufficientPrivilege):
        return Denied(
            "POSTGRES_DENIED",
            f"This database login may not do that: {_first_line(cause)}.",
            "GRANT runstudio_service to it; `runstudio migrate` grants that role its rights.",
        )
    if isinstance(cause, postgres_errors.UndefinedTable | postgres_errors.InvalidSchemaName):
        return Denied(
            "POSTGRES_TABLE_MISSING",
            f"A table is not where this database login looks for it: {_first_line(cause)}.",
            "Check DATABASE_URL and the login's search_path, then `runstudio migrate`.",
        )
    return None


def _first_line(cause: BaseException | None) -> str:
    lines = str(cause).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(cause).__name__
