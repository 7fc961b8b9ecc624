"""What needs attention in the fake world, and how its parts are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from engine import advice
from engine.records import (
    OPEN_TASK_STATUSES,
    Attention,
    AttentionItem,
    AttentionKind,
    Installation,
    MessageState,
    PartState,
    QueuePoller,
    RunRow,
    RunStatus,
    WorkerInfo,
    WorkerPart,
)
from engine.wording import counted, sentence
from runstudio_tui.backend.fake.run import STORES
from runstudio_tui.backend.fake.world import World

_MOST_OF_A_KIND: Final = 20
_QUEUE: Final = "workflow-runtime-v2"
_RETRIES: Final = 4
_OVERDUE: Final = timedelta(minutes=1)
_ENDS_SHOWN_FOR: Final = timedelta(days=1)


def attention(world: World) -> Attention:
    """Everything to look at now."""
    found: dict[AttentionKind, list[AttentionItem]] = {kind: [] for kind in AttentionKind}
    for item in _items(world):
        found[item.kind].append(item)
    items = tuple(item for of_kind in found.values() for item in of_kind[:_MOST_OF_A_KIND])
    more = frozenset(kind for kind, of_kind in found.items() if len(of_kind) > _MOST_OF_A_KIND)
    return Attention(items, more, world.now(), _temporal_error(world))


def installation(world: World) -> Installation:
    """One worker that polls, unless the world says that there is none."""
    now, up = world.now(), _state(world, "workers") is PartState.OK
    parts = tuple(WorkerPart(name, "running", "", now) for name in ("temporal", "events", "reconciler", "sweep"))
    worker = WorkerInfo("worker-1@shop", "shop", 4711, "0.1.0", parts, now - timedelta(hours=5), now, None, up)
    problem = _temporal_error(world)
    return Installation(
        workers=(worker,) if up else (),
        pollers=(QueuePoller(worker.identity, now),) if up and not problem else (),
        backlog=None if problem else 0,
        backlog_age_seconds=0.0,
        temporal_error=problem,
        task_queue=_QUEUE,
        namespace="default",
        schema_revision="0004",
        server_now=now,
    )


def _state(world: World, part: str) -> PartState:
    return next((known.state for known in world.health if known.name == part), PartState.UNKNOWN)


def _temporal_error(world: World) -> str:
    return "" if _state(world, "temporal") is PartState.OK else "Temporal does not answer."


def _items(world: World) -> Iterator[AttentionItem]:
    now = world.now()
    if _state(world, "workers") is PartState.DOWN:
        reason = f"None is alive. {advice.WORKER.to('Start one')}"
        yield AttentionItem(AttentionKind.WORKERS, _QUEUE, _QUEUE, reason, None)
    replayed = {run.row.replay_of for run in world.runs.values()}
    for run in world.newest(lambda _: True):
        yield from _of_run(run, world)
        failed = run.status is RunStatus.FAILED and run.launch_state == "started" and run.parent is None
        if failed and run.run_id not in replayed and now - (run.completed_at or now) <= _ENDS_SHOWN_FOR:
            why = ": ".join(filter(None, (run.error_code, run.error_message))) or "no reason was kept"
            reason = f"It failed at {run.step}: {why}" if run.step else f"It failed: {why}"
            yield _about(run, AttentionKind.FAILED, reason, run.completed_at)
    yield from sorted(_disagreements(world), key=lambda item: item.since or now, reverse=True)
    for event in world.events.values():
        for sent in event.deliveries:
            if sent.status == "failed":
                told = f"It could not be delivered to {sent.target} after {counted(sent.attempts, 'attempt')}: {sent.last_error}"
                yield AttentionItem(
                    AttentionKind.DELIVERY,
                    sent.delivery_id,
                    sent.event_name or sent.kind,
                    sentence((sent.last_error or "") if sent.kind == "routing" else told),
                    sent.settled_at or sent.created_at,
                    sent.run_id,
                    sent.event_id,
                    None,
                    sent.workflow_id,
                )
    for schedule in world.schedules.values():
        row = schedule.row
        overdue = row.next_fire_at is not None and now - row.next_fire_at > _OVERDUE
        if overdue or row.last_outcome in ("skipped", "failed"):
            reason = "Its next occurrence is overdue." if overdue else f"Its last occurrence {row.last_outcome}."
            yield AttentionItem(
                AttentionKind.SCHEDULE,
                row.schedule_id,
                row.workflow_id,
                reason,
                row.next_fire_at,
                workflow_id=row.workflow_id,
            )
    for task in world.tasks.values():
        asked = task.row
        if asked.status in OPEN_TASK_STATUSES and asked.due_at is not None and asked.due_at < now:
            who = f"{asked.claimed_by} has it" if asked.claimed_by else "nobody has it"
            yield AttentionItem(
                AttentionKind.LATE_TASK, asked.task_id, asked.title, f"It is late; {who}.", asked.due_at,
                asked.run_id, None, asked.task_id, asked.workflow_id,
            )  # fmt: skip
    for job in world.jobs.values():
        if job.failed or (job.trouble and not job.state.ended):
            reason = f"It does not go on: {job.trouble}" if job.trouble else f"{job.failed} of {job.total} failed."
            yield AttentionItem(AttentionKind.JOB, job.job_id, job.kind.value, reason, job.updated_at)
    for message in world.messages:
        if message.state is MessageState.FAILED:
            told = f"It was not taken after {counted(message.attempts, 'attempt')}: {message.last_error}"
            yield AttentionItem(
                AttentionKind.ALERT, message.message_id, message.alert, sentence(told), message.created_at
            )


def _disagreements(world: World) -> Iterator[AttentionItem]:
    """Of each run, what was found and done last."""
    for run in world.runs.values():
        found = [entry for entry in run.audit if entry.target_kind == STORES]
        if found and world.now() - found[-1].at < _ENDS_SHOWN_FOR:
            run_id, workflow = run.row.run_id, run.row.workflow_id
            yield AttentionItem(
                AttentionKind.STORES, run_id, workflow, found[-1].reason or "", found[-1].at,
                run_id=run_id, workflow_id=workflow,
            )  # fmt: skip


def _about(row: RunRow, kind: AttentionKind, reason: str, since: datetime | None) -> AttentionItem:
    return AttentionItem(
        kind, row.run_id, row.workflow_name, reason, since, run_id=row.run_id, workflow_id=row.workflow_id
    )


def _of_run(row: RunRow, world: World) -> Iterator[AttentionItem]:
    def item(kind: AttentionKind, reason: str) -> AttentionItem:
        return _about(row, kind, reason, row.started_at)

    if row.stuck_at(world.now()):
        yield item(AttentionKind.STUCK, "It is queued, and no step has begun.")
    if row.status is RunStatus.RUNNING and row.stalled_at(world.now()):
        yield item(AttentionKind.STALLED, f"It should have moved on from {row.step or 'where it is'} by now.")
    if row.launch_state == "failed":
        yield item(AttentionKind.LAUNCH, f"Temporal refused it: {row.error_message or row.error_code}")
    if row.launch_state == "pending":
        yield item(AttentionKind.LAUNCH, "Temporal has not been told of it yet.")
    if not row.status.ended and (row.attempt or 0) >= _RETRIES:
        yield item(
            AttentionKind.RETRYING, f"Attempt {row.attempt} of {row.step}: {row.error_code or 'it failed before'}."
        )
