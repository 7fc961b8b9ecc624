"""The parts of a worker process: each runs until the process stops, and a part that fails is started again.

A part tells when it succeeded; the process is ready while every part has done so lately, and not ready again as soon as one
has not. A part is starting until its first success or failure; one that has not succeeded for too long is failing, be it that
it hangs or that its first success never comes.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import structlog

from engine.errors import EngineError
from engine.values.timestamps import iso_milliseconds
from engine.worker.log_lines import describe_failure

_LOG: Final = structlog.get_logger("runstudio.worker")

FIRST_RESTART_SECONDS: Final = 1.0
LAST_RESTART_SECONDS: Final = 30.0
AFTER_FAILURE_SECONDS: Final = 15.0
"""Until a part tries again what was refused, however seldom it does it otherwise."""

State = Literal["starting", "running", "failing", "stopped"]


@dataclass(slots=True)
class PartReport:
    """What a part says of itself, and how it learns that it is to stop."""

    name: str
    fresh_seconds: float
    stopping: asyncio.Event
    state: State = "starting"
    detail: str = ""
    """Why it is failing, or what it waits for while it is starting; one sentence."""
    last_success: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """What else is worth knowing of it, in JSON."""
    _silent_since: float = field(default_factory=time.monotonic, repr=False)
    """The last success, or the start; by a clock that no setting of the time moves."""

    def succeeded(self) -> None:
        """The part has just done its work."""
        if self.state == "failing":
            _LOG.info("part works again", part=self.name)
        self.state, self.detail = "running", ""
        self.last_success, self._silent_since = datetime.now(UTC), time.monotonic()

    def not_yet(self, reason: str) -> None:
        """The part has not succeeded, and nothing is wrong as long as it is starting; afterwards the same as ``failed``."""
        if self.state == "starting":
            if self.detail != reason:
                _LOG.info("part is starting", part=self.name, reason=reason)
            self.detail = reason
        else:
            self.failed(reason)

    def failed(self, reason: str) -> None:
        """The part could not do its work; it goes on trying."""
        if self.state != "failing" or self.detail != reason:
            _LOG.warning("part is failing", part=self.name, reason=reason)
        self.state, self.detail = "failing", reason

    @property
    def ready(self) -> bool:
        """Whether it works and has succeeded lately."""
        return self.state == "running" and self._fresh_for() >= 0

    async def notice_silence(self) -> None:
        """Fail it when it has not succeeded for ``fresh_seconds``, at first counted from now; until the process stops."""
        self._silent_since = time.monotonic()
        while not self.stopping.is_set():
            remaining = self._fresh_for()
            if remaining < 0 and self.state in {"starting", "running"}:
                self.failed(self.detail or f"It has not succeeded for {self.fresh_seconds:g} s.")
            await self.pause(remaining if remaining > 0 else self.fresh_seconds)

    def _fresh_for(self) -> float:
        """Seconds until it has gone without success for too long; negative afterwards."""
        return self._silent_since + self.fresh_seconds - time.monotonic()

    async def pause(self, seconds: float) -> None:
        """Sleep, or less when the process stops."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return

    async def repeat(self, seconds: float | Callable[[], float], work: Callable[[], Awaitable[None]]) -> None:
        """Do ``work`` at once and then every so many seconds, until the process stops.

        A refusal is reported, not raised, and the work is tried again soon: a part is not ready until it has worked.
        """
        while not self.stopping.is_set():
            longest = math.inf
            try:
                await work()
            except EngineError as error:
                self.failed(error.message)
                longest = AFTER_FAILURE_SECONDS
            else:
                self.succeeded()
            await self.pause(min(longest, seconds() if callable(seconds) else seconds))

    def to_json(self) -> dict[str, Any]:
        """``{state, ready, lastSuccess, detail?}``, and the facts."""
        at = self.last_success
        value: dict[str, Any] = {
            "state": self.state,
            "ready": self.ready,
            "lastSuccess": at and iso_milliseconds(at),
            **self.facts,
        }
        return {**value, "detail": self.detail} if self.detail else value


@dataclass(frozen=True, slots=True)
class Part:
    """One thing a worker process does."""

    name: str
    """As in ``/health``: ``temporal``, ``eventStream``, ..."""
    run: Callable[[PartReport], Awaitable[None]]
    """Returns when ``report.stopping`` is set; until then only by an exception, after which it is called again."""
    fresh_seconds: float
    """After this long without a success, be it the first, the part counts as failing."""


class Parts:
    """Runs parts side by side."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = tuple(parts)
        self._stopping = asyncio.Event()
        self.reports = tuple(PartReport(part.name, part.fresh_seconds, self._stopping) for part in self._parts)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> bool:
        """Whether every part works."""
        return all(report.ready for report in self.reports)

    def to_json(self) -> dict[str, Any]:
        """The reports by the parts' names."""
        return {report.name: report.to_json() for report in self.reports}

    def start(self) -> None:
        """Begin."""
        for part, report in zip(self._parts, self.reports, strict=True):
            self._tasks.append(asyncio.create_task(_watched(part, report), name=part.name))

    async def stop(self, seconds: float) -> list[str]:
        """Tell all parts to stop and wait for them; the names of those that were not done in time, which are cut off."""
        self._stopping.set()
        if not self._tasks:
            return []
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            task.cancel()
        return [task.get_name() for task in late]


async def _watched(part: Part, report: PartReport) -> None:
    watch = asyncio.create_task(report.notice_silence())
    try:
        await _supervise(part, report)
    finally:
        watch.cancel()


async def _supervise(part: Part, report: PartReport) -> None:
    pause = FIRST_RESTART_SECONDS
    while not report.stopping.is_set():
        began = time.monotonic()
        try:
            await part.run(report)
        except EngineError as error:
            report.failed(error.message)
        except Exception as error:  # noqa: BLE001 # a part's unforeseen failure must not take the other parts with it
            _LOG.error("part broke", part=part.name, **describe_failure(error))
            report.failed(f"It broke with {type(error).__name__}; the log says where.")
        if time.monotonic() - began > LAST_RESTART_SECONDS:
            pause = FIRST_RESTART_SECONDS
        await report.pause(pause)
        pause = min(pause * 2, LAST_RESTART_SECONDS)
    report.state = "stopped"
