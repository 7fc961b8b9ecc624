"""Launches: starts the runs that callers launched in transactions of their own, as soon as Postgres tells of their commit, and
the queued runs whose turn has come.

It looks every second all the same. What it could not start is the reconciler's.
"""

from __future__ import annotations

from typing import Final

from engine.errors import EngineError
from engine.operations.context import OperationContext
from engine.operations.runs.hand_over import AT_ONCE, hand_over_due
from engine.operations.runs.queue import release_queued
from engine.store.database.notifications import LAUNCHES
from engine.worker.parts import PartReport
from engine.worker.wakeup import Wakeup

SECONDS: Final = 1.0


class Launches:
    """A part of every worker process; any number of them share the work."""

    def __init__(self, context: OperationContext, listen_url: str) -> None:
        """``listen_url`` is for a connection of its own that listens."""
        self._context = context
        self._wakeup = Wakeup(listen_url, LAUNCHES, application_name="runstudio launches")

    async def run(self, report: PartReport) -> None:
        """Start what is committed until the process stops."""
        async with self._wakeup.listening(report):
            while not report.stopping.is_set():
                self._wakeup.clear()
                try:
                    await self._start_due()
                    while await release_queued(self._context):
                        await self._start_due()
                except EngineError as error:
                    report.failed(error.message)
                else:
                    report.succeeded()
                await self._wakeup.rest(report, SECONDS)

    async def _start_due(self) -> None:
        while await hand_over_due(self._context) == AT_ONCE:
            pass
