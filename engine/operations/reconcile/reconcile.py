"""Reconciling run rows with Temporal after crashes between the two. Every action is logged on its run and audited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import structlog
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from engine.contract import WORKFLOW_TYPE, workflow_id_for
from engine.errors import CANCELLATION
from engine.operations.context import OperationContext
from engine.operations.reconcile.execution_end import UNKNOWN, ExecutionEnd, end_of_execution
from engine.operations.reconcile.side_by_side import each, is_of_all
from engine.operations.runs.starting import PendingRun, StartOutcome, hand_to_temporal, put_off
from engine.store.database.transactions import writing
from engine.store.runs import agreeing, reconciling, runs
from engine.store.runs.closing import why_it_never_begins
from engine.store.runs.reconciling import Gaps, Leftovers, Position
from engine.store.runs.run_log import NewLogLine
from engine.store.runs.runs import Run
from engine.store.tenant.audit import AuditEntry
from engine.temporal.connection import RPC_TIMEOUT, is_final, unavailable
from engine.values.timestamps import iso_milliseconds

_LOG: Final = structlog.get_logger("runstudio.reconciler")

Item = TypeVar("Item")
Result = TypeVar("Result")

LAUNCHES_PER_PASS: Final = 200
CHECKS_PER_PASS: Final = 500
LEFTOVERS_PER_PASS: Final = 1000
IDLE_SECONDS: Final = 10.0
"""A row that changed more recently than this is left alone: its run is surely writing."""


@dataclass(frozen=True, slots=True)
class Relaunched:
    """What became of launches that were pending."""

    started: int = 0
    failed: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of open rows that were compared with Temporal."""

    checked: int = 0
    closed: int = 0
    next: Position | None = None
    """Where the next pass goes on; None: from the beginning."""


async def relaunch_pending(context: OperationContext) -> Relaunched:
    """Start every run whose launch is due. Starting one twice is harmless: the workflow id comes from the run id."""
    async with writing(context.store) as connection:
        due = await reconciling.pending_launches(connection, LAUNCHES_PER_PASS)
    if not due:
        return Relaunched()

    async def attempt(run: Run) -> StartOutcome | None:
        return await _relaunch(context, run)

    relaunch = _alone(attempt, None)
    outcomes: list[StartOutcome | None] = []
    reason = ""
    for run in due[:2]:
        outcome = await relaunch(run)
        outcomes.append(outcome)
        if outcome is None or outcome.state != "pending":
            break
        reason = outcome.reason
    else:
        # For one it can be the run. When it is Temporal that is away, the others would only wait for the same answer.
        await put_off(context, due, reason)
        return Relaunched(pending=len(due))
    outcomes += await each(due[len(outcomes) :], relaunch)
    states = [None if outcome is None else outcome.state for outcome in outcomes]
    waiting = states.count("pending") + states.count(None)
    return Relaunched(states.count("started"), states.count("failed"), waiting)


async def close_stranded(context: OperationContext, after: Position | None = None) -> Checked:
    """Compare open rows with Temporal, from a position on, and close those whose execution is over or unknown.

    Raises ``Unavailable`` when Temporal does not answer, or is not the one the database belongs to: then none is closed.
    """
    async with writing(context.store) as connection:
        page = await reconciling.open_runs(connection, after, CHECKS_PER_PASS, idle_seconds=IDLE_SECONDS)
    closed = await _compare(context, page)
    last = page[-1] if len(page) == CHECKS_PER_PASS else None
    return Checked(len(page), closed, None if last is None else Position(last.updated_at, last.run_id))


async def close_recently_ended(context: OperationContext, within: timedelta) -> Checked:
    """Compare the rows of executions that Temporal ended abnormally of late: found at once, however many runs are open.

    Raises ``Unavailable``.
    """
    client = await context.temporal.client()
    since = iso_milliseconds(datetime.now(UTC) - within)
    question = (
        f"WorkflowType = '{WORKFLOW_TYPE}' AND CloseTime > '{since}'"
        " AND ExecutionStatus IN ('Terminated', 'TimedOut', 'Failed', 'Canceled')"
    )
    prefix = workflow_id_for("")
    try:
        ended = [
            execution.id.removeprefix(prefix)
            async for execution in client.list_workflows(question, rpc_timeout=RPC_TIMEOUT, limit=CHECKS_PER_PASS)
            if execution.id.startswith(prefix)
        ]
    except RPCError as error:
        if error.status is RPCStatusCode.UNIMPLEMENTED or is_final(error):
            # A server without visibility; the walk over the open rows finds the same, only later.
            return Checked()
        raise unavailable(error, "list ended executions") from error
    async with writing(context.store) as connection:
        page = await reconciling.still_open(connection, ended)
    return Checked(len(page), await _compare(context, page))


async def close_leftovers(context: OperationContext) -> Leftovers:
    """Close the open waits, tasks and attempts of runs that have ended, and tasks and attempts whose step has."""
    async with writing(context.store) as connection:
        return await reconciling.close_leftovers(connection, LEFTOVERS_PER_PASS)


async def send_unheard_again(context: OperationContext) -> int:
    """Have sent again what runs that wait were sent a while ago and have not taken; how many."""
    async with writing(context.store) as connection:
        return await agreeing.send_unheard_again(connection, LEFTOVERS_PER_PASS)


async def gaps(context: OperationContext) -> Gaps:
    """What the reconciler would have to do now, for ``runstudio doctor``; Temporal is not asked."""
    async with writing(context.store) as connection:
        return await reconciling.count_gaps(connection)


async def settle(context: OperationContext, run: Run, end: ExecutionEnd) -> bool:
    """Write on the row of a run how its execution ended. False: it was closed meanwhile, and that stands."""
    context = replace(context, tenant=run.tenant)
    await context.level()
    async with writing(context.store) as connection:
        if not await reconciling.close_run(connection, run.run_id, end.status, end.error, end.output):
            return False
        facts = {"temporalStatus": end.temporal_status, "status": end.status, "previousStatus": run.status}
        await context.log(
            connection, run.run_id, NewLogLine("WARN", f"Run closed as {end.status}: {end.sentence}", facts)
        )
        await context.audit(
            connection,
            AuditEntry(
                "workflow_run_reconcile",
                "run",
                run.run_id,
                run_id=run.run_id,
                workflow_id=run.workflow_id,
                reason=end.sentence,
                details=facts,
            ),
        )
    return True


async def _relaunch(context: OperationContext, run: Run) -> StartOutcome:
    context = replace(context, tenant=run.tenant)
    outcome = await hand_to_temporal(context, PendingRun.of(run))
    if outcome.state == "started":
        async with writing(context.store) as connection:
            facts = {"launchAttempts": run.launch_attempts + 1}
            await context.log(connection, run.run_id, NewLogLine("INFO", "Launch completed by the reconciler", facts))
    return outcome


def _alone(work: Callable[[Item], Awaitable[Result]], otherwise: Result) -> Callable[[Item], Awaitable[Result]]:
    """``work`` whose unforeseen failure with one row, or one row that is locked, is logged, and stops no other: that row is as
    ``otherwise``.
    """

    async def one(item: Item) -> Result:
        try:
            return await work(item)
        except Exception as error:
            if is_of_all(error):
                raise
            run = item[0] if isinstance(item, tuple) else item
            _LOG.exception("a run cannot be reconciled", run_id=getattr(run, "run_id", None))
            return otherwise

    return one


async def _compare(context: OperationContext, page: Sequence[Run]) -> int:
    """Close those of ``page`` whose execution is over; how many."""
    if not page:
        return 0
    client = await context.temporal.client()
    try:
        ends = await each(page, _alone(lambda run: _end(client, context, run), None))
    except RPCError as error:
        raise unavailable(error, "describe a run") from error
    if any(end is not None and end.temporal_status == UNKNOWN for end in ends):
        await context.temporal.confirm()
    over = [(run, end) for run, end in zip(page, ends, strict=True) if end is not None]
    return sum(await each(over, _alone(lambda pair: _settle(context, *pair), False)))


async def _end(client: Client, context: OperationContext, run: Run) -> ExecutionEnd | None:
    return await end_of_execution(
        client, context.store, run.run_id, cancel_requested=run.cancel_requested_at is not None
    )


async def _settle(context: OperationContext, run: Run, end: ExecutionEnd) -> bool:
    if end.temporal_status == UNKNOWN and run.parent_run_id is not None:
        async with writing(context.store) as connection:
            parents = await runs.load_runs(connection, [run.parent_run_id])
            never = await why_it_never_begins(connection, run.run_id)
        if any(parent.active for parent in parents):
            # A child's row comes before its execution; its parent is still to start it.
            return False
        if never is not None:
            error = {"category": CANCELLATION, "code": CANCELLATION, "nodePath": "", "message": never}
            end = replace(end, status="CANCELED", sentence=never, error=error)
    return await settle(context, run, end)
