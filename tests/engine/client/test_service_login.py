"""Workers and producers under logins of the service, which owns no table."""

from __future__ import annotations

import os
import pwd
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import make_url

from engine import Engine, Forbidden, Level, RunFilter, RunStatus
from engine.ids import new_id
from tests.engine.client.conftest import ORDER, ORDER_SCHEMA
from tests.engine.operations.conftest import Execute, Query
from tests.engine.store.tenants import OTHER
from tests.engine.worker.hosts import ready, running, settings

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest_asyncio.fixture
async def service_url(database_url: str, execute: Execute) -> AsyncIterator[str]:
    """The database, by a login of the service."""
    login = f"login_{new_id().replace('-', '')}"
    await execute(f"CREATE ROLE {login} LOGIN IN ROLE runstudio_service")
    yield make_url(database_url).set(username=login).render_as_string(False)
    await execute(f"DROP ROLE {login}")


@pytest.mark.usefixtures("context")
async def test_runs_go_through_and_tenants_stay_apart(
    service_url: str, temporal_address: str, execute: Execute, query: Query
) -> None:
    member = "INSERT INTO workflow_members (tenant, kind, name, level) VALUES (:tenant, 'person', :me, 'admin')"
    given = settings(service_url, temporal_address)
    async with Engine(given, actor="shop") as engine, Engine(given, tenant=OTHER) as elsewhere:
        with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
            await engine.runs.list()
        await execute(member, tenant=(await engine.system.session()).tenant, me=ME)
        await execute(member, tenant=OTHER, me=ME)
    async with (
        Engine(given, actor="shop") as engine,
        Engine(given, tenant=OTHER) as elsewhere,
        running(given) as host,
    ):
        await ready(host)
        for one in (engine, elsewhere):
            await one.events.set_correlation_paths({"order.paid": ["orderId"]})
            await one.workflows.publish(ORDER, payload_schema=ORDER_SCHEMA)
        mine = await engine.runs.start("order", {"orderId": "42"})
        theirs = await elsewhere.runs.start("order", {"orderId": "42"})
        # An event of one tenant moves no run of another, though everything about it is the same.
        await engine.events.submit("order.paid", {"amount": 20}, key="42")
        assert (await engine.runs.wait(mine.run_id, timeout=250)).status is RunStatus.SUCCEEDED
        assert [row.run_id for row in (await elsewhere.runs.list(RunFilter())).rows] == [theirs.run_id]
        assert (await elsewhere.runs.cancel(theirs.run_id, "the test has ended")).status is RunStatus.CANCELED
        assert (await elsewhere.system.session()).level is Level.ADMIN
    written = await query(
        "SELECT DISTINCT actor, actor_known_by, database_user FROM workflow_audit_log WHERE actor_level IS NOT NULL"
    )
    logins = {entry["database_user"] for entry in written}
    assert logins == {make_url(service_url).username}
    assert {entry["actor_known_by"] for entry in written} == {"account"}
