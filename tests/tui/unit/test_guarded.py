"""What a session may call of a backend: bugs behind it become errors, and a read-only session cannot change anything."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.errors import EngineError, Forbidden, NotFound, Unavailable
from engine.records import Change, ChangeKind, ExportFormat, RunFilter
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.job_ports import AlertsReading, JobsPort, JobsReading
from runstudio_tui.ports import (
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
from runstudio_tui.store.guarded import READ_SECONDS, GuardedBackend
from tests.tui.refusals import postgres_away

CLOCK = ManualClock(datetime(2026, 1, 15, tzinfo=UTC))
PORTS: dict[str, tuple[type, type]] = {
    "runs": (RunsPort, RunsReading),
    "workflows": (WorkflowsPort, WorkflowsReading),
    "events": (EventsPort, EventsReading),
    "tasks": (TasksPort, TasksReading),
    "schedules": (SchedulesPort, SchedulesReading),
    "quota": (QuotaPort, QuotaReading),
    "jobs": (JobsPort, JobsReading),
    "alerts": (AlertsReading, AlertsReading),
    "system": (SystemPort, SystemPort),
}
"""By group: what a session has of it, and what a read-only session has."""

STREAMS: dict[str, tuple[str, ...]] = {"changes": (), "export": ("given",), "export_list": ("given", "given")}
"""Methods that are iterators, with what they are given."""


def methods(port: type) -> set[str]:
    """Names of a protocol's methods, with those it inherits."""
    return {name for name, _ in inspect.getmembers(port, inspect.isfunction) if not name.startswith("_")}


READING = sorted((group, name) for group, (_, reading) in PORTS.items() for name in methods(reading))
CHANGING = sorted(
    (group, name) for group, (port, reading) in PORTS.items() for name in methods(port) - methods(reading)
)


def _stream(name: str) -> Any:
    async def stream(group: Group, *_given: object) -> AsyncIterator[str]:
        yield await group.__getattr__(name)()

    return stream


class Group:
    """A group with every method there could be; each notes that it was reached, or breaks."""

    def __init__(self, name: str, reached: list[str], error: Exception | None) -> None:
        self._name, self._reached, self._error = name, reached, error

    def __getattr__(self, name: str) -> Any:
        async def call(*_arguments: object, **_named: object) -> str:
            self._reached.append(f"{self._name}.{name}")
            if self._error is not None:
                raise self._error
            return name

        return call

    changes, export, export_list = _stream("changes"), _stream("export"), _stream("export_list")


class Everything:
    """A backend of such groups."""

    def __init__(self, error: Exception | None = None) -> None:
        self.reached: list[str] = []
        self.runs: Any = Group("runs", self.reached, error)
        self.workflows: Any = Group("workflows", self.reached, error)
        self.events: Any = Group("events", self.reached, error)
        self.tasks: Any = Group("tasks", self.reached, error)
        self.schedules: Any = Group("schedules", self.reached, error)
        self.quota: Any = Group("quota", self.reached, error)
        self.jobs: Any = Group("jobs", self.reached, error)
        self.alerts: Any = Group("alerts", self.reached, error)
        self.system: Any = Group("system", self.reached, error)
        whole: Any = Group("backend", self.reached, error)
        self.open, self.close = whole.open, whole.close


async def called(backend: GuardedBackend, group: str, name: str) -> object:
    """What a method answers; of an iterator, what it gives first."""
    method = getattr(getattr(backend, group), name)
    if name in STREAMS:
        return await anext(method(*STREAMS[name]))
    return await method("given", named="given")


def test_there_is_something_to_refuse_and_something_to_read() -> None:
    assert {("runs", "cancel"), ("runs", "start"), ("events", "submit"), ("tasks", "complete")} <= set(CHANGING)
    assert {group for group, _ in READING} == set(PORTS)


@pytest.mark.parametrize(("group", "name"), CHANGING)
async def test_a_read_only_session_can_change_nothing(group: str, name: str) -> None:
    behind = Everything()
    with pytest.raises(Forbidden) as refused:
        await called(GuardedBackend(behind, CLOCK, read_only=True), group, name)
    assert refused.value.code == "READ_ONLY"
    assert behind.reached == []
    await called(GuardedBackend(behind, CLOCK, read_only=False), group, name)
    assert behind.reached == [f"{group}.{name}"]


@pytest.mark.parametrize("group", sorted(set(PORTS) - {"system"}))
async def test_a_read_only_session_has_nothing_its_protocol_does_not_name(group: str) -> None:
    """``Engine``'s groups have more methods than the ports: a publish, a pause, a replay."""
    behind = Everything()
    for name in ("replay", "publish", "pause", "import_bundle", "made_up"):
        with pytest.raises(Forbidden):
            await called(GuardedBackend(behind, CLOCK, read_only=True), group, name)
    assert behind.reached == []


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize(("group", "name"), READING)
async def test_every_session_can_read(group: str, name: str, read_only: bool) -> None:
    behind = Everything()
    assert await called(GuardedBackend(behind, CLOCK, read_only=read_only), group, name) == name
    assert behind.reached == [f"{group}.{name}"]


@pytest.mark.parametrize(("group", "name"), [*READING, *CHANGING])
async def test_a_bug_becomes_an_error_and_is_logged(group: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    bug = KeyError("where it broke")
    with pytest.raises(EngineError) as told:
        await called(GuardedBackend(Everything(bug), CLOCK, read_only=False), group, name)
    assert (told.value.code, told.value.sentences) == (
        "INTERNAL_ERROR",
        "Internal error: KeyError. The log file has the rest.",
    )
    assert told.value.__cause__ is bug
    assert "where it broke" in caplog.text


@pytest.mark.parametrize("name", ["open", "close"])
async def test_a_bug_while_connecting_is_told_too(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(EngineError, match="INTERNAL_ERROR"):
        await getattr(GuardedBackend(Everything(OSError("no route")), CLOCK, read_only=False), name)()
    assert "no route" in caplog.text


@pytest.mark.parametrize(("group", "name"), [*READING, *CHANGING])
async def test_what_the_engine_says_itself_stays_as_it_is(
    group: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = postgres_away()
    with pytest.raises(EngineError) as told:
        await called(GuardedBackend(Everything(error), CLOCK, read_only=False), group, name)
    assert told.value is error
    assert caplog.text == ""


@pytest.fixture
def fake() -> FakeBackend:
    """The demo world."""
    return demo_backend(ManualClock(datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC)), past=10)


async def test_a_backend_behind_the_guard_answers_as_without_it(fake: FakeBackend) -> None:
    guarded = GuardedBackend(fake, CLOCK, read_only=True)
    await guarded.open()
    page = await guarded.runs.list(RunFilter(), limit=3)
    assert page == await fake.runs.list(RunFilter(), limit=3)
    assert await guarded.workflows.list() == await fake.workflows.list()
    assert (await guarded.system.session()).actor
    with pytest.raises(NotFound):
        await guarded.runs.get("nobody")
    with pytest.raises(Forbidden):
        await guarded.runs.cancel(page.rows[0].run_id, "a reason")
    assert fake.called("runs.cancel") == []
    await guarded.close()


async def test_notices_pass_one_by_one(fake: FakeBackend) -> None:
    changes = GuardedBackend(fake, CLOCK, read_only=False).system.changes()
    heard: asyncio.Queue[Change] = asyncio.Queue()

    async def listen() -> None:
        async for change in changes:
            heard.put_nowait(change)

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    await fake.runs.start("order-fulfilment", {"order_id": "ORD-1", "amount": 1, "lines": []})
    assert await heard.get() == Change(ChangeKind.RUN)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_a_read_that_is_not_answered_is_given_up_and_a_change_is_not() -> None:
    clock = ManualClock(datetime(2026, 1, 15, tzinfo=UTC))
    backend = demo_backend(clock)
    guarded = GuardedBackend(backend, clock, read_only=False)
    for name in ("runs.counts", "runs.cancel"):
        backend.hold(name)
    waiting = next(key for key, run in backend.world.runs.items() if not run.row.status.ended)
    counting = asyncio.create_task(guarded.runs.counts())
    canceling = asyncio.create_task(guarded.runs.cancel(waiting, "a reason"))
    await clock.advance(READ_SECONDS - 1)
    assert not counting.done()
    await clock.advance(2)
    with pytest.raises(Unavailable) as given_up:
        await counting
    assert given_up.value.code == "NO_ANSWER"
    assert not canceling.done()
    canceling.cancel()


async def test_a_stop_of_the_process_is_no_silence_of_the_server() -> None:
    clock = ManualClock(datetime(2026, 1, 15, tzinfo=UTC))
    backend = demo_backend(clock)
    held = backend.hold("runs.counts")
    guarded = GuardedBackend(backend, clock, read_only=False)
    counting = asyncio.create_task(guarded.runs.counts())
    await clock.advance(2)
    clock.stop_for(600)
    await clock.advance(0)
    assert not counting.done()
    await clock.advance(READ_SECONDS - 4)
    assert not counting.done()
    held.set()
    assert await counting == await backend.runs.counts()


async def test_every_piece_of_an_export_is_waited_for_as_long_as_a_read() -> None:
    clock = ManualClock(datetime(2026, 1, 15, tzinfo=UTC))
    backend = demo_backend(clock, past=600)
    guarded = GuardedBackend(backend, clock, read_only=True)
    parts = guarded.runs.export_list(RunFilter(), ExportFormat.NDJSON)
    first, second = await anext(parts), await anext(parts)
    assert (first.done, second.done) == (0, 250)
    await clock.advance(2 * READ_SECONDS)
    assert (await anext(parts)).done == 500
    backend.hold("runs.export_list")
    reading = asyncio.ensure_future(anext(parts))
    await clock.advance(READ_SECONDS - 1)
    assert not reading.done()
    await clock.advance(2)
    with pytest.raises(Unavailable) as given_up:
        await reading
    assert given_up.value.code == "NO_ANSWER"


async def test_an_export_of_nobody_is_refused_with_its_first_piece(fake: FakeBackend) -> None:
    with pytest.raises(NotFound):
        await anext(GuardedBackend(fake, CLOCK, read_only=True).runs.export("nobody"))
