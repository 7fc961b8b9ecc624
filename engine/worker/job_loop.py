"""The jobs: in every worker; each job is done by one of them at a time, and they take turns.

A worker pauses after a batch for as long as the batch took, so that jobs have half of its time at most.
"""

from __future__ import annotations

import time
from typing import Final

from engine.errors import EngineError
from engine.operations.context import OperationContext
from engine.operations.jobs.settling import take_turn
from engine.worker.parts import PartReport

IDLE_SECONDS: Final = 2.0
FRESH_SECONDS: Final = 120.0
AFTER_FAILURE_SECONDS: Final = 5.0


class JobLoop:
    """A part of the worker process."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context

    async def run(self, report: PartReport) -> None:
        """Do jobs until the process stops."""
        while not report.stopping.is_set():
            began = time.monotonic()
            try:
                turn = await take_turn(self._context, lambda: not report.stopping.is_set())
            except EngineError as error:
                report.failed(error.message)
                await report.pause(AFTER_FAILURE_SECONDS)
                continue
            report.succeeded()
            await report.pause(time.monotonic() - began if turn.found else IDLE_SECONDS)
