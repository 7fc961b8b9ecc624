"""The worker's sign of life: a row in ``workflow_workers``, renewed every five seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.store.transactions import Store, writing
from engine.store.workers import WorkerProcess, forget_gone, record_heartbeat, record_stop
from engine.worker.parts import PartReport

SECONDS: Final = 5.0


class Heartbeat:
    """A part of the worker process; stopped last, so that a draining worker still shows."""

    def __init__(self, store: Store, process: WorkerProcess, parts: Callable[[], dict[str, Any]]) -> None:
        """``parts`` tells how the other parts are."""
        self._store = store
        self._process = process
        self._parts = parts

    async def run(self, report: PartReport) -> None:
        """Beat until the process stops, then say that it did."""
        async with writing(self._store) as connection:
            await forget_gone(connection)
        await report.repeat(SECONDS, self._beat)
        async with writing(self._store) as connection:
            await record_stop(connection, self._process.identity)

    async def _beat(self) -> None:
        async with writing(self._store) as connection:
            await record_heartbeat(connection, self._process, self._parts())
