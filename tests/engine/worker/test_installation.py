"""One installation: a database belongs to one Temporal, and nothing is written with another one (F10)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from engine import Engine
from engine.operations.context import OperationContext
from engine.operations.installation import move_installation
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.store.database.transactions import Store, writing
from engine.store.tenant.installation import load_installation, replace_installation
from engine.temporal.connection import WrongTemporal
from engine.temporal.installation import identity_of
from tests.engine.operations.conftest import Execute, Query, add_version, until
from tests.engine.worker.hosts import get, ready, running, settings

OTHER = "empty"

Everything = Callable[[], Awaitable[dict[str, Any]]]


@pytest.fixture
def everything(query: Query) -> Everything:
    """All rows of all tables."""
    return everything_of(query)


def everything_of(query: Query) -> Everything:
    """All rows of all tables of the database that is asked."""

    async def read() -> dict[str, Any]:
        tables = await query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        names = [row["tablename"] for row in tables]
        return {name: json.dumps(await query(f"SELECT * FROM {name}"), default=str) for name in names}

    return read


async def add_namespace(temporal: Client, name: str) -> None:
    """An existing, empty namespace."""
    try:
        request = RegisterNamespaceRequest(namespace=name)
        request.workflow_execution_retention_period.FromSeconds(86_400)
        await temporal.workflow_service.register_namespace(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise

    async def known() -> bool:
        try:
            await temporal.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
        except RPCError:
            return False
        return True

    await until(known)


@pytest.mark.parametrize("runs", [3, 11])
async def test_another_namespace_is_refused_by_everybody_and_nothing_changes(
    context: OperationContext,
    store: Store,
    temporal: Client,
    temporal_address: str,
    database_url: str,
    everything: Everything,
    runs: int,
) -> None:
    await add_version(store)
    await add_namespace(temporal, OTHER)
    right = settings(database_url, temporal_address)
    for _ in range(runs):
        await launch_published_run(context, LaunchRequest("orders"))
    async with running(right) as host:
        await ready(host)
    async with writing(store) as connection:
        recorded = await load_installation(connection)
    assert recorded is not None
    assert (recorded.temporal, recorded.by) == (await identity_of(temporal), host.process.identity)

    before = await everything()
    wrong = right.model_copy(update={"temporal_namespace": OTHER})
    names = rf"INSTALLATION_OTHER: .*namespace default .*namespace {OTHER}.*installation move"
    with pytest.raises(WrongTemporal, match=names):
        async with running(wrong):
            pass
    with pytest.raises(WrongTemporal, match=names):
        async with Engine(wrong):
            pass
    assert await everything() == before


async def test_another_temporal_with_a_namespace_of_the_same_name_is_refused_before_a_row(
    context: OperationContext,
    store: Store,
    temporal: Client,
    temporal_address: str,
    database_url: str,
    everything: Everything,
) -> None:
    await add_version(store)
    ours = await identity_of(temporal)
    for changes in ({"namespace_id": "another"}, {"cluster_id": "another"}):
        async with writing(store) as connection:
            await replace_installation(connection, replace(ours, **changes), "tester")
        given = settings(database_url, temporal_address)
        before = await everything()
        async with Engine(given) as engine:
            with pytest.raises(WrongTemporal, match=r"INSTALLATION_OTHER: .*another"):
                await engine.runs.start("orders")
            with pytest.raises(WrongTemporal):
                await engine.workflows.pause("orders")
            assert (await engine.runs.list()).rows == (), "reading goes on"
            parts = {part.name: part for part in (await engine.system.health()).parts}
            assert parts["temporal"].state == "down"
            assert "another" in parts["temporal"].detail
        with pytest.raises(WrongTemporal):
            async with running(given):
                pass
        assert await everything() == before


async def test_open_runs_that_nobody_knows_prove_that_the_first_one_is_the_wrong_one_until_it_is_moved(
    context: OperationContext,
    store: Store,
    temporal_address: str,
    database_url: str,
    execute: Execute,
    query: Query,
    everything: Everything,
) -> None:
    await execute(
        "INSERT INTO workflow_runs (workflow_id, workflow_version, status, engine, launch_state, updated_at)"
        " VALUES ('orders', 1, 'RUNNING', 'temporal', 'started', now() - interval '1 hour')"
    )
    before = await everything()
    given = settings(database_url, temporal_address)
    with pytest.raises(WrongTemporal, match="INSTALLATION_UNPROVEN"):
        async with running(given):
            pass
    assert await everything() == before
    moved = await move_installation(context, "the former one is lost")
    [entry] = await query("SELECT operation, actor, reason, details_json FROM workflow_audit_log")
    assert (entry["operation"], entry["actor"], entry["reason"]) == (
        "installation_move",
        "tester",
        "the former one is lost",
    )
    assert moved.namespace_id in entry["details_json"]["after"]
    async with running(given) as host:

        async def closed() -> bool:
            return (await query("SELECT last_error_code FROM workflow_runs"))[0]["last_error_code"] is not None

        await until(closed)
        await ready(host)
    [row] = await query("SELECT status, last_error_code FROM workflow_runs")
    assert row == {"status": "FAILED", "last_error_code": "TEMPORAL_UNKNOWN"}


async def test_a_namespace_that_does_not_exist_yet_is_waited_for_and_said(
    database_url: str, temporal_address: str, everything: Everything
) -> None:
    before = await everything()
    async with running(settings(database_url, temporal_address, temporal_namespace="not-yet")) as host:
        told = (await get(host, "/health")).json()["workers"]["temporal"]
        assert "not-yet is not found" in told["detail"]
        assert (await get(host, "/readyz")).json()["notReady"][0] == "temporal"
    assert await everything() == before
