"""Two executions of one step, both about to write how it ended, wait for each other in one order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from psycopg import AsyncConnection as Plain
from psycopg.errors import LockNotAvailable
from sqlalchemy import text

from engine.definition.step_ref import StepRef
from engine.ids import new_id
from engine.interpreter.effects import StepRecord
from engine.settings import DEFAULT_TENANT
from engine.store.database.connecting import libpq_url
from engine.store.database.transactions import Store
from engine.store.trace import chains, claiming_attempts, settling_attempts
from engine.store.trace.chains import Ours, Overtaken
from engine.store.trace.new_attempt import NewAttempt
from engine.store.trace.payloads import sized
from engine.store.trace.projection import Progress
from tests.engine.operations.conftest import until

AT = "2026-01-01T00:00:00.000Z"
AT_MS = 1_767_225_600_000
STEP = StepRef("root.steps[0]", "", 1, "s", "action.call")
ERROR = {"category": "ActionError", "code": "E1", "message": "no"}
INSERT = text("""
    INSERT INTO workflow_runs (run_id, tenant, workflow_id, workflow_version, status, engine, input_json)
    VALUES (CAST(:id AS uuid), CAST(:tenant AS uuid), 'wf', 1, 'RUNNING', 'temporal', '{}')
""")
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Rows:
    """Runs of one step, and a transaction that holds them up."""

    def __init__(self, store: Store, holder: Plain, watching: Plain) -> None:
        self.store = store
        self.holder = holder
        self.watching = watching

    async def begun(self, key: str, given: object) -> tuple[NewAttempt, Progress]:
        """A run: the attempt of its step, not claimed yet, and the trace up to it."""
        attempt = NewAttempt(new_id(), DEFAULT_TENANT, STEP, 1, "a", 1, key, "one", sized(given), AT)
        async with self.store.begin() as connection:
            await connection.execute(INSERT, {"id": attempt.run_id, "tenant": DEFAULT_TENANT})
        return attempt, Progress(attempt.run_id, (StepRecord(1, STEP, "STARTED", 1, AT),), 1, 1)

    async def hold(self, attempt: NewAttempt) -> None:
        """Lock the row of the attempt, until the holder's transaction ends."""
        found = "SELECT 1 FROM workflow_action_invocations WHERE run_id = %s FOR UPDATE"
        assert (await self.holder.execute(found, [attempt.run_id])).rowcount == 1

    async def are_waiting(self, number: int) -> None:
        """Return when so many wait for a lock."""

        async def reached() -> bool:
            [[found]] = await (await self.watching.execute(WAITING)).fetchall()
            return bool(found == number)

        await until(reached)


@pytest_asyncio.fixture
async def rows(store: Store, database_url: str) -> AsyncIterator[Rows]:
    url = libpq_url(database_url)
    async with await Plain.connect(url) as holder, await Plain.connect(url, autocommit=True) as watching:
        yield Rows(store, holder, watching)


async def test_one_settles_alone_and_the_other_with_the_end_of_the_run(store: Store, rows: Rows) -> None:
    """Each wrote the row of the attempt and that of the run, in opposite orders: a deadlock, of which Postgres ends one."""
    attempt, progress = await rows.begun(new_id(), {})
    assert await claiming_attempts.claim(store, attempt, progress) is None
    # Both are under way when the row of the attempt is let go of.
    await rows.hold(attempt)
    alone = asyncio.create_task(settling_attempts.try_fail(store, attempt, ERROR, AT_MS))
    await rows.are_waiting(1)
    ours = Ours(attempt, ERROR, AT_MS)
    with_the_end = asyncio.create_task(chains.settle_and_end(store, ours, progress, "{}"))
    await rows.are_waiting(2)
    await rows.holder.rollback()
    assert (await alone).settled
    with pytest.raises(Overtaken):
        await with_the_end


async def test_who_finds_the_key_with_another_run_has_the_row_of_its_own_first(store: Store, rows: Rows) -> None:
    """It may have to write there that the step has failed."""
    key = new_id()
    before, progress = await rows.begun(key, {"n": 1})
    assert await claiming_attempts.claim(store, before, progress) is None
    assert (await settling_attempts.try_succeed(store, before, sized({}), AT_MS)).settled
    attempt, progress = await rows.begun(key, {"n": 2})
    await rows.hold(before)
    claiming = asyncio.create_task(claiming_attempts.claim(store, attempt, progress))
    await rows.are_waiting(1)
    with pytest.raises(LockNotAvailable):
        await rows.watching.execute(
            "SELECT 1 FROM workflow_runs WHERE run_id = %s FOR NO KEY UPDATE NOWAIT", [attempt.run_id]
        )
    await rows.holder.rollback()
    settled = await claiming
    assert settled is not None
    assert (settled.error or {})["code"] == claiming_attempts.KEY_CONFLICT


@pytest.mark.parametrize("known", [False, True], ids=["new", "taken-over"])
async def test_an_attempt_is_claimed_after_its_transaction_failed_while_another_is_in_one(
    known: bool, store: Store, rows: Rows
) -> None:
    """The one that failed locked the run's row, and waited for the attempt, whose transaction was to write the run's row."""
    attempt, progress = await rows.begun(new_id(), {})
    if known:
        assert await claiming_attempts.claim(store, attempt, progress) is None
    async with store.begin() as connection:
        assert await claiming_attempts.claim_in(connection, attempt) is None
        failed = asyncio.create_task(claiming_attempts.claim_after_rollback(store, attempt, progress))
        await rows.are_waiting(1)
        assert (await settling_attempts.succeed_in(connection, attempt, progress, sized({"n": 1}), AT_MS)).settled
    settled = await failed
    assert settled is not None
    assert settled.output == {"n": 1}


async def test_one_fails_while_another_has_taken_the_attempt_over_in_a_transaction(store: Store, rows: Rows) -> None:
    attempt, progress = await rows.begun(new_id(), {})
    assert await claiming_attempts.claim(store, attempt, progress) is None
    async with store.begin() as connection:
        assert await claiming_attempts.claim_in(connection, attempt) is None
        failing = asyncio.create_task(settling_attempts.try_fail(store, attempt, ERROR, AT_MS))
        await rows.are_waiting(1)
        assert (await settling_attempts.succeed_in(connection, attempt, progress, sized({"n": 1}), AT_MS)).settled
    assert not (await failing).settled
