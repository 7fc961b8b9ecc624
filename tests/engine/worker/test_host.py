"""A worker process: starts everything, executes runs, tells how it is, and goes in good order."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from temporalio.client import Client

from engine.contract import TASK_QUEUE
from engine.devstack.postgres import EmbeddedPostgres
from engine.devstack.processes import free_port
from engine.devstack.temporal_server import TemporalServer
from engine.errors import Conflict, Invalid, Unavailable
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.settings import Settings
from engine.store.database.schema_version import SchemaOutdated
from engine.store.database.transactions import Store, writing
from engine.store.tenant.workers import SeenWorker, load_workers
from engine.temporal.connection import TemporalConnection
from engine.worker.host import WorkerHost
from tests.conftest import migrate
from tests.engine.devstack.ports import silent_port
from tests.engine.operations.conftest import Execute, Query, add_version, until
from tests.engine.operations.crashing import Crash, crashing_before_start
from tests.engine.worker.hosts import get, ready, running, settings


async def only_worker(store: Store) -> SeenWorker:
    async with writing(store) as connection:
        [seen] = await load_workers(connection)
    return seen


async def test_a_worker_executes_runs_and_says_so(
    context: OperationContext, store: Store, database_url: str, temporal_address: str, query: Query
) -> None:
    await add_version(store)
    async with running(settings(database_url, temporal_address)) as host:
        await ready(host)
        launched = await launch_published_run(context, LaunchRequest("orders"))

        async def ended() -> bool:
            rows = await query("SELECT status FROM workflow_runs WHERE run_id = :run", run=launched.run_id)
            return rows[0]["status"] == "SUCCEEDED"

        await until(ended)
        health = (await get(host, "/health")).json()
        assert health["ready"] is True
        assert {"temporal", "reconciler"} <= set(health["workers"])
        assert all(part["lastSuccess"] for part in health["workers"].values())
        assert health["startedAt"].endswith("Z")
        assert (await get(host, "/livez")).status_code == 200
        metrics = (await get(host, "/metrics")).text
        assert 'runstudio_part_ready{part="temporal"} 1.0' in metrics
        assert "temporal_sticky_cache_size" in metrics
        seen = await only_worker(store)
        assert (seen.identity, seen.task_queue, seen.alive) == (host.process.identity, TASK_QUEUE, True)

        async def told() -> bool:
            return (await only_worker(store)).parts["temporal"]["state"] == "running"

        await until(told)
    seen = await only_worker(store)
    assert seen.stopped_at is not None
    assert not seen.alive


async def test_the_worker_finishes_a_launch_that_crashed(
    context: OperationContext, store: Store, database_url: str, temporal_address: str, execute: Execute, query: Query
) -> None:
    await add_version(store)
    with pytest.raises(Crash):
        await launch_published_run(
            OperationContext(store, crashing_before_start(), context.actor), LaunchRequest("orders")
        )
    await execute("UPDATE workflow_runs SET next_launch_at = now()")
    async with running(settings(database_url, temporal_address)):

        async def ended() -> bool:
            return (await query("SELECT status FROM workflow_runs"))[0]["status"] == "SUCCEEDED"

        await until(ended, seconds=90)


async def test_a_temporal_that_is_away_is_waited_for_and_told(
    database_url: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    reservation = ExitStack()
    port = reservation.enter_context(silent_port())
    async with running(settings(database_url, f"127.0.0.1:{port}")) as host:

        async def told() -> bool:
            return "detail" in (await get(host, "/health")).json()["workers"]["temporal"]

        await until(told)
        assert (await get(host, "/health")).json()["workers"]["temporal"]["state"] == "failing"
        assert (await get(host, "/livez")).status_code == 200
        answer = await get(host, "/readyz")
        assert answer.status_code == 503
        assert "temporal" in answer.json()["notReady"]
        reservation.close()
        late = TemporalServer(temporal_server.program, tmp_path / "late.db", log=tmp_path / "late.log", port=port)
        await asyncio.to_thread(late.start)
        try:
            await ready(host)
            await asyncio.to_thread(late.kill)

            async def not_ready() -> bool:
                return (await get(host, "/readyz")).status_code == 503

            await until(not_ready, seconds=90)
        finally:
            await asyncio.to_thread(late.kill)


async def test_a_temporal_that_cannot_be_asked_for_an_unforeseen_reason_is_asked_again(
    database_url: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, really_asked = [], TemporalConnection.client

    async def odd(connection: TemporalConnection) -> Client:
        asked.append(connection)
        if len(asked) == 1:
            raise Unavailable("TEMPORAL_UNAVAILABLE", "Temporal does not answer.", "Try again.")
        if len(asked) == 2:
            raise RuntimeError("not foreseen")
        return await really_asked(connection)

    monkeypatch.setattr(TemporalConnection, "client", odd)
    with capture_logs() as lines:
        async with running(settings(database_url, temporal_address)) as host:
            await ready(host)
    told = [line["reason"] for line in lines if line["event"] == "part is failing"]
    assert told[:2] == ["Temporal does not answer.", "Asking Temporal broke with RuntimeError; the log says where."]
    assert [line["error"] for line in lines if line["event"] == "Temporal cannot be asked"] == ["RuntimeError"]


async def test_an_old_schema_is_refused(empty_database_url: str, temporal_address: str) -> None:
    with pytest.raises(SchemaOutdated, match="runstudio migrate"):
        async with running(settings(empty_database_url, temporal_address)):
            pass


async def test_a_taken_health_address_is_refused(database_url: str, temporal_address: str) -> None:
    async with running(settings(database_url, temporal_address)) as host:
        with pytest.raises(Conflict, match="HEALTH_ADDRESS_TAKEN"):
            async with running(settings(database_url, temporal_address, health_port=host.health.port)):
                pass


def test_what_cannot_work_is_refused_before_anything_starts(database_url: str) -> None:
    with pytest.raises(Invalid, match="TEMPORAL_ADDRESS_MISSING"):
        WorkerHost(Settings.load(database_url=database_url))
    with pytest.raises(Invalid, match="ACTION_MODULE_UNAVAILABLE"):
        WorkerHost(settings(database_url, "127.0.0.1:1"), ["no.such.module"])


class TestSignals:
    @asynccontextmanager
    async def process(self, database_url: str, temporal_address: str, tmp_path: Path) -> AsyncIterator[Any]:
        """A worker in a process of its own, with leftovers of the old system in its environment."""
        port, log = free_port(), tmp_path / "worker.log"
        variables = {
            "DATABASE_URL": database_url,
            "TEMPORAL_ADDRESS": temporal_address,
            "RUNSTUDIO_HEALTH_PORT": str(port),
            "WORKFLOW_RUNTIME_V2_TEMPORAL_TASK_QUEUE": "another-queue",
            "WORKFLOW_RUNTIME_V2_ENABLE_DB_POLLING": "true",
        }
        program = (
            "import asyncio; from engine.settings import Settings; from engine.worker.host import run_worker;"
            " raise SystemExit(asyncio.run(run_worker(Settings.load(), ['tests.engine.worker.slow_actions'])))"
        )
        with log.open("wb") as output:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, env={**os.environ, **variables}, stderr=output, stdout=output
            )
        try:

            async def is_ready() -> bool:
                try:
                    async with httpx.AsyncClient() as client:
                        return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(is_ready, seconds=120)
            yield child, log
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()

    async def test_sigterm_drains_and_leftover_variables_are_named(
        self, database_url: str, temporal_address: str, temporal: Client, tmp_path: Path, store: Store
    ) -> None:
        async with self.process(database_url, temporal_address, tmp_path) as (child, log):
            child.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(child.wait(), 60) == 0
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        named = {line["variable"] for line in lines if "variable" in line}
        assert named == {"WORKFLOW_RUNTIME_V2_ENABLE_DB_POLLING", "WORKFLOW_RUNTIME_V2_TEMPORAL_TASK_QUEUE"}
        assert [line["queue"] for line in lines if line["event"] == "worker started"] == ["workflow-runtime-v2"]
        assert lines[-1]["event"] == "worker stopped"
        assert (await only_worker(store)).stopped_at is not None

    async def test_an_action_under_way_is_finished_after_sigterm(
        self,
        database_url: str,
        temporal_address: str,
        tmp_path: Path,
        context: OperationContext,
        store: Store,
        query: Query,
    ) -> None:
        finish = tmp_path / "finish"
        await launch_slow(context, store, file=finish)
        async with self.process(database_url, temporal_address, tmp_path) as (child, log):
            await until(lambda: started(query))
            child.send_signal(signal.SIGTERM)
            await until(lambda: draining(log))
            # Only now: the action was under way when the worker was told to stop.
            finish.touch()
            assert await asyncio.wait_for(child.wait(), 60) == 0
        tries = await query("SELECT status FROM workflow_action_invocations")
        assert tries == [{"status": "SUCCEEDED"}]

    async def test_a_second_signal_ends_at_once(
        self,
        database_url: str,
        temporal_address: str,
        tmp_path: Path,
        context: OperationContext,
        store: Store,
        query: Query,
    ) -> None:
        await launch_slow(context, store, file=tmp_path / "never")
        async with self.process(database_url, temporal_address, tmp_path) as (child, log):
            await until(lambda: started(query))
            child.send_signal(signal.SIGTERM)
            await until(lambda: draining(log))
            child.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(child.wait(), 60) == 1
        # Nothing after it: neither the wait for the action nor a farewell.
        assert json.loads(log.read_text().splitlines()[-1])["event"] == "second signal, ending at once"


async def draining(log: Path) -> bool:
    return "draining" in log.read_text()  # noqa: ASYNC240 - a small file, and nothing else runs meanwhile


async def launch_slow(context: OperationContext, store: Store, *, file: Path) -> None:
    step = {
        "id": "slow",
        "type": "action.call",
        "config": {"actionId": "test.slow", "version": 1, "inputMapping": {"file": str(file)}},
    }
    await add_version(store, steps=[step])
    await launch_published_run(context, LaunchRequest("orders"))


async def started(query: Query) -> bool:
    rows = await query("SELECT status FROM workflow_action_invocations")
    return [row["status"] for row in rows] == ["STARTED"]


async def test_a_postgres_that_goes_away_is_waited_for_and_told(temporal_address: str, server_directory: Path) -> None:
    server = EmbeddedPostgres(server_directory / "own")
    await asyncio.to_thread(server.start)
    url = server.create_database("worker")
    migrate(url)
    await asyncio.to_thread(server.stop)
    host, stop = WorkerHost(settings(url, temporal_address)), asyncio.Event()
    starting = asyncio.create_task(host.start(stop))
    try:

        async def listens() -> bool:
            return host.health.port != 0 and (await get(host, "/livez")).status_code == 200

        await until(listens)
        assert (await get(host, "/readyz")).status_code == 503

        async def told() -> bool:
            parts = (await get(host, "/health")).json()["workers"]
            return parts["postgres"]["state"] == "failing" and parts["temporal"]["state"] == "starting"

        await until(told)
        await asyncio.to_thread(server.start)
        await ready(host)
        assert "postgres" not in (await get(host, "/health")).json()["workers"]
        await asyncio.to_thread(server.stop)

        async def not_ready() -> bool:
            return (await get(host, "/readyz")).status_code == 503

        await until(not_ready, seconds=90)
        assert (await get(host, "/livez")).status_code == 200
        await asyncio.to_thread(server.start)
        await ready(host)
    finally:
        stop.set()
        await starting
        await host.stop()
        await asyncio.to_thread(server.stop)
