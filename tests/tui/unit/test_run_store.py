"""One open run, and bodies fetched on demand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from engine.errors import NotFound
from engine.records import LogQuery, RunFilter, RunStatus, StepStatus
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock, ServerTime
from runstudio_tui.store.logs import LogsStore
from runstudio_tui.store.run import OnDemand, RunStore

START = datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def backend(clock: ManualClock) -> FakeBackend:
    return demo_backend(clock)


async def store_of(backend: FakeBackend, clock: ManualClock, workflow: str, status: RunStatus) -> RunStore:
    """A store over the newest run of a workflow in a state."""
    rows = (await backend.runs.list(RunFilter(workflow=workflow, statuses=frozenset({status})), limit=1)).rows
    return RunStore(backend, ServerTime(clock), rows[0].run_id)


async def test_steps_come_in_deltas(backend: FakeBackend, clock: ManualClock) -> None:
    store = await store_of(backend, clock, "stock-sync", RunStatus.RUNNING)
    store.apply(await store.fetch())
    before = len(store.executions)
    assert before > 100
    await clock.advance(10)
    answer = await store.fetch()
    assert 5 < sum(len(page.rows) for page in answer.pages) < 20
    store.apply(answer)
    assert before < len(store.executions) < before + 10
    assert len(backend.called("workflows.definition")) == 1


async def test_stuck_comes_and_goes_with_time(backend: FakeBackend, clock: ManualClock) -> None:
    store = await store_of(backend, clock, "order", RunStatus.RUNNING)
    assert not store.stuck
    store.apply(await store.fetch())
    assert store.stuck
    await clock.advance(80)
    store.apply(await store.fetch())
    assert not store.stuck
    assert len(store.executions) > 0


async def test_the_open_wait_belongs_to_its_step(backend: FakeBackend, clock: ManualClock) -> None:
    store = await store_of(backend, clock, "order", RunStatus.WAITING)
    store.apply(await store.fetch())
    focus = store.executions.focus()
    assert focus is not None
    assert focus.status is StepStatus.STARTED
    wait = store.open_wait_of(focus)
    assert wait is not None
    assert wait == store.open_wait
    assert wait.event_name == "carrier.picked_up"
    first = store.executions.at("root.steps[0]", "")[0]
    assert store.open_wait_of(first) is None


async def test_a_missing_definition_is_no_failure(backend: FakeBackend, clock: ManualClock) -> None:
    store = await store_of(backend, clock, "order", RunStatus.WAITING)
    backend.fail_next("workflows.definition", NotFound("NO_LONGER", "It is gone."))
    store.apply(await store.fetch())
    assert len(store.tree.lines(START, lambda _: False)) == len(store.executions)


async def test_a_body_that_is_no_longer_looked_at_is_dropped() -> None:
    gates = {"slow": asyncio.Event(), "fast": asyncio.Event()}
    gates["fast"].set()
    changes: list[int] = []

    async def fetch(key: object) -> str:
        await gates[str(key)].wait()
        return f"body of {key}"

    wanted: OnDemand[str] = OnDemand(fetch, lambda: changes.append(1), clock=ManualClock(START))
    wanted.look_at("slow")
    await asyncio.sleep(0)
    assert wanted.body is not None
    assert wanted.body.loading
    wanted.look_at("fast")
    for _ in range(5):
        await asyncio.sleep(0)
    gates["slow"].set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert wanted.body.value == "body of fast"
    assert len(changes) == 1


async def test_looking_again_keeps_what_is_there_when_it_fails() -> None:
    answers: list[str | Exception] = ["one", NotFound("NO_LONGER", "It is gone."), "one"]
    changes: list[int] = []

    async def fetch(_: object) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    wanted: OnDemand[str] = OnDemand(fetch, lambda: changes.append(1), clock=ManualClock(START))
    for _ in range(3):
        wanted.look_at("key", again=True)
        for _ in range(5):
            await asyncio.sleep(0)
        assert wanted.body is not None
        assert wanted.body.value == "one"
    assert wanted.body is not None
    assert wanted.body.error is None


async def test_logs_are_read_from_the_end_and_back(backend: FakeBackend, clock: ManualClock) -> None:
    run_id = next(iter(backend.world.runs))
    run = backend.world.runs[run_id]
    from engine.records import LogLevel

    for number in range(450):
        run.log(START, LogLevel.DEBUG if number % 2 else LogLevel.ERROR, f"line {number}")
    store = LogsStore(backend.runs, run_id)
    assert await store.read_new()
    assert [entry.message for entry in store.lines][-1] == "line 449"
    assert len(store.lines) == 200
    assert store.has_older
    assert await store.read_older()
    assert await store.read_older()
    assert not store.has_older
    assert len({entry.log_id for entry in store.lines}) == len(run.logs)
    assert not await store.read_new()
    run.log(START, LogLevel.INFO, "new")
    assert await store.read_new()
    assert store.lines[-1].message == "new"
    store.ask(LogQuery(LogLevel.ERROR, "LINE 4"))
    assert not store.loaded
    await store.read_new()
    assert {entry.level for entry in store.lines} == {LogLevel.ERROR}
    assert all("line 4" in entry.message for entry in store.lines)
