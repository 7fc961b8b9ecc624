"""Who acts, and that their level comes from Postgres alone."""

from __future__ import annotations

import os
import pwd
from typing import Any

import pytest

from engine.errors import Forbidden, Invalid
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.records import Level
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import AsUser, Query, add_version


def test_the_actor_is_the_system_user_and_the_address_of_the_ssh_client() -> None:
    here = Actor.of_this_process("cli", {"USER": "root-of-all", "SSH_CONNECTION": "203.0.113.9 50000 10.0.0.1 22"})
    assert here == Actor(pwd.getpwuid(os.getuid()).pw_name, "203.0.113.9", "cli")
    assert Actor.of_this_process("ui", {}).address is None


@pytest.mark.parametrize(
    ("roles", "level"),
    [
        ((), Level.NONE),
        (("runstudio_viewer",), Level.READ),
        (("runstudio_operator",), Level.OPERATE),
        (("runstudio_admin",), Level.ADMIN),
        (("runstudio_viewer", "runstudio_operator"), Level.OPERATE),
    ],
)
async def test_the_level_is_the_highest_role(as_user: AsUser, roles: tuple[str, ...], level: Level) -> None:
    async with as_user(*roles) as context:
        assert await context.level() is level
        for needed in (Level.READ, Level.OPERATE, Level.ADMIN):
            if needed <= level:
                await context.require(needed)
            else:
                with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
                    await context.require(needed)


async def test_the_owner_of_the_tables_is_admin(context: OperationContext) -> None:
    assert await context.level() is Level.ADMIN


async def test_an_operators_grants_suffice_for_a_launch_under_a_limit(
    as_user: AsUser, store: Store, context: OperationContext, execute: Any, query: Query
) -> None:
    await add_version(store)
    await execute("UPDATE workflow_definitions SET concurrency_limit = 5")
    async with as_user("runstudio_operator") as operator:
        assert not (await launch_published_run(operator, LaunchRequest("orders"))).pending
    [entry] = await query("SELECT actor_level FROM workflow_audit_log")
    assert entry["actor_level"] == "operate"


@pytest.mark.parametrize("tenant", ["nobody", "", "\0", "'; --"])
async def test_a_tenant_that_cannot_be_is_refused(context: OperationContext, tenant: str) -> None:
    with pytest.raises(Invalid, match="ID_INVALID"):
        OperationContext(context.store, context.temporal, context.actor, tenant)


async def test_a_tenant_is_written_as_postgres_writes_it(context: OperationContext) -> None:
    tenant = "0198C2AA-0000-7000-8000-0000000000EE"
    assert OperationContext(context.store, context.temporal, context.actor, tenant).tenant == tenant.lower()


async def test_a_viewer_cannot_launch(as_user: AsUser, store: Store, query: Query) -> None:
    await add_version(store)
    async with as_user("runstudio_viewer") as viewer:
        with pytest.raises(Forbidden):
            await launch_published_run(viewer, LaunchRequest("orders"))
    assert await query("SELECT 1 FROM workflow_runs") == []
