"""A run as its rows tell it: everything that is needed to compute its states again, read at one moment.

Values are the run's own, unredacted; secrets are the markers an author wrote. Nothing of this may be shown as it is.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Text, and_, cast, func, or_, select

from engine import advice
from engine.contract import ENGINE
from engine.definition.hash import definition_hash
from engine.errors import Conflict, NotFound
from engine.interpreter.effects import EventArrived, RunFacts, TaskCompleted
from engine.interpreter.ledger import StepKey, WaitKey
from engine.interpreter.recorded_run import RecordedRun, RecordedStep, RecordedTask, RecordedWait
from engine.store.database.reader import Reader, run_id_text, run_not_found
from engine.store.runs.loading import LoadedRun, read_run
from engine.store.tables import (
    workflow_event_deliveries,
    workflow_human_tasks,
    workflow_run_steps,
    workflow_run_waits,
    workflow_runs,
    workflow_runtime_events,
)
from engine.store.trace.recorded_attempts import read_attempts
from engine.store.trace.recorded_rows import of_run, position, step_key
from engine.values.timestamps import iso_milliseconds

runs = workflow_runs.c
steps = workflow_run_steps.c
waits = workflow_run_waits.c
tasks = workflow_human_tasks.c
events = workflow_runtime_events.c
deliveries = workflow_event_deliveries.c


async def load_recorded(reader: Reader, run_id: str, *, for_preview: bool = True) -> RecordedRun:
    """Everything recorded of a run of the reader's tenant.

    ``for_preview=False`` leaves out what only a preview compares: the inputs of attempts and the outcomes of steps. Raises
    ``NotFound`` (RUN_NOT_FOUND, DEFINITION_NOT_FOUND) and ``Conflict`` (RUN_BEFORE_CUTOVER, DEFINITION_HASH_MISMATCH,
    RUN_TOO_LARGE).
    """
    run_id = run_id_text(run_id)
    row = await read_run(reader.connection, run_id)
    if row is None or row.tenant != reader.tenant:
        raise run_not_found(run_id)
    digest = _checked(run_id, row)
    recorded_steps = _as_the_run_knows(row, await _steps(reader, run_id, outcomes=for_preview))
    recorded_waits = await _waits(reader, run_id)
    return RecordedRun(
        facts=RunFacts(
            run_id=run_id,
            workflow_id=row.workflow_id,
            workflow_version=row.workflow_version,
            tenant=row.tenant,
            definition_hash=digest,
            semantics_version=row.semantics_version or "",
            root_run_id=row.root_run_id,
        ),
        status=row.status,
        definition=row.definition,
        payload=row.input,
        meta=row.meta,
        started_at=iso_milliseconds(row.started_at),
        steps=recorded_steps,
        waits=recorded_waits,
        tries=await read_attempts(reader, run_id, recorded_steps, recorded_waits, inputs=for_preview),
        events=await _events(reader, run_id),
        tasks=await _tasks(reader, run_id),
    )


async def record_mark(reader: Reader, run_id: str) -> tuple[object, ...] | None:
    """What changes whenever a record of a run does that its states are computed from; None: there is no such run."""
    newest = (
        select(steps.change_no).where(steps.run_id == runs.run_id).order_by(steps.change_no.desc()).limit(1)
    ).scalar_subquery()
    question = select(runs.status, runs.seq, runs.updated_at, newest).where(
        runs.run_id == run_id_text(run_id), runs.tenant == reader.tenant
    )
    row = await reader.row(question)
    return None if row is None else tuple(row)


def _checked(run_id: str, row: LoadedRun) -> str:
    """The hash of the definition the run went by; refuses a run that cannot be computed again at all."""
    if row.engine != ENGINE:
        raise Conflict(
            "RUN_BEFORE_CUTOVER",
            f"The run {run_id} is from before the cutover; what it did was not recorded closely enough.",
            advice.SNAPSHOTS.to("Look at its snapshots instead"),
        )
    version = f"Version {row.workflow_version} of workflow {row.workflow_id}"
    if row.definition is None:
        raise NotFound(
            "DEFINITION_NOT_FOUND", f"{version} does not exist.", "It was deleted; the run cannot be rebuilt."
        )
    digest = definition_hash(row.definition)
    if row.definition_hash is not None and digest != row.definition_hash:
        raise Conflict(
            "DEFINITION_HASH_MISMATCH",
            f"{version} is not what it was when the run was started.",
            "The run cannot be rebuilt; somebody has changed a published version in the database.",
        )
    return digest


async def _steps(reader: Reader, run_id: str, *, outcomes: bool) -> dict[StepKey, RecordedStep]:
    question = select(
        *position(steps),
        steps.definition_step_id,
        steps.step_type,
        steps.status,
        steps.attempt,
        steps.seq,
        steps.started_at,
        steps.completed_at,
        steps.error_json,
        *((steps.outcome_json,) if outcomes else ()),
    )
    return {
        step_key(row): RecordedStep(
            step_id=row.definition_step_id,
            step_type=row.step_type or "",
            status=row.status,
            attempt=row.attempt,
            seq=row.seq,
            started_at=iso_milliseconds(row.started_at),
            completed_at=None if row.completed_at is None else iso_milliseconds(row.completed_at),
            outcome=row.outcome_json if outcomes else None,
            error=row.error_json,
        )
        for row in await reader.rows(question.where(of_run(steps, reader, run_id)))
    }


def _as_the_run_knows(run: LoadedRun, recorded: dict[StepKey, RecordedStep]) -> dict[StepKey, RecordedStep]:
    """The row of an action's step says that it succeeded as soon as the worker knows. A run that is canceled just then never
    hears of it: its last record, which is the cancellation of that very step, finds the row closed."""
    if run.status != "CANCELED" or not recorded:
        return recorded
    key, last = max(recorded.items(), key=lambda item: item[1].seq)
    if last.status != "SUCCEEDED" or last.seq >= run.seq:
        return recorded
    return {**recorded, key: replace(last, status="CANCELED")}


async def _waits(reader: Reader, run_id: str) -> dict[WaitKey, RecordedWait]:
    question = select(
        *position(waits),
        waits.wait_type,
        waits.attempt,
        waits.status,
        waits.created_at,
        waits.resolved_at,
        waits.event_name,
        waits.key,
    )
    return {
        (*step_key(row), row.wait_type, row.attempt): RecordedWait(
            status=row.status,
            opened_at=iso_milliseconds(row.created_at),
            ended_at=None if row.resolved_at is None else iso_milliseconds(row.resolved_at),
            event_name=row.event_name,
            key=row.key,
        )
        for row in await reader.rows(question.where(of_run(waits, reader, run_id)))
    }


async def _events(reader: Reader, run_id: str) -> dict[StepKey, EventArrived]:
    """The event that resolved each wait for one: from the table of events, or, if it came past that, from the wait itself."""
    same = and_(events.tenant == waits.tenant, events.event_id == waits.matched_event_id)
    own = waits.payload["event"]
    question = (
        select(
            *position(waits),
            func.coalesce(waits.key, events.correlation_key).label("key"),
            waits.matched_event_id,
            waits.resolved_at,
            own.label("own"),
            events.event_id,
            events.event_name,
            events.payload,
            events.created_at,
        )
        .select_from(workflow_run_waits.outerjoin(workflow_runtime_events, same))
        .where(of_run(waits, reader, run_id), waits.wait_type == "event", waits.status == "RESOLVED")
        .where(or_(own.is_not(None), events.event_id.is_not(None)))
    )
    found = {}
    for row in await reader.rows(question):
        if row.own is None:
            event = EventArrived(
                row.event_id, row.event_name, row.key, row.payload, iso_milliseconds(row.created_at), stored=True
            )
        else:
            at = iso_milliseconds(row.resolved_at)
            event = EventArrived(row.matched_event_id, row.own["name"], row.key, row.own["payload"], at)
        found[step_key(row)] = event
    return found


async def _tasks(reader: Reader, run_id: str) -> dict[StepKey, RecordedTask]:
    """The answer that each task of a person was completed with."""
    answered = and_(
        deliveries.run_id == tasks.run_id,
        deliveries.target_kind == "task",
        deliveries.target == cast(tasks.task_id, Text),
        # A delivery of an event to a task has that event's id; the answer it became has none.
        deliveries.event_id.is_(None),
    )
    question = (
        select(
            *position(tasks),
            tasks.title,
            tasks.description,
            tasks.context_json,
            tasks.response_json,
            deliveries.event_name,
        )
        .select_from(workflow_human_tasks.join(workflow_event_deliveries, answered))
        .where(of_run(tasks, reader, run_id), tasks.status == "completed")
    )
    return {
        step_key(row): RecordedTask(
            row.title, row.description, row.context_json, TaskCompleted(row.event_name, row.response_json)
        )
        for row in await reader.rows(question)
    }
