"""Keeping what is on screen current: one poller per screen, woken early by change notices.

A poller never overlaps itself, backs off when reads fail, drops answers to a question that is no longer asked, and rests while
anybody has a reason to pause it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from engine.errors import Conflict, EngineError, Forbidden, Invalid, NotFound
from engine.records import Change
from runstudio_tui.clock import Clock
from runstudio_tui.ports import SystemPort

T = TypeVar("T")

MAX_BACKOFF: Final = 30.0
_MOST_DOUBLED: Final = 10
"""Failures that lengthen the pause; beyond some thousand of them no number would hold it."""
NUDGE_GAP: Final = 1.0
"""Seconds between two reads that change notices may cause."""
_FINAL: Final = (NotFound, Invalid, Conflict)
"""Refusals that stay the same however often one asks."""
_REFUSALS: Final = (*_FINAL, Forbidden)
"""Answers, though not those that were asked for. A level can be given back, so what is forbidden is asked again."""
FEED_PAUSE: Final = 30.0
"""Seconds before a broken change feed is tried again."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How current the data is."""

    age: float | None
    """Seconds since the last good answer; None before the first."""
    failures: int
    """Reads that failed since then."""
    error: str
    retry_in: float | None
    """Seconds until the next read, while reads fail."""
    paused: frozenset[str]
    refused: bool = False
    """The last answer was a refusal, so nothing is out of order."""
    waiting: bool = False
    """A read is on its way."""

    @property
    def unread(self) -> bool:
        """Whether nothing was answered yet, and nothing refused or failed."""
        return self.age is None and not self.failures and not self.refused

    def stale(self, poll_seconds: float) -> bool:
        """Whether what is shown may no longer be so: reads fail, or an answer is overdue by two polls."""
        overdue = self.waiting and self.age is not None and self.age > 2 * poll_seconds
        return overdue or bool(self.failures and not self.refused)


class Poller(Generic[T]):
    """Fetch, apply, sleep, again."""

    def __init__(
        self,
        *,
        clock: Clock,
        fetch: Callable[[], Awaitable[T]],
        apply: Callable[[T], None],
        interval: Callable[[], float | None],
        polled: Callable[[], None],
        broken: Callable[[Exception], None],
    ) -> None:
        """``interval`` gives seconds to the next read, None for "only when asked"; ``polled`` is called after every attempt;
        ``broken`` gets exceptions that are bugs."""
        self._clock = clock
        self._fetch = fetch
        self._apply = apply
        self._interval = interval
        self._polled = polled
        self._broken = broken
        self._reasons: set[str] = set()
        self._after_first: set[str] = set()
        """Those of the reasons that let a first read happen."""
        self._urgent = asyncio.Event()
        self._nudged = asyncio.Event()
        self._token = 0
        self._reading: asyncio.Task[T] | None = None
        self._loop_task: asyncio.Task[None] | None = None
        self._good_at: float | None = None
        self._failures = 0
        self._error = ""
        self._refused = False
        self._final = False
        self._next_at: float | None = None

    def start(self) -> None:
        """Begin polling; the first read happens at once."""
        if self._loop_task is None:
            self._loop_task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End polling and wait until nothing of it runs any more."""
        task, self._loop_task = self._loop_task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def pause(self, reason: str, *, after_first: bool = False) -> None:
        """Rest until every reason given was lifted by ``go_on``; ``after_first``: not before something was read."""
        self._reasons.add(reason)
        (self._after_first.add if after_first else self._after_first.discard)(reason)

    def go_on(self, reason: str) -> None:
        """Lift one reason; when it was the last one, read at once."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if not self._reasons:
                self.refresh_now()

    def refresh_now(self) -> None:
        """Read as soon as possible, also while backing off (not while paused)."""
        self._urgent.set()
        self._nudged.set()

    def nudge(self) -> None:
        """Something changed: read soon, but not more than once per ``NUDGE_GAP``."""
        self._nudged.set()

    def retarget(self) -> None:
        """The question changed, or the answer on its way may never come: drop it and ask again."""
        self._token += 1
        if self._reading is not None:
            self._reading.cancel()
        self.refresh_now()

    @property
    def freshness(self) -> Freshness:
        """How current the data is right now."""
        now = self._clock.monotonic()
        return Freshness(
            age=None if self._good_at is None else now - self._good_at,
            failures=self._failures,
            error=self._error,
            retry_in=None if self._next_at is None or not self._failures else max(self._next_at - now, 0.0),
            paused=frozenset(self._reasons) if self._resting else frozenset(),
            refused=self._refused,
            waiting=self._reading is not None,
        )

    @property
    def _resting(self) -> bool:
        unread = self._good_at is None and not self._refused
        return bool(self._reasons - self._after_first if unread else self._reasons)

    async def _run(self) -> None:
        try:
            while True:
                if self._resting:
                    self._urgent.clear()
                    await self._urgent.wait()
                    continue
                self._urgent.clear()
                self._nudged.clear()
                if await self._read():
                    await self._rest()
        finally:
            if self._reading is not None:
                self._reading.cancel()

    async def _read(self) -> bool:
        """One read; False when its answer was dropped."""
        token = self._token
        self._reading = asyncio.ensure_future(self._fetch())
        try:
            answer = await self._reading
            if token != self._token:
                return False
            self._apply(answer)
        except asyncio.CancelledError:
            if token != self._token:
                return False
            raise
        except EngineError as error:
            if token != self._token:
                return False
            self._failed(error)
        except Exception as error:  # noqa: BLE001 - a bug in a reply or a reducer must not end the polling
            self._failed(None)
            self._broken(error)
        else:
            self._failures, self._error, self._refused, self._final = 0, "", False, False
            self._good_at = self._clock.monotonic()
        finally:
            self._reading = None
        return True

    def _failed(self, error: EngineError | None) -> None:
        """None: by a bug."""
        self._failures += 1
        self._error = error.sentences if error is not None else "internal error, see the log file"
        self._refused, self._final = isinstance(error, _REFUSALS), isinstance(error, _FINAL)

    async def _rest(self) -> None:
        base = None if self._final else self._interval()
        if base is None and self._failures and not self._final:
            base = NUDGE_GAP
        pause = None if base is None else min(base * 2 ** min(self._failures, _MOST_DOUBLED), max(MAX_BACKOFF, base))
        self._next_at = None if pause is None else self._clock.monotonic() + pause
        try:
            self._polled()
        except Exception as error:  # noqa: BLE001 - nor must a bug in what draws the answer
            self._broken(error)
        if pause is None:
            await self._nudged.wait()
            return
        gap = min(NUDGE_GAP, pause)
        if not await self._clock.wait(self._urgent, gap):
            waited = self._urgent if self._failures else self._nudged
            await self._clock.wait(waited, pause - gap)


class ChangeFeed:
    """Hands change notices on. Without any, polling alone keeps the screens current."""

    def __init__(self, clock: Clock, port: SystemPort) -> None:
        self._clock = clock
        self._port = port
        self._listeners: list[Callable[[Change], None]] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin listening."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End listening."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call ``listener`` with every notice; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def _run(self) -> None:
        never = asyncio.Event()
        while True:
            try:
                async for change in self._port.changes():
                    for listener in tuple(self._listeners):
                        listener(change)
            except EngineError:
                pass  # polling goes on regardless; a lost feed only means later news
            await self._clock.wait(never, FEED_PAUSE)
