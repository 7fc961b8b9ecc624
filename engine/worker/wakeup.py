"""Wakeups by LISTEN/NOTIFY: a connection that is made again when it is lost, and a pause that a notification ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from engine.errors import Unavailable
from engine.store.database.notifications import ListenPooled, notices
from engine.worker.parts import PartReport

_LISTEN_AGAIN_SECONDS: Final = 5.0
GAP_SECONDS: Final = 0.01
"""At least so long from one wakeup to the next: every login of the database can notify, one for reports too."""


class Wakeup:
    """What one part of a worker is woken by."""

    def __init__(self, database_url: str, channel: str, *, application_name: str) -> None:
        self._url = database_url
        self._channel = channel
        self._name = application_name
        self._woken = asyncio.Event()
        self._rested_at = 0.0
        """When the last rest ended, by the event loop's clock."""

    @asynccontextmanager
    async def listening(self, report: PartReport) -> AsyncIterator[None]:
        """Listen for as long as the block lasts."""
        task = asyncio.create_task(self._listen(report))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def clear(self) -> None:
        """Forget notifications received so far."""
        self._woken.clear()

    async def rest(self, report: PartReport, seconds: float) -> None:
        """Wait until something is told, the process stops, or so many seconds have passed; ``GAP_SECONDS`` at least."""
        loop = asyncio.get_running_loop()
        early = self._rested_at + GAP_SECONDS - loop.time()
        if early > 0:
            await report.pause(early)
        stopping = asyncio.create_task(report.stopping.wait())
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait((stopping, woken), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            woken.cancel()
            self._rested_at = loop.time()

    async def _listen(self, report: PartReport) -> None:
        while not report.stopping.is_set():
            try:
                # Beginning to listen wakes too: nothing was heard of what was written before.
                told = notices(self._url, (self._channel,), application_name=self._name, listening=self._woken.set)
                async for _notice in told:
                    self._woken.set()
            except ListenPooled:
                return
            except Unavailable:
                # The part says what is wrong with Postgres when it looks by itself.
                await report.pause(_LISTEN_AGAIN_SECONDS)
