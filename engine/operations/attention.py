"""What needs an operator: one look at everything that does not mend itself, or takes too long to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence, Set
from datetime import datetime, timedelta
from typing import Final

from temporalio.service import RPCError

from engine import advice
from engine.contract import TASK_QUEUE
from engine.errors import EngineError
from engine.operations.context import OperationContext
from engine.operations.diagnosis.temporal_facts import Execution, describe_queue, execution_of
from engine.operations.duties import last_done
from engine.records import (
    AlertMessage,
    Attention,
    AttentionItem,
    AttentionKind,
    Delivery,
    Installation,
    Job,
    Page,
    QueuePoller,
    RunFilter,
    RunOrder,
    RunRow,
    RunStatus,
    Schedule,
    Task,
    WorkerInfo,
    WorkerPart,
)
from engine.store.alerts.outbox import given_up, message_of
from engine.store.database.question import ask
from engine.store.database.reader import Reading, open_reader
from engine.store.database.schema_version import head_revision
from engine.store.database.transactions import writing, writing_at_once
from engine.store.events.reading import deliveries_page
from engine.store.events.routing import ROUTING_KIND
from engine.store.jobs.jobs import job_of, troubled_jobs
from engine.store.runs import listing
from engine.store.runs.failures import failures_to_look_at
from engine.store.schedules.reading import troubled_schedules
from engine.store.tasks.reading import late_tasks
from engine.store.tenant.disagreements import Disagreement, disagreements
from engine.store.tenant.duties import DutyRecord, load_duties
from engine.store.tenant.workers import SeenWorker, load_workers
from engine.temporal.connection import unavailable
from engine.wording import counted, sentence

MOST_OF_A_KIND: Final = 20
RETRIES: Final = 4
"""From which attempt of a step on a run needs attention."""
QUIET_FOR: Final = timedelta(seconds=60)
"""How long a running run must not have changed before Temporal is asked about it."""
_LOOKED_AT: Final = 200
ENDS_SHOWN_FOR: Final = timedelta(days=1)
"""How long a run that failed, or was never launched, is to be looked at."""
_LIVE: Final = frozenset({RunStatus.RUNNING, RunStatus.WAITING})
_OLDEST: Final = RunFilter(statuses=frozenset({RunStatus.RUNNING}), order=RunOrder.UPDATED_ASC)


async def attention(context: OperationContext) -> Attention:
    """Everything to look at now, at most ``MOST_OF_A_KIND`` of each kind. Raises ``Unavailable`` when Postgres does not answer.

    An unreachable Temporal is told in the answer: what Postgres knows is shown all the same.
    """
    store, tenant, most = await context.readable(), context.tenant, MOST_OF_A_KIND

    async def runs(kind: AttentionKind, wanted: RunFilter, why: Callable[[RunRow], str]) -> list[AttentionItem]:
        page = await listing.runs_page(store, tenant, wanted, limit=most + 1)
        return [_run(kind, row, why(row)) for row in page.rows]

    oldest = await listing.runs_page(store, tenant, _OLDEST, limit=_LOOKED_AT)
    now = oldest.server_now
    repeated, problem = await _repeated_tasks(context, oldest)
    failing, late = repeated[AttentionKind.TASK_FAILING], repeated[AttentionKind.TASK_TIMING_OUT]
    refused = RunFilter(launch="failed", started_from=now - ENDS_SHOWN_FOR)
    async with writing_at_once(store) as connection:
        nobody = _nobody_alive(await load_workers(connection))
        duties = [] if nobody else [_duty(record) for record in await load_duties(connection) if record.overdue]
        disagreed = await disagreements(connection, tenant, ENDS_SHOWN_FOR, most + 1)
    found: dict[AttentionKind, list[AttentionItem]] = {
        AttentionKind.WORKERS: nobody,
        AttentionKind.DUTY: duties,
        AttentionKind.STUCK: await runs(
            AttentionKind.STUCK, RunFilter(stuck=True), lambda _: "It is queued, and no step has begun."
        ),
        AttentionKind.STALLED: _stalled(oldest, {item.key for item in (*failing, *late)}),
        AttentionKind.TASK_FAILING: failing,
        AttentionKind.TASK_TIMING_OUT: late,
        AttentionKind.STORES: [_disagreement(found) for found in disagreed],
        AttentionKind.LAUNCH: [
            *await runs(AttentionKind.LAUNCH, refused, _launch_refused),
            *await runs(AttentionKind.LAUNCH, RunFilter(launch="pending"), _unlaunched),
        ],
        AttentionKind.DELIVERY: [
            _delivery(row) for row in (await deliveries_page(store, tenant, status="failed", limit=most + 1)).rows
        ],
        AttentionKind.SCHEDULE: [_schedule(row) for row in await troubled_schedules(store, tenant, most + 1)],
        AttentionKind.FAILED: [
            _run(AttentionKind.FAILED, row, _failure(row), row.completed_at)
            for row in await failures_to_look_at(store, tenant, now - ENDS_SHOWN_FOR, most + 1)
        ],
        AttentionKind.RETRYING: await runs(
            AttentionKind.RETRYING,
            RunFilter(statuses=_LIVE, min_attempt=RETRIES),
            lambda row: f"Attempt {row.attempt} of {row.step or 'a step'}: {row.error_code or 'it failed before'}.",
        ),
        AttentionKind.LATE_TASK: [_task(row) for row in await late_tasks(store, tenant, most + 1)],
        **await _jobs_and_alerts(context),
    }
    items = tuple(item for kind in AttentionKind for item in found[kind][:most])
    return Attention(items, frozenset(kind for kind in found if len(found[kind]) > most), now, problem)


async def installation(context: OperationContext) -> Installation:
    """Workers, task queue and stores now. Needs the level read.

    Raises ``Unavailable`` when Postgres does not answer; Temporal's silence is told.
    """
    async with writing(await context.readable()) as connection:
        seen = await load_workers(connection)
    pollers: Sequence[QueuePoller] = ()
    backlog, age, problem, namespace = None, 0.0, "", ""
    try:
        client = await context.temporal.client()
        namespace = client.namespace
        queue = await describe_queue(client)
        pollers = tuple(QueuePoller(poller.identity, poller.last_access) for poller in queue.pollers)
        backlog, age = queue.backlog, queue.backlog_age_seconds
    except RPCError as error:
        problem = unavailable(error, "describe the task queue").message
    except EngineError as error:
        problem = error.message
    async with open_reader(context.store, context.tenant) as reader:
        now = reader.server_now
    return Installation(
        workers=tuple(_worker(worker) for worker in seen),
        pollers=tuple(pollers),
        backlog=backlog,
        backlog_age_seconds=age,
        temporal_error=problem,
        task_queue=TASK_QUEUE,
        namespace=namespace,
        schema_revision=head_revision(),
        server_now=now,
    )


async def _jobs_and_alerts(context: OperationContext) -> dict[AttentionKind, list[AttentionItem]]:
    most = MOST_OF_A_KIND + 1
    questions = troubled_jobs(context.tenant, ENDS_SHOWN_FOR, most), given_up(context.tenant, ENDS_SHOWN_FOR, most)
    reading, [jobs, messages] = await ask(context.store, context.tenant, *questions)
    return {
        AttentionKind.JOB: [_job(job_of(row, reading)) for row in jobs],
        AttentionKind.ALERT: [_alert(message_of(row, reading)) for row in messages],
    }


def _nobody_alive(seen: Sequence[SeenWorker]) -> list[AttentionItem]:
    if any(worker.alive for worker in seen):
        return []
    last = f"; last seen {seen[0].identity}" if seen else ""
    reason = f"None is alive{last}. {advice.WORKER.to('Start one')}"
    return [
        AttentionItem(AttentionKind.WORKERS, TASK_QUEUE, TASK_QUEUE, reason, seen[0].last_seen_at if seen else None)
    ]


def _unlaunched(row: RunRow) -> str:
    untold = "Temporal has not been told of it yet"
    return f"{untold}: {row.error_message}" if row.error_message else sentence(untold)


def _duty(record: DutyRecord) -> AttentionItem:
    return AttentionItem(
        AttentionKind.DUTY, record.name, record.name, sentence(f"It is overdue; {last_done(record)}"), record.since
    )


def _disagreement(found: Disagreement) -> AttentionItem:
    workflow = found.workflow_id
    return AttentionItem(
        AttentionKind.STORES, found.run_id, workflow or found.run_id, found.told, found.at,
        run_id=found.run_id, workflow_id=workflow,
    )  # fmt: skip


def _stalled(oldest: Page[RunRow], known: Set[str]) -> list[AttentionItem]:
    """Runs that should have moved on, those with the oldest sign of life first; ``known`` are told of otherwise."""
    return [
        _run(AttentionKind.STALLED, row, f"It should have moved on from {row.step or 'where it is'} by now.")
        for row in oldest.rows
        if row.stalled_at(oldest.server_now) and row.run_id not in known
    ]


async def _repeated_tasks(
    context: OperationContext, oldest: Page[RunRow]
) -> tuple[dict[AttentionKind, list[AttentionItem]], str]:
    """Runs that made no progress lately and whose workflow task is repeated; and why Temporal could not be asked."""
    found: dict[AttentionKind, list[AttentionItem]] = {
        AttentionKind.TASK_FAILING: [],
        AttentionKind.TASK_TIMING_OUT: [],
    }
    now, looked_at = oldest.server_now, oldest.rows[:MOST_OF_A_KIND]
    quiet = [row.run_id for row in looked_at if now - row.updated_at > QUIET_FOR and not row.read_only]
    if not quiet:
        return found, ""
    try:
        client = await context.temporal.client()
        executions = await asyncio.gather(*(execution_of(client, run_id) for run_id in quiet))
    except RPCError as error:
        return found, unavailable(error, "describe the runs").message
    except EngineError as error:
        return found, error.message
    repeated = {
        run_id: execution
        for run_id, execution in zip(quiet, executions, strict=True)
        if execution.task_attempt > 1 or execution.task_timeouts
    }
    async with open_reader(context.store, context.tenant) as reader:
        known = await reader.following(runs=repeated)
    for row in [row for row in looked_at if row.run_id in repeated]:
        kind, reason = _repeated_task(repeated[row.run_id], known.of(run_id=row.run_id))
        found[kind].append(_run(kind, row, reason))
    return found, ""


def _repeated_task(execution: Execution, shown: Reading) -> tuple[AttentionKind, str]:
    if execution.task_timeouts:
        return AttentionKind.TASK_TIMING_OUT, (
            f"Its workflow task has timed out at least {counted(execution.task_timeouts, 'time')};"
            f" its history has {counted(execution.history_length, 'event')}."
        )
    failure = shown.hide_text(execution.task_failure) or "it failed before"
    return AttentionKind.TASK_FAILING, f"Its workflow task is at attempt {execution.task_attempt}: {failure}"


def _launch_refused(row: RunRow) -> str:
    return f"Temporal refused it: {row.error_message or row.error_code or 'no reason was kept'}"


def _failure(row: RunRow) -> str:
    why = ": ".join(filter(None, (row.error_code, row.error_message))) or "no reason was kept"
    return f"It failed at {row.step}: {why}" if row.step else f"It failed: {why}"


def _run(kind: AttentionKind, row: RunRow, reason: str, since: datetime | None = None) -> AttentionItem:
    return AttentionItem(
        kind,
        row.run_id,
        row.workflow_name,
        reason,
        since or row.started_at,
        run_id=row.run_id,
        workflow_id=row.workflow_id,
    )


def _delivery(row: Delivery) -> AttentionItem:
    why = row.last_error or row.reason or "?"
    failed = f"It could not be delivered to {row.target} after {counted(row.attempts, 'attempt')}: {why}"
    return AttentionItem(
        AttentionKind.DELIVERY,
        row.delivery_id,
        row.event_name or row.kind,
        sentence(why if row.kind == ROUTING_KIND else failed),
        row.settled_at or row.created_at,
        run_id=row.run_id,
        event_id=row.event_id,
        workflow_id=row.workflow_id,
    )


def _schedule(row: Schedule) -> AttentionItem:
    if row.overdue:
        reason = "Its next occurrence is overdue."
    elif row.last_outcome is None:
        reason = "Temporal does not have it, so it starts nothing"
    else:
        reason = f"Its last occurrence {row.last_outcome}"
    more = f": {row.last_error}" if row.last_error and not row.overdue else ""
    return AttentionItem(
        AttentionKind.SCHEDULE,
        row.schedule_id,
        row.workflow_id,
        f"{reason}{more}",
        row.next_fire_at if row.overdue else row.last_fire_at,
        workflow_id=row.workflow_id,
    )


def _task(row: Task) -> AttentionItem:
    who = f"{row.claimed_by} has it" if row.claimed_by else "nobody has it"
    return AttentionItem(
        AttentionKind.LATE_TASK,
        row.task_id,
        row.title,
        f"It is late; {who}.",
        row.due_at,
        run_id=row.run_id,
        task_id=row.task_id,
        workflow_id=row.workflow_id,
    )


def _job(job: Job) -> AttentionItem:
    failed = f"{counted(job.failed, 'target')} of {job.total} failed."
    reason = failed if job.state.ended else f"It does not go on: {sentence(job.trouble)}"
    return AttentionItem(AttentionKind.JOB, job.job_id, job.kind.value, reason, job.updated_at)


def _alert(message: AlertMessage) -> AttentionItem:
    told = (
        f"It was not taken after {counted(message.attempts, 'attempt')}: {message.last_error or 'no reason was kept'}"
    )
    return AttentionItem(AttentionKind.ALERT, message.message_id, message.alert, sentence(told), message.created_at)


def _worker(seen: SeenWorker) -> WorkerInfo:
    return WorkerInfo(
        identity=seen.identity,
        host=seen.host,
        pid=seen.pid,
        build=seen.build,
        parts=tuple(_parts(seen.parts.items())),
        started_at=seen.started_at,
        last_seen_at=seen.last_seen_at,
        stopped_at=seen.stopped_at,
        alive=seen.alive,
    )


def _parts(told: Iterable[tuple[str, dict[str, object]]]) -> Iterable[WorkerPart]:

    for name, part in told:
        at = part.get("lastSuccess")
        yield WorkerPart(
            name,
            str(part.get("state", "")),
            str(part.get("detail") or ""),
            datetime.fromisoformat(str(at)) if at else None,
        )
