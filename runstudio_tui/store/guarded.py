"""What a session may call of a backend: a bug behind it becomes an error, and a read-only session has only what reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NoReturn, cast

from engine.advice import PARTS
from engine.errors import EngineError, Forbidden, Unavailable
from engine.records import Change, ExportFormat, ExportPart, RunFilter
from runstudio_tui.clock import Clock
from runstudio_tui.job_ports import AlertsReading, JobsPort, JobsReading
from runstudio_tui.ports import (
    Backend,
    EventsPort,
    EventsReading,
    QuotaPort,
    QuotaReading,
    RunsPort,
    RunsReading,
    SchedulesPort,
    SchedulesReading,
    SystemPort,
    TasksPort,
    TasksReading,
    WorkflowsPort,
    WorkflowsReading,
)

READ_SECONDS: Final = 10
"""Longest a read may take, in seconds in which this process ran."""

_log = logging.getLogger(__name__)


@contextmanager
def _bugs_told() -> Iterator[None]:
    """Logs what is no ``EngineError``, and raises it as one (INTERNAL_ERROR)."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        _log.exception("the engine failed")
        told = f"Internal error: {type(error).__name__}."
        raise EngineError("INTERNAL_ERROR", told, "The log file has the rest.") from error


class _Guarded:
    """A group of a backend. Of a read-only session, the methods that ``reading`` does not name are refused."""

    def __init__(self, group: object, reading: type, clock: Clock, *, read_only: bool) -> None:
        self._group = group
        self._reading = reading
        self._clock = clock
        self._read_only = read_only

    def __getattr__(self, name: str) -> Any:
        reads = hasattr(self._reading, name)
        if self._read_only and not reads:
            return _refused
        method = _guarded(getattr(self._group, name))
        return _within(method, self._clock) if reads else method


async def _refused(*_arguments: object, **_named: object) -> NoReturn:
    raise Forbidden("READ_ONLY", "Read-only session.", "Open the studio without --read-only to change something.")


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*arguments: Any, **named: Any) -> Any:
        with _bugs_told():
            return await method(*arguments, **named)

    return call


def _within(method: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    """``method``, given up after ``READ_SECONDS``: a server that stands still must not look like one that has nothing new."""

    async def call(*arguments: Any, **named: Any) -> Any:
        answered = asyncio.Event()
        reading = asyncio.ensure_future(method(*arguments, **named))
        reading.add_done_callback(lambda _: answered.set())
        try:
            if not await _in_time(answered, clock):
                raise Unavailable(
                    "NO_ANSWER",
                    f"No answer within {READ_SECONDS} s.",
                    f"It is asked again. {PARTS.to('See how the parts are')}",
                )
            return await reading
        finally:
            reading.cancel()

    return call


async def _in_time(answered: asyncio.Event, clock: Clock) -> bool:
    """Whether there is an answer within ``READ_SECONDS``.

    They are counted one by one: a stop of this process, by ctrl+z or for an editor, is no silence of the server and counts as one
    of them, however long it was.
    """
    for _ in range(READ_SECONDS):
        if await clock.wait(answered, 1.0):
            return True
    return False


async def _parts(parts: AsyncIterator[ExportPart], clock: Clock) -> AsyncIterator[ExportPart]:
    """``parts``, each given up as a read is."""
    ended = object()
    following = _within(lambda: anext(parts, ended), clock)
    with _bugs_told():
        while (part := await following()) is not ended:
            try:
                yield part
            except GeneratorExit:
                if isinstance(parts, AsyncGenerator):
                    await parts.aclose()
                raise


class _GuardedRuns(_Guarded):
    """The group of runs: two of its methods, which only read, are iterators."""

    def __init__(self, group: RunsPort, clock: Clock, *, read_only: bool) -> None:
        super().__init__(group, RunsReading, clock, read_only=read_only)
        self._runs = group

    def export(self, run_id: str) -> AsyncIterator[ExportPart]:
        """See RunsReading."""
        return _parts(self._runs.export(run_id), self._clock)

    def export_list(self, which: RunFilter | Sequence[str], form: ExportFormat) -> AsyncIterator[ExportPart]:
        """See RunsReading."""
        return _parts(self._runs.export_list(which, form), self._clock)


class _GuardedSystem(_Guarded):
    """The system group: it has nothing that changes anything, and one method that is an iterator."""

    def __init__(self, group: SystemPort, clock: Clock) -> None:
        super().__init__(group, SystemPort, clock, read_only=False)
        self._changes = group.changes

    async def changes(self) -> AsyncIterator[Change]:
        """See SystemPort."""
        with _bugs_told():
            async for change in self._changes():
                yield change


class GuardedBackend:
    """A backend as a session uses it."""

    def __init__(self, backend: Backend, clock: Clock, *, read_only: bool) -> None:
        self._backend = backend
        self.runs = cast(RunsPort, _GuardedRuns(backend.runs, clock, read_only=read_only))
        self.workflows = cast(WorkflowsPort, _Guarded(backend.workflows, WorkflowsReading, clock, read_only=read_only))
        self.events = cast(EventsPort, _Guarded(backend.events, EventsReading, clock, read_only=read_only))
        self.tasks = cast(TasksPort, _Guarded(backend.tasks, TasksReading, clock, read_only=read_only))
        self.schedules = cast(SchedulesPort, _Guarded(backend.schedules, SchedulesReading, clock, read_only=read_only))
        self.quota = cast(QuotaPort, _Guarded(backend.quota, QuotaReading, clock, read_only=read_only))
        self.jobs = cast(JobsPort, _Guarded(backend.jobs, JobsReading, clock, read_only=read_only))
        self.alerts = cast(AlertsReading, _Guarded(backend.alerts, AlertsReading, clock, read_only=read_only))
        self.system = cast(SystemPort, _GuardedSystem(backend.system, clock))

    async def open(self) -> None:
        """See Backend."""
        with _bugs_told():
            await self._backend.open()

    async def close(self) -> None:
        """See Backend."""
        with _bugs_told():
            await self._backend.close()
