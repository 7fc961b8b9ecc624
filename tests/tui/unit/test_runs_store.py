"""The runs list keeps what was loaded while new runs come, change and leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake_run import FakeRun, new_run
from runstudio_tui.backend.fake_world import World
from runstudio_tui.clock import ManualClock, ServerTime
from runstudio_tui.domain.filter_text import parse_filter
from runstudio_tui.domain.models import RunId, RunStatus
from runstudio_tui.store.runs import PAGE_SIZE, RunsStore

START = datetime(2026, 1, 15, 12, tzinfo=UTC)


class Case:
    """A world of bare runs and a store over it."""

    def __init__(self, number: int) -> None:
        self.clock = ManualClock(START)
        self.world = World(self.clock)
        self.backend = FakeBackend(self.world, self.clock)
        self.store = RunsStore(self.backend, ServerTime(self.clock), UTC)
        self.made = 0
        for _ in range(number):
            self.add()

    def add(self, status: RunStatus = RunStatus.RUNNING) -> FakeRun:
        """One more run, newer than all before."""
        self.made += 1
        at = START - timedelta(hours=1) + timedelta(seconds=self.made)
        run = new_run(f"run-{self.made:06d}", "w", 1, at, {})
        run.change(at, status=status)
        self.world.runs[RunId(run.row.run_id)] = run
        return run

    async def poll(self) -> int:
        """One poll; returns how many rows were new."""
        return self.store.apply(await self.store.fetch())

    @property
    def ids(self) -> list[str]:
        """What the list holds, from the top."""
        return [self.store.id_at(place) for place in range(len(self.store))]

    @property
    def expected(self) -> list[str]:
        """What the world holds, from the top."""
        return [row.run_id for row in self.world.select(self.store.filter.resolve(START, UTC))]


async def test_pages_load_to_the_end() -> None:
    case = Case(250)
    await case.poll()
    assert case.ids == case.expected[:PAGE_SIZE]
    assert case.store.more
    while case.store.more:
        assert await case.store.load_more()
    assert case.ids == case.expected
    assert not await case.store.load_more()
    assert case.store.index_of("run-000001") == 249


async def test_new_runs_come_in_above_and_the_tail_stays() -> None:
    case = Case(250)
    await case.poll()
    await case.store.load_more()
    for _ in range(3):
        case.add()
    assert await case.poll() == 3
    assert case.ids == case.expected[:203]
    await case.store.load_more()
    assert case.ids == case.expected


async def test_more_new_runs_than_a_page_start_the_list_anew() -> None:
    case = Case(250)
    await case.poll()
    await case.store.load_more()
    for _ in range(PAGE_SIZE + 5):
        case.add()
    await case.poll()
    assert case.ids == case.expected[:PAGE_SIZE]
    while case.store.more:
        await case.store.load_more()
    assert case.ids == case.expected


async def test_rows_that_no_longer_match_leave() -> None:
    case = Case(250)
    case.store.set_filter(parse_filter("status:running"))
    await case.poll()
    await case.store.load_more()
    deep = RunId(case.ids[150])
    case.store.on_screen([deep])
    case.world.runs[RunId(case.ids[5])].change(START, status=RunStatus.SUCCEEDED)
    case.world.runs[deep].change(START, status=RunStatus.SUCCEEDED)
    await case.poll()
    assert case.ids == case.expected[: len(case.ids)]
    assert deep not in case.ids


async def test_rows_on_screen_far_down_are_read_again() -> None:
    case = Case(250)
    await case.poll()
    await case.store.load_more()
    deep = RunId(case.ids[150])
    case.world.runs[deep].change(START, status=RunStatus.FAILED)
    await case.poll()
    assert case.store.get(deep).status is RunStatus.RUNNING  # type: ignore[union-attr]  # it is loaded
    case.store.on_screen([deep])
    await case.poll()
    assert case.store.get(deep).status is RunStatus.FAILED  # type: ignore[union-attr]  # it is loaded


async def test_finished_rows_are_not_read_again() -> None:
    case = Case(250)
    await case.poll()
    await case.store.load_more()
    deep = RunId(case.ids[150])
    case.world.runs[deep].change(START, status=RunStatus.SUCCEEDED)
    case.store.on_screen([deep])
    await case.poll()
    await case.poll()
    assert len(case.backend.called("matching")) == 1


async def test_a_list_that_shrinks_to_one_page_forgets_its_tail() -> None:
    case = Case(150)
    await case.poll()
    await case.store.load_more()
    for key in list(case.world.runs)[:100]:
        del case.world.runs[key]
    await case.poll()
    assert case.ids == case.expected
    assert not case.store.more


@pytest.mark.parametrize("sort", ["started:asc", "updated:desc", "updated:asc"])
async def test_every_order_is_kept(sort: str) -> None:
    case = Case(250)
    case.store.set_filter(parse_filter(f"sort:{sort}"))
    await case.poll()
    await case.store.load_more()
    assert case.ids == case.expected[:200]
    case.world.runs[RunId(case.expected[120])].change(START, attempt=2)
    await case.poll()
    assert case.ids[:100] == case.expected[:100]
    assert len(case.ids) == len(set(case.ids))


async def test_a_page_for_an_old_filter_is_dropped() -> None:
    case = Case(250)
    await case.poll()
    gate = case.backend.hold("page")
    import asyncio

    loading = asyncio.create_task(case.store.load_more())
    await asyncio.sleep(0)
    case.store.set_filter(parse_filter("status:failed"))
    gate.set()
    assert not await loading
    assert case.ids == []


async def test_times_move_with_the_servers_clock() -> None:
    case = Case(3)
    case.store.set_filter(parse_filter("since:30m"))
    await case.poll()
    assert case.ids == []
    case.store.set_filter(replace(parse_filter("since:2h")))
    await case.poll()
    assert len(case.ids) == 3
