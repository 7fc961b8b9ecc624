"""Rows of a later release, with words that this one does not know: they are shown, and keep nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Forbidden
from engine.operations.actor import Actor
from engine.operations.alerts.alerts import list_alerts, remove_alert, set_alert, try_alert
from engine.operations.context import OperationContext
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.jobs.jobs import get_job, job_items, list_jobs, pause_job, submit_job
from engine.operations.members import list_members, remove_member, set_member
from engine.records import Alert, AlertKind, AlertTarget, ItemState, JobKind, Level, MemberKind, RunFilter
from engine.store.alerts.outbox import take_due
from engine.store.database.transactions import writing
from engine.store.runs import listing, reading
from engine.store.trace import reading_attempts, reading_logs, reading_steps, reading_waits
from tests.engine.operations.conftest import AsUser, Execute, Query
from tests.engine.operations.jobs.test_jobs import FAILED, WHY, ended_runs, work

LATER = "of_tomorrow"
UNCHECKED = """
    DO $$ DECLARE one record; BEGIN
        FOR one IN SELECT conname, conrelid::regclass AS of_table FROM pg_constraint
            WHERE contype = 'c' AND connamespace = current_schema()::regnamespace LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.of_table, one.conname);
        END LOOP;
    END $$
"""


@pytest.fixture
def write(execute: Execute) -> Callable[..., Awaitable[None]]:
    """Writes as a later release may, whose constraints know its words."""

    async def run(sql: str, **parameters: Any) -> None:
        await execute(UNCHECKED)
        await execute(sql, **parameters)

    return run


@pytest.fixture
def worker(context: OperationContext) -> OperationContext:
    return replace(context, actor=Actor("17@host", None, "reconciler", "service"))


async def test_jobs(context: OperationContext, execute: Execute, write: Execute, worker: OperationContext) -> None:
    await ended_runs(execute, 1)
    job_id = (await submit_job(context, JobKind.REPLAY, FAILED, WHY)).job.job_id
    await work(worker)
    await write("UPDATE workflow_jobs SET kind = :later, state = 'paused'", later=LATER)
    other = (await submit_job(context, JobKind.CANCEL, FAILED, WHY)).job.job_id
    assert [(job.job_id, job.kind.value) for job in await list_jobs(context)] == [(other, "cancel"), (job_id, LATER)]
    await write("UPDATE workflow_jobs SET state = :later WHERE job_id = :job", later=LATER, job=job_id)
    found = await get_job(context, job_id)
    assert (found.state.value, found.state.ended, found.kind in tuple(JobKind)) == (LATER, False, False)
    await write("UPDATE workflow_job_items SET state = :later", later=LATER)
    assert await job_items(context, job_id, ItemState.DONE) == ()
    assert (await pause_job(context, job_id)).state.value == "paused"


async def test_a_job_at_work_is_held_up_with_the_others_of_a_former_admin(
    context: OperationContext, as_user: AsUser, execute: Execute, write: Execute
) -> None:
    await ended_runs(execute, 1)
    async with as_user(Level.ADMIN, "mallory") as mallory:
        job_id = (await submit_job(mallory, JobKind.DELETE, FAILED, WHY)).job.job_id
    await set_member(context, MemberKind.PERSON, "ada", Level.ADMIN)
    await write("UPDATE workflow_jobs SET kind = :later", later=LATER)
    await remove_member(context, MemberKind.PERSON, "mallory")
    assert (await get_job(context, job_id)).state.value == "paused"


async def test_members(context: OperationContext, as_user: AsUser, write: Execute) -> None:
    """A level that is not known allows nothing."""
    async with as_user(Level.READ, "ada") as ada:
        await write("UPDATE workflow_members SET level = :later", later=LATER)
        with pytest.raises(Forbidden, match=f"ada has {LATER}"):
            await list_members(ada)
    await write("INSERT INTO workflow_members (kind, name, level) VALUES (:later, 'badge 7', 'admin')", later=LATER)
    found = {(member.kind.value, member.name, member.level.word) for member in await list_members(context)}
    assert found == {("person", "ada", LATER), (LATER, "badge 7", "admin")}
    assert (await set_member(context, MemberKind.PERSON, "ada", Level.OPERATE)).level is Level.OPERATE


async def test_alerts(context: OperationContext, write: Execute, query: Query) -> None:
    """One rule keeps neither the list nor the messages of the others."""
    for name in ("one", "two"):
        await set_alert(context, Alert(name, AlertKind.FAILED, AlertTarget.COMMAND, "tell"), WHY)
        await try_alert(context, name)
    await write(
        'UPDATE workflow_alerts SET kind = :later, target_kind = :later, conditions_json = \'{"per": 5, "minutes": 9}\''
        " WHERE name = 'one'",
        later=LATER,
    )
    told = [(one.alert.name, one.alert.kind.value, one.alert.minutes) for one in await list_alerts(context)]
    assert told == [("one", LATER, 9), ("two", "failed", 60)]
    async with writing(context.store) as connection:
        due = await take_due(connection, 10)
    assert [message.target_kind for message in due] == [AlertTarget.COMMAND]
    assert await query("SELECT sum(attempts) AS tried FROM workflow_alert_outbox") == [{"tried": 1}]
    await try_alert(context, "one")
    await remove_alert(context, "one", WHY)


async def test_deliveries(context: OperationContext, write: Execute, query: Query, worker: OperationContext) -> None:
    """A delivery of another kind is for the workers of that release; it is not tried until it counts as dead."""
    await write(
        "INSERT INTO workflow_runtime_events (event_id, event_name, payload, state) VALUES ('e', 'PAID', '{}', 'routed')"
    )
    await write(
        "INSERT INTO workflow_event_deliveries (delivery_id, event_id, event_name, target_kind, target, status, arrival)"
        " VALUES (gen_random_uuid(), 'e', 'PAID', :later, 't', 'pending', 1)",
        later=LATER,
    )
    assert await make_due_deliveries(worker) == 0
    assert await query("SELECT status, attempts FROM workflow_event_deliveries") == [
        {"status": "pending", "attempts": 0}
    ]


async def test_runs(context: OperationContext, execute: Execute, write: Execute) -> None:
    [run_id] = await ended_runs(execute, 1)
    own = {"run": run_id, "later": LATER}
    await write(
        "INSERT INTO workflow_run_steps"
        " (step_id, run_id, step_path, definition_step_id, step_type, status, iteration, visit, seq)"
        " VALUES (gen_random_uuid(), :run, 'root.steps[0]', 'a', 'state.set', :later, '', 1, 1)",
        **own,
    )
    await write(
        "INSERT INTO workflow_run_waits (wait_id, run_id, step_path, wait_type, status, iteration, visit)"
        " VALUES (gen_random_uuid(), :run, 'root.steps[0]', :later, :later, '', 1)",
        **own,
    )
    await write(
        "INSERT INTO workflow_run_logs (log_id, run_id, level, message) VALUES (gen_random_uuid(), :run, :later, 'x')",
        **own,
    )
    await write(
        "INSERT INTO workflow_action_invocations (invocation_id, run_id, step_path, action_id, action_version, status, attempt,"
        " iteration, visit, input_json, idempotency_key)"
        " VALUES (gen_random_uuid(), :run, 'root.steps[0]', 'a', 1, :later, 1, '', 1, '{}', 'k')",
        **own,
    )
    asked = (context.store, context.tenant, run_id)
    [step] = (await reading_steps.steps_page(*asked)).rows
    [wait] = await reading_waits.run_waits(*asked)
    [attempt] = await reading_attempts.run_attempts(*asked)
    [entry] = (await reading_logs.run_logs(*asked)).rows
    assert {step.status, wait.status, wait.kind, attempt.status, entry.level} == {LATER}
    await write("UPDATE workflow_runs SET status = 'WAITING', waiting_on = :later", later=LATER)
    [row] = (await listing.runs_page(context.store, context.tenant, RunFilter())).rows
    assert row.wait is not None
    assert row.wait.kind == LATER
    await write("UPDATE workflow_runs SET status = :later", later=LATER)
    assert (await reading.run_summary(*asked)).row.status == LATER
