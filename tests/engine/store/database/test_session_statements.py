"""What an action may not say to the session of its transaction, which is somebody else's afterwards."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from engine.errors import Invalid
from engine.store.database.session_statements import session_kept
from engine.store.database.transactions import Store

OUTLASTING = [
    "SET datestyle = 'German, DMY'",
    "set session search_path to pg_catalog",
    "-- mine\n /* of my program */ SET TIME ZONE 'Asia/Tokyo'",
    "SET ROLE runstudio_reader",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "RESET ALL",
    "DISCARD TEMP",
    "LISTEN news",
    "ROLLBACK AND CHAIN",
    "COMMIT WORK AND CHAIN",
    "SELECT set_config('runstudio.tenant', 'x', false)",
    "SELECT 1 AS one, pg_catalog.SET_CONFIG ( 'jit', 'on', 'f' )",
]
PASSING = [
    "SET LOCAL datestyle = 'German, DMY'",
    "SET CONSTRAINTS ALL DEFERRED",
    "SET LOCAL ROLE NONE",
    "SET ROLE NONE",
    "SET SESSION AUTHORIZATION DEFAULT",
    "SET search_path TO DEFAULT",
    "RESET search_path",
    "SELECT set_config('jit', 'on', true)",
    "SELECT 'SET ROLE x', 'LISTEN'",
    "CREATE TEMP TABLE once (a int) ON COMMIT DROP",
]


@pytest.mark.parametrize("statement", OUTLASTING)
async def test_what_would_outlast_the_transaction_is_refused_and_not_done(engine: Store, statement: str) -> None:
    async with engine.begin() as connection:
        with session_kept(connection), pytest.raises(Invalid, match="SESSION_CHANGED"):
            await connection.execute(text(statement))
        assert (await connection.execute(text("SHOW datestyle"))).scalar_one() == "ISO, MDY"


@pytest.mark.parametrize("statement", PASSING)
async def test_what_ends_with_the_transaction_is_done(engine: Store, statement: str) -> None:
    async with engine.begin() as connection:
        with session_kept(connection):
            await connection.execute(text(statement))


async def test_afterwards_the_connection_is_as_any_other(engine: Store) -> None:
    async with engine.begin() as connection:
        with session_kept(connection):
            pass
        await connection.execute(text("SET enable_sort = on"))
