"""Waiting for the end of a run: told by Postgres, found by the poll when nobody told, on one connection for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from engine.errors import EngineError, NotFound, TimedOut, Unavailable
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.runs import wait
from engine.operations.runs.wait import RunWaits
from engine.records import Level
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import AsUser, Execute, Query, until

LISTENERS = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'runstudio waits' AND query LIKE 'LISTEN%'"
)
NEVER = 3600.0


@pytest_asyncio.fixture
async def waits(context: OperationContext) -> AsyncIterator[RunWaits]:
    made = RunWaits(context)
    yield made
    await made.close()


@pytest.fixture
def never_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "POLL_SECONDS", NEVER)


async def running(execute: Execute) -> str:
    """A run that is under way, without any Temporal: what ends it is the test."""
    run_id = new_id()
    await execute(
        "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine)"
        " VALUES (:run, 'orders', 1, 'RUNNING', 'temporal')",
        run=run_id,
    )
    return run_id


async def end(execute: Execute, run_id: str, status: str = "SUCCEEDED") -> None:
    await execute("UPDATE workflow_runs SET status = :status WHERE run_id = :run", status=status, run=run_id)


async def listening(query: Query) -> int:
    """Wait until somebody listens; the process that does."""
    pids: list[int] = []

    async def found() -> bool:
        pids[:] = [row["pid"] for row in await query(LISTENERS)]
        return len(pids) == 1

    await until(found)
    return pids[0]


@pytest.mark.usefixtures("never_polls")
@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELED"])
async def test_the_notification_of_any_end_wakes(waits: RunWaits, execute: Execute, query: Query, status: str) -> None:
    run_id = await running(execute)
    waiting = asyncio.create_task(waits.ended(run_id, timeout=250))
    await listening(query)
    await execute("UPDATE workflow_runs SET status = 'WAITING', waiting_on = 'event' WHERE run_id = :run", run=run_id)
    assert not (await asyncio.wait([waiting], timeout=0.2))[0]
    await end(execute, run_id, status)
    await waiting


async def test_a_run_that_has_ended_is_not_waited_for(waits: RunWaits, execute: Execute) -> None:
    run_id = await running(execute)
    await end(execute, run_id)
    await waits.ended(run_id.upper(), timeout=0)


async def test_the_poll_finds_an_end_that_nobody_told(
    waits: RunWaits, execute: Execute, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "POLL_SECONDS", 0.1)
    await execute("ALTER TABLE workflow_runs DISABLE TRIGGER workflow_runs_notify_update")
    run_id = await running(execute)
    waiting = asyncio.create_task(waits.ended(run_id))
    await listening(query)
    await end(execute, run_id)
    await asyncio.wait_for(waiting, 60)


@pytest.mark.usefixtures("never_polls")
async def test_an_end_while_the_connection_was_lost_is_found_when_it_is_back(
    waits: RunWaits, execute: Execute, query: Query
) -> None:
    run_id, other = await running(execute), await running(execute)
    waiting = [asyncio.create_task(waits.ended(each, timeout=250)) for each in (run_id, other)]
    lost = await listening(query)
    await execute("ALTER TABLE workflow_runs DISABLE TRIGGER workflow_runs_notify_update")
    await execute("SELECT pg_terminate_backend(:pid)", pid=lost)
    await end(execute, run_id)
    await waiting[0]
    assert await listening(query) != lost
    await execute("ALTER TABLE workflow_runs ENABLE TRIGGER workflow_runs_notify_update")
    await end(execute, other)
    await waiting[1]


@pytest.mark.usefixtures("never_polls")
async def test_many_waits_share_one_connection(waits: RunWaits, execute: Execute, query: Query) -> None:
    runs = [await running(execute) for _ in range(20)]
    waiting = [asyncio.create_task(waits.ended(run_id, timeout=250)) for run_id in runs for _ in range(10)]
    await listening(query)
    waiting[0].cancel()
    for run_id in runs:
        await end(execute, run_id)
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(ended[0], asyncio.CancelledError)
    assert ended[1:] == [None] * 199
    assert len(await query(LISTENERS)) == 1


@pytest.mark.usefixtures("never_polls")
async def test_waits_that_begin_together_look_at_their_runs_in_two_statements(
    waits: RunWaits, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [await running(execute) for _ in range(10)]
    for run_id in runs:
        await end(execute, run_id)
    looks: list[list[str]] = []
    begun = asyncio.Event()
    look = waits._statuses

    async def counted(run_ids: list[str]) -> dict[str, str]:
        looks.append(run_ids)
        begun.set()
        return await look(run_ids)

    monkeypatch.setattr(waits, "_statuses", counted)
    # When it begins, all who wait by then are looked at once more.
    monkeypatch.setattr(waits, "_listen", asyncio.Event().wait)
    first = asyncio.create_task(waits.ended(runs[0], timeout=250))
    await begun.wait()
    await asyncio.gather(first, *(waits.ended(run_id, timeout=250) for run_id in runs for _ in range(20)))
    assert [sorted(each) for each in looks] == [runs[:1], sorted(runs)]


async def test_a_wait_that_takes_too_long_is_given_up(waits: RunWaits, execute: Execute) -> None:
    run_id = await running(execute)
    for timeout in (0, 0.01):
        with pytest.raises(TimedOut, match="WAIT_TIMED_OUT") as refused:
            await waits.ended(run_id, timeout)
        assert refused.value.details == {"runId": run_id, "seconds": timeout}
    await end(execute, run_id)
    await waits.ended(run_id, timeout=250)


async def test_what_does_not_exist_is_not_waited_for(
    waits: RunWaits, context: OperationContext, execute: Execute, store: Store
) -> None:
    run_id = await running(execute)
    foreign = RunWaits(replace(context, tenant="00000000-0000-0000-0000-00000000000a"))
    for asked, unknown in ((waits, new_id()), (waits, "nonsense"), (foreign, run_id)):
        with pytest.raises(NotFound, match="RUN_NOT_FOUND"):
            await asked.ended(unknown)
    await foreign.close()


async def test_closing_ends_the_waits_and_the_connection(waits: RunWaits, execute: Execute, query: Query) -> None:
    waiting = asyncio.create_task(waits.ended(await running(execute)))
    await listening(query)
    await waits.close()
    with pytest.raises(EngineError, match="ENGINE_CLOSED"):
        await waiting

    async def gone() -> bool:
        return await query(LISTENERS) == []

    await until(gone)


async def test_a_look_that_is_refused_is_raised_where_it_is_waited_for(
    as_user: AsUser, execute: Execute, query: Query
) -> None:
    """Or it would wait for ever; the next wait looks again."""
    run_id = await running(execute)
    async with as_user(Level.READ) as viewer:
        waits = RunWaits(viewer)
        first = asyncio.create_task(waits.ended(run_id))
        await listening(query)
        await execute("REVOKE SELECT ON workflow_runs FROM runstudio_service")
        await end(execute, run_id)
        async with asyncio.timeout(60):
            with pytest.raises(Unavailable, match="permission denied"):
                await first
            await execute("GRANT SELECT ON workflow_runs TO runstudio_service")
            await waits.ended(run_id)
            other = await running(execute)
            second = asyncio.create_task(waits.ended(other))
            await listening(query)
            await end(execute, other)
            await second
        await waits.close()
