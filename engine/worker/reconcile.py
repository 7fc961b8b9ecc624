"""The reconciler: in every worker, one of them active by a lease, every fifteen seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog

from engine.errors import EngineError
from engine.operations.context import OperationContext
from engine.operations.duties import require_done
from engine.operations.reconcile.abandoned import cancel_abandoned
from engine.operations.reconcile.executions import compare_executions
from engine.operations.reconcile.looks import Looks
from engine.operations.reconcile.lost_records import close_what_lost_records_left
from engine.operations.reconcile.mending import Rewrite
from engine.operations.reconcile.positions import compare_positions
from engine.operations.reconcile.reconcile import (
    close_leftovers,
    close_recently_ended,
    close_stranded,
    relaunch_pending,
    send_unheard_again,
)
from engine.operations.schedules.schedules import find_changed_schedules, sync_schedules
from engine.operations.tasks.task_answers import tell_due
from engine.store.database.leases import Lease, leased
from engine.store.runs.reconciling import Position
from engine.store.tenant.duties import RECONCILER, SCHEDULE_SYNC
from engine.temporal.connection import WrongTemporal
from engine.wording import counted
from engine.worker.metrics import RECONCILED
from engine.worker.parts import PartReport

SECONDS: Final = 15.0
KEPT_SECONDS: Final = 1.5 * SECONDS
"""The one that is active stays it, unless it misses its next pass: what a pass has seen, only its own process remembers."""
LOOK_BACK: Final = timedelta(minutes=2)
"""How far back Temporal is asked for executions that ended abnormally; more than a pass, because its list is a little behind."""
PASSES_PER_LEFTOVERS: Final = 20
"""Looking through all open waits is dearer than the rest, and they are closed where they are left: every five minutes."""
PASSES_PER_SCHEDULES: Final = 4
"""Publishing tells Temporal of a schedule itself; this is for when it could not."""
PASSES_PER_COMPARISON: Final = 2
"""What only a restore of one of the stores leaves is looked for at half the pace."""

_LOG: Final = structlog.get_logger("runstudio.reconciler")


class Reconciler:
    """A part of the worker process."""

    def __init__(self, context: OperationContext, rewrite: Rewrite) -> None:
        """``rewrite``: see there."""
        self._context = context
        self._rewrite = rewrite
        self._positions, self._executions = Looks(), Looks()
        self._compared: Position | None = None
        self._listed: bytes | None = None
        self._scheduled: str | None = None
        self._after: Position | None = None
        self._passes = 0

    async def run(self, report: PartReport) -> None:
        """Reconcile until the process stops."""
        await report.repeat(SECONDS, self._pass_if_ours)

    async def _pass_if_ours(self) -> None:
        async with leased(self._context.store, RECONCILER.name, self._context.actor.name, KEPT_SECONDS) as lease:
            if lease is None:
                await require_done(self._context.store, RECONCILER)
            else:
                await self._pass(lease)

    async def _pass(self, lease: Lease) -> None:
        """All duties, each on its own: what one cannot do now must not keep the others. Raises the first refusal.

        Nothing is done with a Temporal that is known to be another one.
        """
        refusals: list[EngineError] = []
        try:
            await self._context.temporal.confirm()
        except WrongTemporal:
            raise
        except EngineError as error:
            refusals.append(error)
        for duty in (
            self._relaunch, self._answers, self._recent, self._walk, self._schedules, self._leftovers, self._unheard,
            self._abandoned, self._lost_records, self._compare_positions, self._compare_executions,
        ):  # fmt: skip
            if not lease.held:
                raise EngineError(
                    "LEASE_LOST", "The lease was lost during the pass.", "See how quickly Postgres answers."
                )
            try:
                await duty()
            except EngineError as error:
                refusals.append(error)
            except Exception as error:  # noqa: BLE001 - what one duty brings out must not keep the others
                _LOG.exception("a duty of the reconciler failed")
                refusals.append(
                    EngineError("DUTY_FAILED", f"{type(error).__name__} got through.", "Read the worker's log.")
                )
        self._passes += 1
        if refusals:
            raise refusals[0]

    async def _relaunch(self) -> None:
        done = await relaunch_pending(self._context)
        self._tell("launch started", done.started)
        self._tell("launch refused", done.failed)
        if done.pending:
            raise EngineError(
                "LAUNCHES_PENDING",
                f"{counted(done.pending, 'launch', 'launches')} not told to Temporal yet.",
                "See why it does not answer.",
            )

    async def _answers(self) -> None:
        done = await tell_due(self._context)
        self._tell("task answer delivered", done.delivered)
        if done.pending:
            raise EngineError(
                "ANSWERS_PENDING", f"{done.pending} answers to tasks wait for Temporal.", "See why it does not answer."
            )

    async def _recent(self) -> None:
        self._tell("run closed", (await close_recently_ended(self._context, LOOK_BACK)).closed)

    async def _walk(self) -> None:
        done = await close_stranded(self._context, self._after)
        self._after = done.next
        self._tell("run closed", done.closed)

    async def _schedules(self) -> None:
        if self._passes % PASSES_PER_SCHEDULES:
            return
        async with leased(self._context.store, SCHEDULE_SYNC.name, self._context.actor.name) as lease:
            if lease is None:
                await require_done(self._context.store, SCHEDULE_SYNC)
            else:
                try:
                    done = await find_changed_schedules(self._context, self._scheduled)
                    self._scheduled = done.next
                finally:
                    self._tell("schedule brought in line", await sync_schedules(self._context))

    async def _leftovers(self) -> None:
        if self._passes % PASSES_PER_LEFTOVERS == 0:
            done = await close_leftovers(self._context)
            self._tell("wait closed", done.waits)
            self._tell("task closed", done.tasks)
            self._tell("attempt closed", done.attempts)

    async def _unheard(self) -> None:
        if self._passes % PASSES_PER_LEFTOVERS == 0:
            self._tell("delivery repeated", await send_unheard_again(self._context))

    async def _abandoned(self) -> None:
        if self._passes % PASSES_PER_LEFTOVERS == 0:
            self._tell("abandoned child canceled", await cancel_abandoned(self._context))

    async def _lost_records(self) -> None:
        self._tell("run with lost records", await close_what_lost_records_left(self._context))

    async def _compare_positions(self) -> None:
        if self._passes % PASSES_PER_COMPARISON == 0:
            done = await compare_positions(self._context, self._positions, self._compared, self._rewrite)
            self._compared = done.next
            self._tell("run brought together with its rows", done.mended)
            self._tell("run ended whose stores disagree", done.ended)

    async def _compare_executions(self) -> None:
        if self._passes % PASSES_PER_COMPARISON == 0:
            done = await compare_executions(self._context, self._executions, self._listed)
            self._listed = done.next
            self._tell("execution ended without an open row", done.ended)

    def _tell(self, action: str, count: int) -> None:
        if count:
            RECONCILED.labels(action).inc(count)
            _LOG.info("reconciled", action=action, count=count)
