"""Launches: starts the runs that callers launched in transactions of their own, as soon as Postgres tells of their commit.

It looks every few seconds all the same. What it could not start is the reconciler's.
"""

from __future__ import annotations

from typing import Final

from engine.errors import EngineError
from engine.operations.context import OperationContext
from engine.operations.runs.hand_over import AT_ONCE, hand_over_due
from engine.store.database.notifications import LAUNCHES
from engine.worker.parts import PartReport
from engine.worker.wakeup import Wakeup

SECONDS: Final = 5.0


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
                    while await hand_over_due(self._context) == AT_ONCE:
                        pass
                except EngineError as error:
                    report.failed(error.message)
                else:
                    report.succeeded()
                await self._wakeup.rest(report, SECONDS)
