"""The parts of a worker process: each runs until the process stops, and a part that fails is started again.

A part tells when it succeeded; the process is ready while every part has done so lately, and not ready again as soon as one
has not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import structlog

from engine.errors import EngineError
from engine.worker.log_lines import describe_failure

_LOG: Final = structlog.get_logger("runstudio.worker")

FIRST_RESTART_SECONDS: Final = 1.0
LAST_RESTART_SECONDS: Final = 30.0

State = Literal["starting", "running", "failing", "stopped"]


@dataclass(slots=True)
class PartReport:
    """What a part says of itself, and how it learns that it is to stop."""

    name: str
    fresh_seconds: float
    stopping: asyncio.Event
    state: State = "starting"
    detail: str = ""
    """Why it is failing, one sentence."""
    last_success: datetime | None = None
    _succeeded_at: float = field(default=-1.0, repr=False)
    """``time.monotonic()``, which no clock change moves."""

    def succeeded(self) -> None:
        """The part has just done its work."""
        if self.state == "failing":
            _LOG.info("part works again", part=self.name)
        self.state, self.detail = "running", ""
        self.last_success, self._succeeded_at = datetime.now(UTC), time.monotonic()

    def failed(self, reason: str) -> None:
        """The part could not do its work; it goes on trying."""
        if self.detail != reason:
            _LOG.warning("part is failing", part=self.name, reason=reason)
        self.state, self.detail = "failing", reason

    @property
    def ready(self) -> bool:
        """Whether it works and has succeeded lately."""
        fresh = self._succeeded_at >= 0 and time.monotonic() - self._succeeded_at <= self.fresh_seconds
        return self.state == "running" and fresh

    async def pause(self, seconds: float) -> None:
        """Sleep, or less when the process stops."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return

    async def repeat(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do ``work`` at once and then every so many seconds, until the process stops. Refusals are reported, not raised."""
        while not self.stopping.is_set():
            try:
                await work()
            except EngineError as error:
                self.failed(error.message)
            else:
                self.succeeded()
            await self.pause(seconds)

    def to_json(self) -> dict[str, Any]:
        """``{state, ready, lastSuccess, detail?}``."""
        at = self.last_success
        value: dict[str, Any] = {
            "state": self.state,
            "ready": self.ready,
            "lastSuccess": at and at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
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
    """After this long without success the part counts as not working."""


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
            self._tasks.append(asyncio.create_task(_supervise(part, report), name=part.name))

    async def stop(self, seconds: float) -> list[str]:
        """Tell all parts to stop and wait for them; the names of those that were not done in time, which are cut off."""
        self._stopping.set()
        if not self._tasks:
            return []
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            task.cancel()
        return [task.get_name() for task in late]


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
