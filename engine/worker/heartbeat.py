"""The worker's heartbeat: a row in ``workflow_workers``, renewed every five seconds, and every second while it starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.store.database.transactions import Store, writing
from engine.store.tenant.duties import DutyRecord, load_duties
from engine.store.tenant.workers import WorkerProcess, forget_gone, record_heartbeat, record_stop
from engine.worker.parts import PartReport

SECONDS: Final = 5.0
STARTING_SECONDS: Final = 1.0
"""So that the row does not call a worker starting that has long been ready."""


class Heartbeat:
    """A part of the worker process; stopped last, so that a draining worker still shows."""

    def __init__(self, store: Store, process: WorkerProcess, parts: Callable[[], dict[str, Any]]) -> None:
        """``parts`` tells how the other parts are."""
        self._store = store
        self._process = process
        self._parts = parts
        self._told: dict[str, Any] = {}
        self.duties: tuple[DutyRecord, ...] = ()
        """When each duty of the installation was last done and by whom, as of the last heartbeat."""

    async def run(self, report: PartReport) -> None:
        """Write heartbeats until the process stops, then record that it stopped."""
        async with writing(self._store) as connection:
            await forget_gone(connection)
        await report.repeat(self._pace, self._beat)
        async with writing(self._store) as connection:
            await record_stop(connection, self._process.identity)

    async def _beat(self) -> None:
        self._told = self._parts()
        async with writing(self._store) as connection:
            await record_heartbeat(connection, self._process, self._told)
            self.duties = tuple(await load_duties(connection))

    def _pace(self) -> float:
        starting = any(part["state"] == "starting" for part in self._told.values())
        return STARTING_SECONDS if starting else SECONDS
