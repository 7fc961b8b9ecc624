"""A Postgres that stands still, or takes no writes: runs are delayed by it, and none fails."""

from __future__ import annotations

import asyncio
from itertools import count

import psycopg
import pytest
from psycopg import sql

from engine import fault_points
from engine.errors import Unavailable
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.runs.cancel import cancel_run
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.store.database.connecting import libpq_url
from tests.engine.workflow.steps import call, quick
from tests.faults.installation import Installation
from tests.faults.stalls import frozen, read_only

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

STALL_SECONDS = 6.5
"""Longer than a quick action may take."""


async def test_f38_the_time_of_an_action_is_its_own(installation: Installation) -> None:
    bench = installation.bench
    await bench.publish([call("t", "test.executes", label="t", text="", sql="SELECT pg_sleep(0.3)")])
    async with bench.worker():
        runs = await asyncio.gather(*(bench.start() for _ in range(8)))
        await bench.until(lambda: asyncio.sleep(0, bench.counts.ran["t"] >= 4))
        with frozen(installation.postgres.process()):
            await asyncio.sleep(STALL_SECONDS)
        ends = await asyncio.gather(*(run.ended() for run in runs))
    assert {end["status"] for end in ends} == {"SUCCEEDED"}
    assert await bench.rows("SELECT 1 FROM workflow_action_invocations WHERE status <> 'SUCCEEDED'") == []


async def test_f12_a_read_only_primary_repeats_nothing_and_is_told(installation: Installation) -> None:
    bench, context = installation.bench, installation.context
    await bench.publish([call("g", "test.gated", label="g")])
    async with bench.worker():
        run = await bench.start()
        await bench.counts.begun("g").wait()
        try:
            await read_only(bench.store, "on")
            bench.counts.gate("g").set()
            for refused in (
                launch_published_run(context, LaunchRequest("wf.main", {})),
                submit_event(context, EventRequest("GO")),
            ):
                with pytest.raises(Unavailable) as told:
                    await refused
                assert told.value.code == "POSTGRES_READ_ONLY"
            await asyncio.sleep(1)
            assert (await run.row())["status"] == "RUNNING"
        finally:
            await read_only(bench.store, "off")
        assert (await run.ended())["status"] == "SUCCEEDED"
    assert bench.counts.ran["g"] == 1


async def test_f12_a_quick_action_is_begun_once(installation: Installation) -> None:
    """It is done in a workflow task, which cannot wait until its outcome can be written."""
    bench = installation.bench
    await bench.publish([quick("before"), quick("q"), quick("after")])
    done = count(1)

    def no_writes_any_more(point: str) -> None:
        if point == "run_chain.after_action" and next(done) == 2:
            with psycopg.connect(libpq_url(installation.url), autocommit=True) as other:
                database = sql.Identifier(other.info.dbname)
                other.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(database))
                # Those that are connected would not hear of it.
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    with fault_points.installed(no_writes_any_more):
        async with bench.worker():
            run = await bench.start()

            async def repeated() -> bool:
                pending = (await run.handle.describe()).raw_description.pending_activities
                return any(activity.attempt > 1 for activity in pending)

            try:
                await bench.until(repeated)
            finally:
                with psycopg.connect(libpq_url(installation.url), autocommit=True) as other:
                    other.execute("SET default_transaction_read_only = off")
                    database = sql.Identifier(other.info.dbname)
                    other.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(database))
                await bench.store.dispose()
            assert (await run.ended())["status"] == "SUCCEEDED"
    assert bench.counts.ran == {"before": 1, "q": 1, "after": 1}


async def test_f12_a_cancel_that_cannot_be_recorded_names_its_run(installation: Installation) -> None:
    bench, context = installation.bench, installation.context
    await bench.publish([call("g", "test.gated", label="g")])
    run = await bench.start()
    try:
        await read_only(bench.store, "on")
        with pytest.raises(Unavailable) as told:
            await cancel_run(context, run.id, "no longer wanted", settle_seconds=0)
    finally:
        await read_only(bench.store, "off")
    assert told.value.code == "POSTGRES_READ_ONLY"
    assert run.id in told.value.message
    async with bench.worker():
        assert (await run.ended())["status"] == "CANCELED"
