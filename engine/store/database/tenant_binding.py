"""Binding transactions to one tenant, by which Postgres itself hides the rows of the others, also where a WHERE is missing.

A transaction names its tenant in the setting ``runstudio.tenant``, for itself alone, and policies on the tables compare it (see
``runstudio_migrations.roles``). One that names none is a worker's: workers serve all tenants. It counts for logins of
``runstudio_service``; for the owner of the tables and for a superuser Postgres asks no policy.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

SETTING: Final = "runstudio.tenant"
_BIND: Final = f"SELECT set_config('{SETTING}', %s, true)"


def bind_to_tenant(engine: AsyncEngine, tenant: str) -> None:
    """Let every transaction of the engine name ``tenant``, in the round trip in which it begins.

    The engine's driver is in autocommit, so that the BEGIN is ours. A connection that was given an isolation level is left alone:
    a reader names its tenant in its first statement, and a single statement in autocommit names its rows. So is one that a
    program lends us, whose transaction is its own: ``callers_transaction`` names the tenant there.
    """

    async def begin(driver: psycopg.AsyncConnection[Any]) -> None:
        async with driver.pipeline():
            await driver.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            await driver.execute(_BIND, (tenant,))

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        adapted: Any = connection.connection.dbapi_connection
        driver = adapted.driver_connection
        if "isolation_level" in connection.get_execution_options() or not isinstance(driver, psycopg.AsyncConnection):
            return
        try:
            adapted.run_async(begin)
        except psycopg.Error as error:
            raise OperationalError("BEGIN", None, error, connection_invalidated=driver.closed) from error
