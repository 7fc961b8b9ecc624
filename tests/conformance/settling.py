"""When the runs of a case have come to rest: nothing will happen any more unless time passes or somebody acts."""

from __future__ import annotations

import asyncio
from typing import Final

from temporalio.client import WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from tests.conformance.stored_case import StoredRun, stored_runs
from tests.conformance.temporal_world import TemporalWorld
from tests.engine.workflow.quiet import is_quiet

PATIENCE_SECONDS: Final = 240.0
_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.1
_ABOUT_TO_GO_OFF_MS: Final = 20


async def settled(world: TemporalWorld, tenant: str) -> list[StoredRun]:
    """All runs of the case, once they are at rest. Raises AssertionError when they are not within a minute."""
    pause = _FIRST_PAUSE
    runs: list[StoredRun] = []
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                runs = await _look(world, tenant)
                if await _at_rest(world, runs) and await _look(world, tenant) == runs:
                    return runs
                # What is waited for is in Postgres and in Temporal; nothing here could set an event.
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
    except TimeoutError:
        states = [f"{run.workflow_id} {run.id}: {run.status} on {run.waiting_on}, {run.launch_state}" for run in runs]
        raise AssertionError(f"not at rest after {PATIENCE_SECONDS:g} s: {'; '.join(states)}") from None


async def _look(world: TemporalWorld, tenant: str) -> list[StoredRun]:
    return await stored_runs(world.store, tenant, world.clock.server_time)


async def _at_rest(world: TemporalWorld, runs: list[StoredRun]) -> bool:
    soon = await world.clock.now() + _ABOUT_TO_GO_OFF_MS
    parents = {run.parent for run in runs if run.active}
    for run in runs:
        if not run.active:
            continue
        if run.status != "WAITING" or (run.waiting_on == "child" and run.id not in parents):
            return False
        if any(wait.due is not None and wait.due <= soon for wait in run.waits if wait.status == "WAITING"):
            return False
    histories = [await _history(world, run.id) for run in runs if run.active]
    return all(history is not None and is_quiet(history) for history in histories)


async def _history(world: TemporalWorld, run_id: str) -> WorkflowHistory | None:
    try:
        return await world.handle(run_id).fetch_history()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
