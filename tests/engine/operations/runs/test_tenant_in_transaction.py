"""The tenant for which rows are written in a caller's transaction: ours while we write, the caller's own before and after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from sqlalchemy import func, select, text

from engine.errors import NotFound
from engine.operations.context import OperationContext
from engine.operations.events.events import EventRequest
from engine.operations.runs.launch import LaunchRequest
from engine.records import Level
from engine.settings import DEFAULT_TENANT
from engine.store.database.callers_transaction import writing_in
from engine.store.database.transactions import Store
from engine.store.tables import workflow_runs
from tests.engine.operations.callers import KINDS, Caller, caller
from tests.engine.operations.conftest import AsUser, Execute, Query, add_version
from tests.engine.store.tenants import OTHER

NAMED = "SELECT coalesce(current_setting('runstudio.tenant', true), '')"


@pytest_asyncio.fixture
async def shop(store: Store, as_user: AsUser) -> AsyncIterator[OperationContext]:
    """A producer of the default tenant, by a login of the service; the workflow is there in both tenants."""
    await add_version(store)
    await add_version(store, tenant=OTHER)
    async with as_user(Level.OPERATE, "shop") as context:
        yield context


def _url(context: OperationContext) -> str:
    return context.store.url.render_as_string(hide_password=False)


async def _named(theirs: Caller) -> str:
    answer = theirs.connection.execute(text(NAMED) if theirs.speaks_sqlalchemy else NAMED)
    row = (await answer).fetchone() if theirs.speaks_sqlalchemy else await (await answer).fetchone()
    return str(row[0])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "thread" not in kind])
async def test_a_caller_who_names_another_tenant_launches_in_the_engines(
    kind: str, shop: OperationContext, query: Query
) -> None:
    async with caller(kind, shop, _url(shop)) as theirs:
        await theirs.execute(f"SELECT set_config('runstudio.tenant', '{OTHER}', true)")
        await theirs.launch(LaunchRequest("orders"))
        await theirs.submit(EventRequest("PAID"))
        assert await _named(theirs) == OTHER
        with pytest.raises(NotFound, match="WORKFLOW_NOT_FOUND"):
            await theirs.launch(LaunchRequest("unknown"))
        assert await _named(theirs) == OTHER
        await theirs.commit()
    for table in ("workflow_runs", "workflow_runtime_events"):
        assert await query(f"SELECT tenant FROM {table}") == [{"tenant": DEFAULT_TENANT}]


async def test_a_caller_who_names_none_sees_all_tenants_again(shop: OperationContext, execute: Execute) -> None:
    await execute(
        "INSERT INTO workflow_runs (tenant, workflow_id, workflow_version, status, engine)"
        f" VALUES ('{OTHER}', 'orders', 1, 'RUNNING', 'temporal')"
    )
    async with caller("psycopg", shop, _url(shop)) as theirs:
        await theirs.launch(LaunchRequest("orders"))
        assert await _named(theirs) == ""
        seen = await (await theirs.connection.execute("SELECT count(*) FROM workflow_runs")).fetchone()
        assert seen == (2,)


async def test_a_statement_without_a_where_reaches_one_tenant(shop: OperationContext, execute: Execute) -> None:
    for tenant in (DEFAULT_TENANT, OTHER):
        await execute(
            "INSERT INTO workflow_runs (tenant, workflow_id, workflow_version, status, engine)"
            f" VALUES ('{tenant}', 'orders', 1, 'RUNNING', 'temporal')"
        )
    async with caller("psycopg", shop, _url(shop)) as theirs:
        async with writing_in(shop.store, theirs.connection, OTHER) as rows:
            assert list((await rows.execute(select(workflow_runs.c.tenant))).scalars()) == [OTHER]
        async with writing_in(shop.store, theirs.connection, DEFAULT_TENANT) as rows:
            assert (await rows.execute(select(func.count()).select_from(workflow_runs))).scalar_one() == 1


async def test_two_engines_of_two_tenants_share_a_transaction(
    shop: OperationContext, as_user: AsUser, query: Query
) -> None:
    async with as_user(Level.OPERATE, "shop", tenant=OTHER) as other, caller("psycopg", shop, _url(shop)) as theirs:
        await theirs.launch(LaunchRequest("orders"))
        await replace(theirs, context=other).launch(LaunchRequest("orders"))
        await theirs.launch(LaunchRequest("orders"))
        await theirs.commit()
    runs = await query("SELECT tenant, count(*) AS n FROM workflow_runs GROUP BY 1 ORDER BY 1")
    assert runs == [{"tenant": DEFAULT_TENANT, "n": 2}, {"tenant": OTHER, "n": 1}]
