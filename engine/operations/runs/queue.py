"""Runs that wait for their turn, because their workflow is paused or has as many active runs as it may.

Their turn comes in the order in which their triggers arrived. A workflow that wants its runs replaced keeps the newest of
those that wait, and cancels its oldest active run for it. What arrived before all active runs, and was only delivered after
them, is replaced by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from engine.errors import EngineError, Unavailable
from engine.operations.context import OperationContext
from engine.operations.runs.cancel import cancel_run
from engine.store.database.engine import LOCKED
from engine.store.database.transactions import Connection, writing
from engine.store.runs import queue
from engine.store.runs.queue import Active, Queued
from engine.store.runs.reconciling import close_run
from engine.store.runs.run_log import NewLogLine

REPLACE: Final = "replace"
AT_ONCE: Final = 50
"""Workflows that are looked at in one transaction, and runs of one workflow that are let go in one."""

_LOG: Final = structlog.get_logger("runstudio.queue")


@dataclass(frozen=True, slots=True)
class _Turn:
    released: int = 0
    to_cancel: str | None = None
    """The active run that makes room."""
    more: bool = False
    """Nothing was released yet: there are more that are replaced."""


async def release_queued(context: OperationContext) -> int:
    """Let the runs go whose turn it is, of every tenant; how many. Each workflow is settled on its own.

    Raises ``Unavailable`` when Postgres does not answer.
    """
    released, after = 0, None
    while True:
        async with writing(context.store) as connection:
            found = await queue.workflows_with_a_queue(connection, after, AT_ONCE)
        for tenant, workflow_id in found:
            released += await _release_of(replace(context, tenant=tenant), workflow_id)
        if len(found) < AT_ONCE:
            return released
        after = found[-1]


async def _release_of(context: OperationContext, workflow_id: str) -> int:
    try:
        turn = await _turn(context, workflow_id)
        while turn.more:
            turn = await _turn(context, workflow_id)
        if turn.to_cancel is not None:
            await _cancel(context, turn.to_cancel)
    except EngineError as error:
        if isinstance(error, Unavailable) and error.code != LOCKED:
            raise
        # A run whose row somebody holds is that of one workflow.
        _LOG.warning("queued runs wait on", workflow_id=workflow_id, error=f"{error.code}: {error.message}")
        return 0
    except Exception:  # noqa: BLE001 - what one workflow brings out must not hold the others
        _LOG.exception("queued runs could not be released", workflow_id=workflow_id)
        return 0
    return turn.released


async def _cancel(context: OperationContext, run_id: str) -> None:
    """Ask for the run's end. While that cannot be done, the newer one waits, and those of other workflows go on."""
    try:
        await cancel_run(context, run_id, "Replaced by a newer run", settle_seconds=0.0)
    except Unavailable as error:
        _LOG.warning("active run cannot be replaced", run_id=run_id, error=f"{error.code}: {error.message}")


async def _turn(context: OperationContext, workflow_id: str) -> _Turn:
    await context.level()
    async with writing(context.store) as connection:
        workflow = await queue.lock_to_release(connection, context.tenant, workflow_id)
        if workflow is None:
            return _Turn()
        waiting = await queue.queued_runs(connection, context.tenant, workflow_id, AT_ONCE)
        newest = None
        if workflow.when_busy == REPLACE:
            newest = await queue.newest_queued(connection, context.tenant, workflow_id)
        if newest is not None:
            for run in waiting:
                if run != newest:
                    await _replace(context, connection, run.run_id, newest.run_id)
            if newest not in waiting:
                return _Turn(more=True)
            waiting = [newest]
        if workflow.is_paused:
            return _Turn()
        limit = workflow.concurrency_limit
        active = await queue.active_runs(connection, context.tenant, workflow_id, limit) if limit else []
        room = limit - len(active) if limit else AT_ONCE
        if room > 0:
            return _Turn(await queue.release(connection, [run.run_id for run in waiting[:room]]))
        if newest is not None:
            return await _made_room(context, connection, newest, active)
        return _Turn()


async def _made_room(
    context: OperationContext, connection: Connection, newest: Queued, active: Sequence[Active]
) -> _Turn:
    """Which active run goes for the newest of those that wait; or that goes, when all of them arrived after it."""
    older = [run for run in active if run.place is None or run.place < newest.place]
    if not older:
        await _replace(context, connection, newest.run_id, active[-1].run_id)
        return _Turn()
    return _Turn(to_cancel=None if any(run.cancel_requested for run in active) else older[0].run_id)


async def _replace(context: OperationContext, connection: Connection, run_id: str, by: str) -> None:
    error = {"category": "Cancellation", "code": "REPLACED", "message": f"Replaced by the run {by}."}
    await close_run(connection, run_id, "CANCELED", error)
    await context.log(connection, run_id, NewLogLine("WARN", "Replaced while queued", {"by": by}))
