"""The only place that knows what time it is. Everything else is given a Clock."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Time, waiting, and fresh names: what makes a program run differently each time."""

    def now(self) -> datetime:
        """The viewer's wall clock, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait until ``event`` is set (True) or ``seconds`` have passed (False)."""
        ...

    def unique(self) -> str:
        """A name nobody else has: idempotency keys, temporary files."""
        ...


class SystemClock:
    """The real one."""

    def now(self) -> datetime:
        """See Clock."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic()

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """See Clock."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True

    def unique(self) -> str:
        """See Clock."""
        return secrets.token_hex(16)


class ManualClock:
    """A clock that stands still until ``advance``. For tests, pictures and deterministic worlds."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._monotonic = 1_000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._names = itertools.count(1)

    def now(self) -> datetime:
        """See Clock."""
        return self._now

    def monotonic(self) -> float:
        """See Clock."""
        return self._monotonic

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """See Clock."""
        if event.is_set():
            return True
        due: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), due))
        signal = asyncio.ensure_future(event.wait())
        signal.add_done_callback(lambda _: due.cancel())
        try:
            await asyncio.wait({due})
            return event.is_set()
        finally:
            due.cancel()
            signal.cancel()
            await asyncio.gather(signal, return_exceptions=True)

    def unique(self) -> str:
        """See Clock: ``key-1``, ``key-2``, ..."""
        return f"key-{next(self._names)}"

    def stop_for(self, seconds: float) -> None:
        """Let time pass in which the process is stopped: nothing wakes before the next ``advance``."""
        self._move_to(self._monotonic + seconds)

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, waking sleepers in order and letting each run until it waits again."""
        await self.let_run()
        target = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, sleeper = heapq.heappop(self._sleepers)
            if sleeper.done():
                continue
            self._move_to(max(due, self._monotonic))
            sleeper.set_result(None)
            await self.let_run()
        self._move_to(target)
        await self.let_run()

    def _move_to(self, moment: float) -> None:
        self._now += timedelta(seconds=moment - self._monotonic)
        self._monotonic = moment

    @staticmethod
    async def let_run(turns: int = 20) -> None:
        """Let everything run that can, for so many turns of the loop."""
        for _ in range(turns):
            await asyncio.sleep(0)


class ServerTime:
    """The server's clock as last told, carried on by our own: ages are right although the viewer's clock is wrong."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._base: datetime | None = None
        self._at = 0.0

    def observe(self, server_now: datetime) -> None:
        """Take over what an answer said. A small step back is ignored, so that ages do not jitter."""
        known = self.now()
        if self._base is not None and timedelta(0) < known - server_now < timedelta(seconds=2):
            return
        self._base, self._at = server_now, self._clock.monotonic()

    def now(self) -> datetime:
        """Best knowledge of the server's time, aware UTC; the viewer's own before the first answer."""
        if self._base is None:
            return self._clock.now()
        return self._base + timedelta(seconds=self._clock.monotonic() - self._at)
