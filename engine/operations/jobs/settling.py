"""One turn at a job: its targets are collected first, then settled, each with the operation that a person would call.

The actor is who submitted the job; that it was the engine that did it is in the audit entry. Each target may be taken up more
than once, when a worker dies at it: the operations are harmless to repeat, and a target that does not qualify any more because
this very job has done its operation counts as done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from engine.errors import Conflict, EngineError, NotFound, Unavailable
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.events.redelivery import redeliver_event
from engine.operations.jobs.exporting import keep_export
from engine.operations.jobs.frozen_filter import thawed
from engine.operations.runs.cancel import cancel_run
from engine.operations.runs.delete import delete_run
from engine.operations.runs.launch_keys import job_key
from engine.operations.runs.replay import replay_run
from engine.records import ItemState, JobKind, Original
from engine.store.database.engine import LOCKED
from engine.store.database.transactions import writing
from engine.store.events.reading import deliveries_page, deliveries_until
from engine.store.jobs import items, jobs
from engine.store.jobs.items import Outcome
from engine.store.jobs.jobs import ClaimedJob
from engine.store.runs import listing
from engine.wording import counted

BATCH: Final = 50
_AT_ONCE: Final = 8
FILL_PAGE: Final = 500
FILL_PAGES: Final = 20
"""In one turn; then other jobs have theirs."""
MOST_BUSY: Final = 50
"""So many runs made by a job are at work at most; a run that waits is not at work."""
AFTER_FAILURE_SECONDS: Final = 10.0
LATER_SECONDS: Final = 15.0
LATER: Final = frozenset({"CONCURRENCY_LIMIT", "RUN_JUST_ENDED", LOCKED})
"""Refusals of one target that time alone ends: it is tried again."""

DONE_BEFORE: Final = "done by this job already"
_AUDITED: Final[Mapping[JobKind, str]] = {
    JobKind.CANCEL: "workflow_run_cancel",
    JobKind.REPLAY: "workflow_run_replay",
    JobKind.REDELIVER: "event_redeliver",
    JobKind.DELETE: "workflow_run_delete",
}
"""What the audit log calls the operation of a job on one target. An export is none."""

_LOG: Final = structlog.get_logger("runstudio.jobs")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn did."""

    found: bool
    """False: no job was free."""
    settled: int = 0


async def take_turn(context: OperationContext, keep_on: Callable[[], bool] = lambda: True) -> Turn:
    """Take up the job that has waited longest, and collect or settle some of its targets. ``context``: the worker's.

    What keeps a job from going on is in its row, and it is taken up again later. Raises ``Unavailable`` when Postgres does not
    answer.
    """
    worker = context.actor.name
    async with writing(context.store) as connection:
        job = await jobs.claim_job(connection, worker)
    if job is None:
        return Turn(found=False)
    seconds, trouble, settled = 0.0, None, 0
    try:
        for _ in range(FILL_PAGES):
            collected = await _collect(context, job) if not job.filled and keep_on() else None
            if collected is None:
                break
            job = collected
        if job.filled and keep_on():
            settled, seconds, trouble = await _settle(context, job, keep_on)
    except EngineError as error:
        seconds, trouble = AFTER_FAILURE_SECONDS, error.message
    except Exception as error:  # noqa: BLE001 # a job that breaks must not keep the others: it is put back, and says so
        _LOG.exception("job broke", job=job.job_id)
        seconds, trouble = (
            AFTER_FAILURE_SECONDS,
            f"It broke with {type(error).__name__}; the log of {worker} says where.",
        )
    async with writing(context.store) as connection:
        await jobs.let_go(connection, job.job_id, worker, seconds=seconds, trouble=trouble)
    return Turn(found=True, settled=settled)


async def _collect(context: OperationContext, job: ClaimedJob) -> ClaimedJob | None:
    """One page of targets. None when the job was held up, or taken over."""
    if job.kind is JobKind.REDELIVER:
        status = job.filter_json["status"]
        # What was given up after it was frozen is not meant.
        cursor = job.fill_cursor or deliveries_until(job.tenant, status, job.frozen_at)
        deliveries = await deliveries_page(context.store, job.tenant, status=status, cursor=cursor, limit=FILL_PAGE)
        found, after = [row.delivery_id for row in deliveries.rows], deliveries.next
    else:
        wanted = thawed(job.filter_json, job.frozen_at)
        runs = await listing.runs_page(context.store, job.tenant, wanted, cursor=job.fill_cursor, limit=FILL_PAGE)
        found, after = [row.run_id for row in runs.rows], runs.next
    async with writing(context.store) as connection:
        ours = await items.add_targets(connection, job.job_id, job.tenant, context.actor.name, found, after)
    return replace(job, fill_cursor=after, filled=after is None) if ours else None


async def _settle(
    context: OperationContext, job: ClaimedJob, keep_on: Callable[[], bool]
) -> tuple[int, float, str | None]:
    """One batch: how many targets it settled, after how many seconds to go on, and what keeps the job meanwhile."""
    worker = context.actor.name
    async with writing(context.store) as connection:
        if not await jobs.is_claimed(connection, job.job_id, worker):
            return 0, 0.0, None
        busy = await items.busy_runs(connection, job.job_id) if job.kind is JobKind.REPLAY else 0
        targets = await items.due_targets(connection, job.job_id, max(min(BATCH, MOST_BUSY - busy), 0))
        due_in = None if targets else await items.next_due_seconds(connection, job.job_id)
        if not targets and due_in is None:
            await jobs.finish_job(connection, job.job_id, worker)
            return 0, 0.0, None
    if not targets:
        if busy >= MOST_BUSY:
            told = (
                f"{counted(busy, 'run')} that it made {'is' if busy == 1 else 'are'} still at work; it waits for them."
            )
            return 0, 1.0, told
        return 0, min(due_in or 0.0, LATER_SECONDS), "What is left was refused for now; it is tried again."
    actor = Actor(job.actor, source="worker", known_by="service", remark=f"job {job.job_id}")
    acting = OperationContext(context.store, context.temporal, actor, job.tenant)
    settled = 0
    for start in range(0, len(targets), _AT_ONCE):
        if not keep_on():
            break
        outcomes, down = await _some(acting, job, targets[start : start + _AT_ONCE])
        async with writing(context.store) as connection:
            ours = await items.settle_targets(connection, job.job_id, worker, outcomes, later_seconds=LATER_SECONDS)
        settled += sum(1 for outcome in outcomes if outcome.state is not ItemState.PENDING)
        if down is not None:
            return settled, AFTER_FAILURE_SECONDS, down.message
        if not ours:
            break
    return settled, 0.0, None


async def _some(
    acting: OperationContext, job: ClaimedJob, targets: Sequence[str]
) -> tuple[list[Outcome], Unavailable | None]:
    """What became of each; of those that could not be tried, because something is down, nothing is told but that."""
    matching = await _still_matching(acting, job, targets)
    left = [target for target in targets if matching is None or target in matching]
    gone = [
        Outcome(target, ItemState.SKIPPED, "It does not match the filter any more.", "NO_LONGER_MATCHES")
        for target in targets
        if target not in left
    ]
    answers = await asyncio.gather(*(_one(acting, job, target) for target in left))
    down = next((answer for answer in answers if isinstance(answer, Unavailable)), None)
    outcomes = [*gone, *(answer for answer in answers if isinstance(answer, Outcome))]
    return await _with_what_was_done(acting, job, outcomes), down


async def _with_what_was_done(acting: OperationContext, job: ClaimedJob, outcomes: list[Outcome]) -> list[Outcome]:
    """Those that are skipped because a worker that stopped before it could record it had done them, as done."""
    skipped = [outcome.target for outcome in outcomes if outcome.state is ItemState.SKIPPED]
    operation = _AUDITED.get(job.kind)
    if not skipped or operation is None:
        return outcomes
    async with writing(acting.store) as connection:
        done = await items.done_before(connection, acting.tenant, operation, str(acting.actor.remark), skipped)
    return [
        Outcome(outcome.target, ItemState.DONE, DONE_BEFORE) if outcome.target in done else outcome
        for outcome in outcomes
    ]


async def _still_matching(acting: OperationContext, job: ClaimedJob, targets: Sequence[str]) -> set[str] | None:
    """Those of the runs that match now; None for deliveries, whose operation refuses what is not dead any more."""
    if job.kind is JobKind.REDELIVER:
        return None
    wanted = thawed(job.filter_json, job.frozen_at)
    found = await listing.matching_runs(acting.store, acting.tenant, wanted, targets)
    return {row.run_id for row in found}


async def _one(acting: OperationContext, job: ClaimedJob, target: str) -> Outcome | Unavailable:
    try:
        return await _OPERATIONS[job.kind](acting, job, target)
    except EngineError as error:
        state = ItemState.FAILED
        if error.code in LATER:
            state = ItemState.PENDING
        elif isinstance(error, Unavailable):
            return error
        elif isinstance(error, Conflict | NotFound):
            state = ItemState.SKIPPED
        return Outcome(target, state, error.message, error.code)
    except Exception as error:  # noqa: BLE001 # nor a target that breaks the ones beside it
        _LOG.exception("target of a job broke", job=job.job_id, target=target)
        return Outcome(target, ItemState.FAILED, f"It broke with {type(error).__name__}.", "INTERNAL")


async def _cancel(acting: OperationContext, job: ClaimedJob, target: str) -> Outcome:
    canceled = await cancel_run(acting, target, job.reason, settle_seconds=0)
    return Outcome(target, ItemState.DONE, canceled.outcome)


async def _replay(acting: OperationContext, job: ClaimedJob, target: str) -> Outcome:
    key = job_key(job.job_id, target)
    started = await replay_run(acting, target, job.reason, Original(), idempotency_key=key)
    return Outcome(target, ItemState.DONE, "replayed", run_id=started.run_id)


async def _redeliver(acting: OperationContext, job: ClaimedJob, target: str) -> Outcome:
    await redeliver_event(acting, target, job.reason)
    return Outcome(target, ItemState.DONE, "redelivered")


async def _export(acting: OperationContext, job: ClaimedJob, target: str) -> Outcome:
    size = await keep_export(acting, job.job_id, target)
    return Outcome(target, ItemState.DONE, f"exported, {size:,} bytes")


async def _delete(acting: OperationContext, job: ClaimedJob, target: str) -> Outcome:
    await delete_run(acting, target, job.reason)
    return Outcome(target, ItemState.DONE, "deleted")


_OPERATIONS: Final[Mapping[JobKind, Callable[[OperationContext, ClaimedJob, str], Awaitable[Outcome]]]] = {
    JobKind.CANCEL: _cancel,
    JobKind.REPLAY: _replay,
    JobKind.REDELIVER: _redeliver,
    JobKind.EXPORT: _export,
    JobKind.DELETE: _delete,
}
