"""Opening connections to Postgres, direct ones and those that a pooler in transaction mode passes on.

A pooler gives every transaction another server session: it takes no startup options, keeps no prepared statement, no setting but
encoding, date style and time zone, and no LISTEN. It is recognised by the process id it tells, which is not that of the session
behind it.

What a database or a login was given by ALTER DATABASE or ALTER ROLE does not change how we read, and ends no transaction of ours
between its statements. What stops one statement (``statement_timeout``) counts in transactions, where actions work too; and
``default_transaction_read_only`` counts everywhere, because it may be a fence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg import IsolationLevel
from psycopg.abc import AdaptContext
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from engine.errors import Invalid
from engine.wording import sentence

CONNECT_TIMEOUT_SECONDS: Final = 5
_SESSION: Final = b"""
    SELECT told.direct, set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, MDY', false),
        (
            SELECT count(set_config(wanted.name, wanted.value, false))
            FROM unnest(CAST(%(names)s AS text[]), CAST(%(values)s AS text[])) AS wanted (name, value)
            WHERE told.direct AND current_setting(wanted.name, true) IS NOT NULL
        )
    FROM (SELECT pg_backend_pid() = %(pid)s AS direct) AS told
"""
"""A pooler keeps what is said first, and would give the rest to somebody else. A server may be too old for a setting."""
UNENDED: Final[Mapping[str, str]] = {"idle_in_transaction_session_timeout": "0", "transaction_timeout": "0"}
"""By which Postgres ends a transaction while we are at it: an action has its own time, in which it may think."""
_OF_SESSION: Final[Mapping[str, str]] = {
    **UNENDED,
    "idle_session_timeout": "0",
    "default_transaction_isolation": "read committed",
    "row_security": "on",
    # A session serves all tenants until a transaction names one (``tenant_binding``).
    "runstudio.tenant": "",
    # Compiling costs more than our statements run.
    "jit": "off",
}


def connect_arguments(application_name: str) -> dict[str, Any]:
    """Connection parameters of every connection we make; any pooler takes them."""
    return {
        "application_name": application_name,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "client_encoding": "utf8",
        # A vanished server is noticed in half a minute instead of two hours.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 4,
    }


async def connect(
    url: str | URL,
    application_name: str,
    *,
    adapters: AdaptContext | None = None,
    autocommit: bool = True,
    lock_seconds: int = 0,
) -> psycopg.AsyncConnection[Any]:
    """A connection whose time zone is UTC. Over a pooler it prepares no statement. Raises the driver's own errors.

    ``adapters``: how it reads and writes values; None: as the driver does.
    ``lock_seconds``: longest a statement waits for a lock, 0 is for ever, and then no limit of the database stops it either; over
    a pooler it waits for ever. Its transactions are READ COMMITTED.
    """
    connection = await psycopg.AsyncConnection.connect(
        libpq_url(url), autocommit=True, context=adapters, **connect_arguments(application_name)
    )
    try:
        cursor = await connection.execute(_SESSION, _values(connection, lock_seconds), prepare=False)
        _prepare_if_direct(connection, await cursor.fetchone())
        await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
        await connection.set_autocommit(autocommit)
    except BaseException:
        await connection.close()
        raise
    return connection


def connect_directly(url: str | URL, application_name: str) -> psycopg.Connection[Any]:
    """A connection for what needs a session of its own. Raises ``Invalid`` (CONNECTION_POOLED,
    SETTING_INVALID), and the driver's own errors.
    """
    connection = psycopg.connect(libpq_url(usable(url)), autocommit=True, **connect_arguments(application_name))
    try:
        row = connection.execute(_SESSION, _values(connection, 0), prepare=False).fetchone()
        _prepare_if_direct(connection, row)
        if is_pooled(connection):
            raise Invalid(
                "CONNECTION_POOLED",
                "The database URL leads to a connection pooler, and migrations need a session of their own.",
                "Set RUNSTUDIO_DIRECT_DATABASE_URL to the server behind the pooler.",
            )
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise
    return connection


def is_pooled(connection: object) -> bool:
    """Whether a connection that was made here goes through a pooler; False for one that a program lends us."""
    return isinstance(connection, psycopg.AsyncConnection | psycopg.Connection) and connection.prepare_threshold is None


def libpq_url(url: str | URL) -> str:
    """``url`` as libpq and psycopg's ``connect`` take it, with its password."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def usable(url: str | URL) -> URL:
    """``url``, which every part of it is understood of. Raises ``Invalid`` (SETTING_INVALID), without repeating the URL.

    What other tools of the same database add to theirs (``?schema=public``) is no parameter of Postgres' own.
    """
    try:
        location = make_url(url)
        conninfo_to_dict(libpq_url(location))
    except (ValueError, ArgumentError, psycopg.Error) as error:
        said = str(error) if isinstance(error, psycopg.Error) else "it cannot be taken apart"
        raise Invalid(
            "SETTING_INVALID",
            sentence(f"The database URL cannot be used: {said}"),
            "Write postgresql://user@host:port/database with parameters that psql takes; several servers as"
            " postgresql://user@/database?host=one,two&port=5432,5433&target_session_attrs=read-write.",
        ) from None
    return location


def _values(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any], lock_seconds: int) -> Mapping[str, Any]:
    wanted = {**_OF_SESSION, "lock_timeout": f"{lock_seconds}s"}
    if lock_seconds == 0:
        wanted["statement_timeout"] = "0"
    return {"pid": connection.info.backend_pid, "names": list(wanted), "values": list(wanted.values())}


def _prepare_if_direct(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any], row: Any) -> None:
    if not row[0]:
        connection.prepare_threshold = None
