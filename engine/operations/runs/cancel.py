"""Canceling runs. Temporal is asked first; the run's own clean-up writes its end.

Only a run that Temporal does not know is closed here, because nobody else ever would.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from temporalio.client import Client
from temporalio.service import RPCError

from engine import advice
from engine.contract import workflow_id_for
from engine.errors import Conflict, EngineError, Unavailable
from engine.operations.context import OperationContext
from engine.operations.progress import Progress, untold
from engine.operations.reconcile.execution_end import UNKNOWN, end_of_execution
from engine.operations.reconcile.reconcile import settle
from engine.operations.runs.run_access import checked_reason, distinct_runs, refuse_historical, require_run
from engine.records import Canceled, Level, RunStatus
from engine.store.database.transactions import writing
from engine.store.runs import reconciling, runs
from engine.store.runs.run_log import NewLogLine
from engine.store.runs.runs import Run
from engine.store.tenant.audit import AuditEntry
from engine.temporal.connection import RPC_TIMEOUT, is_not_found, unavailable
from engine.wording import clause

SETTLE_SECONDS: Final = 10.0
"""How long an operator waits for the run's own clean-up before being told "requested"."""
_AT_ONCE: Final = 8
_FIRST_LOOK_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 0.5
_ASK_TEMPORAL_EVERY_SECONDS: Final = 2.0


async def cancel_run(
    context: OperationContext, run_id: str, reason: str, *, settle_seconds: float = SETTLE_SECONDS
) -> Canceled:
    """Cancel a run and the runs below it. Needs the level admin. Repeating it is harmless.

    Raises, with nothing changed: ``Invalid`` (REASON_TOO_SHORT), ``NotFound`` (RUN_NOT_FOUND), ``Conflict`` (RUN_ENDED,
    RUN_READ_ONLY), ``Unavailable`` (Temporal or Postgres does not answer), ``Forbidden``.
    """
    await context.require(Level.ADMIN)
    run = await _request(context, run_id, checked_reason(reason))
    [outcome] = await _settled(context, [run.run_id], settle_seconds)
    return outcome


async def cancel_runs(
    context: OperationContext,
    run_ids: Sequence[str],
    reason: str,
    *,
    settle_seconds: float = SETTLE_SECONDS,
    progress: Progress = untold,
) -> list[Canceled]:
    """Cancel many runs, each settled on its own; outcomes in the order of the distinct ids. Needs the level admin.

    ``progress`` is told how many have ended or were refused. Raises ``Invalid``
    (REASON_TOO_SHORT, TOO_MANY_TARGETS), ``Forbidden``; a refusal of one target is in its outcome.
    """
    await context.require(Level.ADMIN)
    said = checked_reason(reason)
    targets = distinct_runs(run_ids)
    free = asyncio.Semaphore(_AT_ONCE)
    refused = 0

    async def one(run_id: str) -> Run | Canceled:
        nonlocal refused
        async with free:
            try:
                # With many runs it can be taken away meanwhile.
                await context.require(Level.ADMIN)
                return await _request(context, run_id, said)
            except EngineError as error:
                refused += 1
                progress(refused, len(targets))
                return Canceled(run_id, "refused", error=error)

    def ended(number: int) -> None:
        progress(refused + number, len(targets))

    progress(0, len(targets))
    answers = await asyncio.gather(*(one(run_id) for run_id in targets))
    asked = [answer.run_id for answer in answers if isinstance(answer, Run)]
    settled = {outcome.run_id: outcome for outcome in await _settled(context, asked, settle_seconds, ended)}
    return [settled[answer.run_id] if isinstance(answer, Run) else answer for answer in answers]


async def _request(context: OperationContext, run_id: str, reason: str) -> Run:
    async with writing(context.store) as connection:
        run = await require_run(connection, context.tenant, run_id)
        refuse_historical(run)
        if not run.active:
            raise Conflict(
                "RUN_ENDED", f"Run {run_id} has already ended as {run.status}.", "Nothing needs doing.",
                {"status": run.status},
            )  # fmt: skip
        below = await runs.descendants(connection, context.tenant, run.run_id)
    client = await context.temporal.client()
    await _cancel_one(context, client, run, reason)
    for child in below:
        try:
            await _cancel_one(context, client, child, f"Its ancestor {run.run_id} was canceled: {reason}")
        except Unavailable:
            # Temporal passes the parent's cancel on by itself, and the reconciler closes what it does not know.
            break
    return run


async def _cancel_one(context: OperationContext, client: Client, run: Run, reason: str) -> None:
    """Ask Temporal, and record that; or close the row of a run that Temporal does not have. Raises ``Unavailable``."""
    try:
        await client.get_workflow_handle(workflow_id_for(run.run_id)).cancel(reason=reason, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if not is_not_found(error):
            raise unavailable(error, "cancel the run") from error
        await _close(context, client, run, reason)
        return
    try:
        async with writing(context.store) as connection:
            if await runs.mark_cancel_requested(connection, run.run_id):
                await context.log(connection, run.run_id, NewLogLine("WARN", "Cancel requested", {"reason": reason}))
            await context.audit(connection, _entry(run, reason, {"previousStatus": run.status, "temporal": "asked"}))
    except Unavailable as error:
        raise Unavailable(
            error.code,
            f"Temporal was asked to cancel run {run.run_id}, but that cannot be recorded: {clause(error.message)}.",
            "The run ends all the same. "
            + advice.CANCEL.to("When Postgres takes writes, do it again, so that it is on record", run=run.run_id),
            {**error.details, "runId": run.run_id},
        ) from error


async def _close(context: OperationContext, client: Client, run: Run, reason: str) -> None:
    try:
        end = await end_of_execution(client, context.store, run.run_id, cancel_requested=True)
    except RPCError as error:
        raise unavailable(error, "describe the run") from error
    if end is not None and end.temporal_status != UNKNOWN:
        # It is over, only the row does not know: what really happened is written, not what was asked for.
        await settle(context, run, end)
        return
    await context.temporal.confirm()
    error_json = {"category": "Cancellation", "code": "CANCELED", "message": reason, "stage": "cancel"}
    async with writing(context.store) as connection:
        await runs.mark_cancel_requested(connection, run.run_id)
        if await reconciling.close_run(connection, run.run_id, "CANCELED", error_json):
            line = NewLogLine("WARN", "Run canceled; Temporal had no execution of it", {"reason": reason})
            await context.log(connection, run.run_id, line)
            await context.audit(connection, _entry(run, reason, {"previousStatus": run.status, "temporal": "unknown"}))


async def _settled(
    context: OperationContext,
    run_ids: Sequence[str],
    seconds: float,
    ended: Callable[[int], None] = lambda _number: None,
) -> list[Canceled]:
    """Watch the rows until all have ended or the time is over; ``ended`` is told how many have."""
    began = time.monotonic()
    pause, ask_at = _FIRST_LOOK_SECONDS, _ASK_TEMPORAL_EVERY_SECONDS
    while True:
        async with writing(context.store) as connection:
            found = {run.run_id: run for run in await runs.load_runs(connection, run_ids)}
        waited = time.monotonic() - began
        still_active = [run for run in found.values() if run.active]
        ended(len(found) - len(still_active))
        if not still_active or waited >= seconds:
            return [_outcome(found[run_id]) for run_id in run_ids]
        if waited >= ask_at:
            # An execution may end, or have ended, without the run's own clean-up; then only Temporal knows.
            ask_at = waited + _ASK_TEMPORAL_EVERY_SECONDS
            await _settle_ended(context, still_active)
            continue
        await asyncio.sleep(min(pause, max(0.0, seconds - waited)))
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


async def _settle_ended(context: OperationContext, still_active: Sequence[Run]) -> None:
    try:
        client = await context.temporal.client()
        for run in still_active:
            end = await end_of_execution(client, context.store, run.run_id, cancel_requested=True)
            if end is not None:
                await settle(context, run, end)
    except (RPCError, Unavailable):
        # The cancel was accepted; that Temporal went away since changes only how soon the end is seen.
        return


def _outcome(run: Run) -> Canceled:
    status = RunStatus.stored(run.status)
    if run.active:
        return Canceled(run.run_id, "requested", status)
    return Canceled(run.run_id, "canceled" if status is RunStatus.CANCELED else "ended", status)


def _entry(run: Run, reason: str, details: dict[str, str]) -> AuditEntry:
    return AuditEntry(
        "workflow_run_cancel",
        "run",
        run.run_id,
        run_id=run.run_id,
        workflow_id=run.workflow_id,
        reason=reason,
        details=dict(details),
    )
