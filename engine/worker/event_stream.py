"""The event stream: routes events and makes due deliveries, woken by NOTIFY and polling every second as well."""

from __future__ import annotations

from typing import Final

from engine.errors import EngineError
from engine.operations.context import OperationContext
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.routing import route_received
from engine.store.database.notifications import EVENTS
from engine.worker.parts import PartReport
from engine.worker.wakeup import Wakeup

SECONDS: Final = 1.0


class EventStream:
    """A part of every worker process; any number of them share the work."""

    def __init__(self, context: OperationContext, listen_url: str) -> None:
        """``listen_url`` is for a connection of its own that listens."""
        self._context = context
        self._wakeup = Wakeup(listen_url, EVENTS, application_name="runstudio event stream")

    async def run(self, report: PartReport) -> None:
        """Route and deliver until the process stops."""
        async with self._wakeup.listening(report):
            while not report.stopping.is_set():
                self._wakeup.clear()
                try:
                    busy = await self._pass()
                except EngineError as error:
                    report.failed(error.message)
                    busy = False
                else:
                    report.succeeded()
                if not busy:
                    await self._wakeup.rest(report, SECONDS)

    async def _pass(self) -> bool:
        """True when there may be more to do at once."""
        routed = await route_received(self._context)
        delivered = await make_due_deliveries(self._context)
        return bool(routed or delivered)
