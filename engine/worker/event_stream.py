"""The event stream: routes what arrives and makes what is due, woken by Postgres and looking every second all the same."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from engine.errors import EngineError, Unavailable
from engine.operations.context import OperationContext
from engine.operations.deliveries import make_due_deliveries
from engine.operations.routing import route_received
from engine.store.notifications import EVENTS, notices
from engine.worker.parts import PartReport

SECONDS: Final = 1.0
_LISTEN_AGAIN_SECONDS: Final = 5.0


class EventStream:
    """A part of every worker process; any number of them share the work."""

    def __init__(self, context: OperationContext, database_url: str) -> None:
        """``database_url`` is for a connection of its own that listens."""
        self._context = context
        self._url = database_url
        self._woken = asyncio.Event()

    async def run(self, report: PartReport) -> None:
        """Route and deliver until the process stops."""
        listening = asyncio.create_task(self._listen(report))
        try:
            while not report.stopping.is_set():
                self._woken.clear()
                try:
                    busy = await self._pass()
                except EngineError as error:
                    report.failed(error.message)
                    busy = False
                else:
                    report.succeeded()
                if not busy:
                    await self._rest(report)
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening

    async def _pass(self) -> bool:
        """True when there may be more to do at once."""
        routed = await route_received(self._context)
        delivered = await make_due_deliveries(self._context)
        return bool(routed or delivered)

    async def _rest(self, report: PartReport) -> None:
        stopping = asyncio.create_task(report.stopping.wait())
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait((stopping, woken), timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            woken.cancel()

    async def _listen(self, report: PartReport) -> None:
        while not report.stopping.is_set():
            try:
                async for _notice in notices(self._url, (EVENTS,), application_name="runstudio event stream"):
                    self._woken.set()
            except Unavailable:
                # Polling goes on meanwhile, and says what is wrong with Postgres.
                await report.pause(_LISTEN_AGAIN_SECONDS)
