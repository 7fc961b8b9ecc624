"""A Temporal that was away may come back as what it was earlier, so a worker then forgets the runs that it has in memory.

Such a run has come further than a history that was restored. The SDK would take what the server gives it to do for what it has
done before, and answer with nothing: the run would never move again, or its history would not be what its code does. A run that
is not in memory is replayed from the history that there is.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import timedelta
from typing import Final

import structlog
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

CHECK_SECONDS: Final = 1.0
"""A restore takes longer: the server's processes are started again for it."""
ANSWER_TIMEOUT: Final = timedelta(seconds=5)
LATE_SECONDS: Final = 4.0
"""A worker that comes to its check so late stood still, and does not know what it has missed."""
_AWAY: Final = frozenset((RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNKNOWN, RPCStatusCode.INTERNAL))
"""No connection, or one that broke off. A server that only is slow has not been restored."""

_GONE: Final = "Temporal is away."
_STOOD: Final = "This worker stood still."

_LOG: Final = structlog.get_logger("runstudio.worker")


class RunsInMemory:
    """The executions a worker has in memory, by Temporal's run id. Called from any thread."""

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        """Local activities that have not ended: with one, the execution is in the middle of a workflow task."""

    def add(self, temporal_run_id: str) -> None:
        """It is replayed, or begins."""
        self._under_way[temporal_run_id] = 0

    def remove(self, temporal_run_id: str) -> None:
        """It is in memory no more."""
        self._under_way.pop(temporal_run_id, None)

    def count(self, temporal_run_id: str, local_activities: int) -> None:
        """So many local activities have begun; less than 0: ended."""
        self._under_way[temporal_run_id] += local_activities

    @property
    def resting(self) -> list[str]:
        """Those without a task under way. The server itself refuses the end of a task that it does not know."""
        return [run_id for run_id, under_way in self._under_way.copy().items() if not under_way]


async def forget_after_outages(client: Client, worker: Worker, runs: RunsInMemory) -> None:
    """Ask every second whether Temporal is there, for ever; while it is not, and once when it is again, forget resting runs."""
    away = False
    while True:
        due = time.monotonic() + CHECK_SECONDS
        await asyncio.sleep(CHECK_SECONDS)
        stood_still = time.monotonic() - due > LATE_SECONDS
        was_away, away = away, stood_still or not await _is_there(client)
        if away or was_away:
            resting = runs.resting
            for run_id in resting:
                worker._bridge_worker.request_workflow_eviction(run_id)
            if away and not was_away:
                _LOG.warning("runs in memory are forgotten", runs=len(resting), reason=_STOOD if stood_still else _GONE)


async def _is_there(client: Client) -> bool:
    try:
        await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=ANSWER_TIMEOUT)
    except RPCError as error:
        return error.status not in _AWAY
    return True
