"""The quota of a tenant: how much is left, the limit, and resuming paused runs.

A run is let go on by a signal and by nothing else: it asks for units again itself, and moves its own row on when it got some.
So a signal too many does no harm, and a run that could not be signalled is still paused, for everybody to see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from engine import advice
from engine.contract import SIGNAL_QUOTA_RESUME, workflow_id_for
from engine.errors import Conflict, EngineError, Invalid
from engine.operations.context import OperationContext
from engine.operations.reconcile.execution_end import UNKNOWN, end_of_execution
from engine.operations.reconcile.reconcile import settle
from engine.operations.runs.run_access import checked_reason, refuse_historical, require_run
from engine.records import Level, QuotaUsage
from engine.store.database.transactions import writing
from engine.store.quota import quota_scan, quota_usage
from engine.store.quota.quota_scan import PausedRun
from engine.store.runs.run_log import NewLogLine
from engine.store.runs.runs import Run
from engine.store.tenant.audit import AuditEntry
from engine.temporal.connection import RPC_TIMEOUT, is_final, is_not_found, unavailable
from engine.values.timestamps import iso_milliseconds
from engine.wording import sentence

_LOG: Final = structlog.get_logger("runstudio.quota")
MAX_LIMIT: Final = 2**31 - 1
RUNS_PER_SCAN: Final = 20_000
"""Most runs one scan asks to go on; the rest comes with the next one."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan did."""

    asked: int = 0
    gone: int = 0
    """Paused rows of which Temporal has no open execution; the reconciler closes them."""
    refused: int = 0
    """Runs that Temporal will not have signalled: one that was sent as many signals as an execution takes."""


async def quota_summary(context: OperationContext) -> QuotaUsage:
    """The tenant's quota in the current period. Needs the level read. Raises ``Forbidden``, ``Unavailable``."""
    await context.require(Level.READ)
    async with writing(context.store) as connection:
        return await quota_usage.load_usage(connection, context.tenant)


async def set_quota_limit(context: OperationContext, limit: int | None, *, reason: str | None = None) -> QuotaUsage:
    """Set how many steps the tenant may start per calendar month; None: no limit. Needs the level admin.

    Paused runs go on with the next scan, or with ``resume_from_quota``. The quota as it is then. Raises ``Invalid``
    (QUOTA_LIMIT_INVALID, REASON_TOO_SHORT), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    said = None if reason is None else checked_reason(reason)
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit <= MAX_LIMIT):
        raise Invalid(
            "QUOTA_LIMIT_INVALID",
            f"{str(limit)[:40]} is no limit.",
            f"Use a whole number of steps from 0 to {MAX_LIMIT}, or none at all for no limit.",
        )
    async with writing(context.store) as connection:
        before = await quota_usage.lock_limit(connection, context.tenant)
        if await quota_usage.set_limit(connection, context.tenant, limit, updated_by=context.actor.name):
            details = {"before": before, "after": limit}
            entry = AuditEntry("quota_limit_set", "settings", "quota_limit", reason=said, details=details)
            await context.audit(connection, entry)
        return await quota_usage.load_usage(connection, context.tenant)


async def resume_from_quota(context: OperationContext, run_id: str) -> QuotaUsage:
    """Ask a run that waits for quota units to go on. Needs the level admin.

    The signal is always sent, also to a run that was asked before. The quota it was sent with. Raises, with nothing sent:
    ``NotFound`` (RUN_NOT_FOUND), ``Conflict`` (NOT_QUOTA_PAUSED, RUN_ENDED, RUN_READ_ONLY, SIGNAL_REFUSED, QUOTA_EXHAUSTED with
    the numbers in ``details``), ``Unavailable``, ``Forbidden``.
    """
    await context.require(Level.ADMIN)
    async with writing(context.store) as connection:
        run = await require_run(connection, context.tenant, run_id)
        refuse_historical(run)
        wait_id = await quota_scan.quota_wait(connection, run.run_id)
        _refuse_unless_paused(run, wait_id)
        usage = await quota_usage.load_usage(connection, context.tenant)
    if usage.exhausted:
        raise Conflict(
            "QUOTA_EXHAUSTED",
            f"The step quota of this month is used up: {usage.used_count} of {usage.effective_limit}.",
            advice.QUOTA.to("Wait for the next period, or raise the limit"),
            usage.to_json(),
        )
    client = await context.temporal.client()
    paused = PausedRun(run.run_id, context.tenant, wait_id or "")
    if not await _ask(client, paused, context.actor.name):
        raise await _gone(context, client, run)
    async with writing(context.store) as connection:
        facts = {"usedCount": usage.used_count, "effectiveLimit": usage.effective_limit}
        await context.log(connection, run.run_id, NewLogLine("INFO", "Asked to go on after the quota pause", facts))
        await context.audit(
            connection,
            AuditEntry(
                "workflow_run_quota_resume",
                "run",
                run.run_id,
                run_id=run.run_id,
                workflow_id=run.workflow_id,
                details=dict(facts),
            ),
        )
    return usage


async def resume_paused_runs(context: OperationContext, keep_on: Callable[[], bool] = lambda: True) -> Scanned:
    """Ask paused runs of all tenants to go on: the oldest first, of no tenant more than it has units left.

    For one process at a time; ``keep_on`` is asked between two runs. Raises ``Unavailable`` when Temporal or Postgres does
    not answer; whoever was not asked is asked by the next scan.
    """
    async with writing(context.store) as connection:
        due = await quota_scan.resumable_runs(connection, RUNS_PER_SCAN)
    asked: list[PausedRun] = []
    gone = refused = 0
    try:
        for run in due:
            if not keep_on():
                break
            try:
                if await _ask(await context.temporal.client(), run, context.actor.name):
                    asked.append(run)
                else:
                    gone += 1
            except Conflict as refusal:
                refused += 1
                _LOG.warning("run cannot be asked to go on", run_id=run.run_id, reason=refusal.message)
    finally:
        async with writing(context.store) as connection:
            await quota_scan.log_asked(connection, asked, context.actor.source)
    return Scanned(len(asked), gone, refused)


async def _ask(client: Client, run: PausedRun, by: str) -> bool:
    """Signal a run. False: Temporal has no open execution of it.

    Raises ``Conflict`` (SIGNAL_REFUSED) when Temporal refuses this very signal, ``Unavailable``.
    """
    now = iso_milliseconds(datetime.now(UTC))
    signal = {"waitId": run.wait_id, "reason": "quota_available", "resumedBy": by, "resumedAt": now}
    try:
        handle = client.get_workflow_handle(workflow_id_for(run.run_id))
        await handle.signal(SIGNAL_QUOTA_RESUME, signal, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if is_not_found(error):
            return False
        if is_final(error):
            raise Conflict(
                "SIGNAL_REFUSED",
                sentence(f"Temporal will not have the run signalled: {error.message}"),
                advice.CANCEL.to("Cancel it, and replay it", run=run.run_id),
            ) from error
        raise unavailable(error, "signal the run") from error
    return True


async def _gone(context: OperationContext, client: Client, run: Run) -> EngineError:
    """Why a paused run could not be asked; its row is closed when Temporal says how the run ended."""
    try:
        end = await end_of_execution(
            client, context.store, run.run_id, cancel_requested=run.cancel_requested_at is not None
        )
    except RPCError as error:
        return unavailable(error, "describe the run")
    if end is None or end.temporal_status == UNKNOWN:
        return Conflict(
            "RUN_UNKNOWN",
            f"Temporal has no execution of run {run.run_id}.",
            f"The reconciler closes the run once it is sure. {advice.PARTS.to('See how the parts are')}",
        )
    await settle(context, run, end)
    return Conflict("RUN_ENDED", f"Run {run.run_id} had ended: {end.sentence}", "Nothing needs doing.")


def _refuse_unless_paused(run: Run, wait_id: str | None) -> None:
    if not run.active:
        raise Conflict(
            "RUN_ENDED",
            f"Run {run.run_id} has already ended as {run.status}.",
            "Nothing needs doing.",
            {"status": run.status},
        )
    if run.waiting_on != "quota" or wait_id is None:
        raise Conflict(
            "NOT_QUOTA_PAUSED",
            f"Run {run.run_id} does not wait for quota units.",
            "Look at what it does: runstudio runs show.",
            {"status": run.status, "waitingOn": run.waiting_on},
        )
