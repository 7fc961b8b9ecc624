"""The servers that every other test relies on are what they claim to be."""

from __future__ import annotations

import time
from datetime import timedelta

import psycopg
import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from engine.ids import new_id
from tests.time_skipping import TimeSkipping

THIRTY_DAYS = timedelta(days=30)


@workflow.defn
class Sleeper:
    """Sleeps for the given number of seconds."""

    @workflow.run
    async def run(self, seconds: float) -> str:
        await workflow.sleep(seconds)
        return "awake"


def plain(url: str) -> str:
    """The URL as libpq understands it."""
    return url.replace("+psycopg", "")


async def test_a_database_is_ours_alone_and_like_the_stacks(empty_database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(plain(empty_database_url)) as connection:
        tables = await connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert await tables.fetchone() == (0,)
        for name, value in {
            "synchronous_commit": "on",
            "max_connections": "200",
            "listen_addresses": "",
            "TimeZone": "UTC",
            "server_version_num": "18",
        }.items():
            row = await (await connection.execute("SELECT current_setting(%s)", [name])).fetchone()
            assert row is not None
            assert row[0] == value or (name == "server_version_num" and row[0].startswith(value))


async def test_the_development_server_runs_workflows(temporal: Client) -> None:
    queue = new_id()
    async with Worker(temporal, task_queue=queue, workflows=[Sleeper], workflow_runner=UnsandboxedWorkflowRunner()):
        assert await temporal.execute_workflow(Sleeper.run, 0.01, id=new_id(), task_queue=queue) == "awake"


@pytest.mark.parametrize("sleep", [THIRTY_DAYS, 2 * THIRTY_DAYS])
async def test_months_pass_in_seconds(time_skipping: TimeSkipping, sleep: timedelta) -> None:
    queue, started, before = new_id(), time.monotonic(), await time_skipping.now()
    client = time_skipping.client
    async with Worker(client, task_queue=queue, workflows=[Sleeper], workflow_runner=UnsandboxedWorkflowRunner()):
        handle = await client.start_workflow(Sleeper.run, sleep.total_seconds(), id=new_id(), task_queue=queue)
        async with time_skipping.skipping():
            assert await handle.result() == "awake"
    assert await time_skipping.now() - before >= sleep
    assert time.monotonic() - started < 60
