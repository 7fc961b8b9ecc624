"""The runs list keeps what was loaded while new runs come, change and leave."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.records import RunOrder, RunRow, RunStatus
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake.run import FakeRun, new_run
from runstudio_tui.backend.fake.world import World
from runstudio_tui.clock import ManualClock, ServerTime
from runstudio_tui.domain.filter_text import parse_filter
from runstudio_tui.store.runs import PAGE_SIZE, RunsAnswer, RunsStore

START = datetime(2026, 1, 15, 12, tzinfo=UTC)


class Case:
    """A world of bare runs and a store over it."""

    def __init__(self, number: int) -> None:
        self.clock = ManualClock(START)
        self.world = World(self.clock)
        self.backend = FakeBackend(self.world, self.clock)
        self.store = RunsStore(self.backend.runs, ServerTime(self.clock), UTC)
        self.made = 0
        for _ in range(number):
            self.add()

    def add(self, status: RunStatus = RunStatus.RUNNING, updated: datetime | None = None) -> FakeRun:
        """One more run, newer than all before; changed when it was started, or later."""
        self.made += 1
        at = START - timedelta(hours=1) + timedelta(seconds=self.made)
        run = new_run(f"run-{self.made:06d}", "w", 1, at, {})
        run.change(updated or at, status=status)
        self.world.runs[run.row.run_id] = run
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
    deep = case.ids[150]
    case.store.on_screen([deep])
    case.world.runs[case.ids[5]].change(START, status=RunStatus.SUCCEEDED)
    case.world.runs[deep].change(START, status=RunStatus.SUCCEEDED)
    await case.poll()
    assert case.ids == case.expected[: len(case.ids)]
    assert deep not in case.ids


async def test_rows_on_screen_far_down_are_read_again() -> None:
    case = Case(250)
    await case.poll()
    await case.store.load_more()
    deep = case.ids[150]
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
    deep = case.ids[150]
    case.world.runs[deep].change(START, status=RunStatus.SUCCEEDED)
    case.store.on_screen([deep])
    await case.poll()
    await case.poll()
    assert len(case.backend.called("runs.matching")) == 1


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
    case.world.runs[case.expected[120]].change(START, attempt=2)
    await case.poll()
    assert case.ids[:100] == case.expected[:100]
    assert len(case.ids) == len(set(case.ids))


async def test_a_page_for_an_old_filter_is_dropped() -> None:
    case = Case(250)
    await case.poll()
    gate = case.backend.hold("runs.list")
    loading = asyncio.create_task(case.store.load_more())
    await asyncio.sleep(0)
    case.store.set_filter(parse_filter("status:failed"))
    gate.set()
    assert not await loading
    assert case.ids == []


async def test_a_page_of_a_list_that_began_anew_is_dropped() -> None:
    case = Case(250)
    await case.poll()
    gate = case.backend.hold("runs.list")
    loading = asyncio.create_task(case.store.load_more())
    await asyncio.sleep(0)
    for _ in range(PAGE_SIZE + 5):
        case.add()
    polling = asyncio.create_task(case.poll())
    gate.set()
    await polling
    await loading
    assert case.ids == case.expected[: len(case.ids)]


async def test_times_move_with_the_servers_clock() -> None:
    case = Case(3)
    case.store.set_filter(parse_filter("since:30m"))
    await case.poll()
    assert case.ids == []
    case.store.set_filter(replace(parse_filter("since:2h")))
    await case.poll()
    assert len(case.ids) == 3


async def test_s4_a_relative_time_is_of_one_moment_to_the_end_and_what_ages_out_leaves() -> None:
    case = Case(350)
    case.store.set_filter(parse_filter("since:1h"))
    await case.poll()
    while case.store.more:
        await case.clock.advance(4)
        await case.store.load_more()
        await case.poll()
    assert case.clock.now() > START
    assert len({call.arguments[0] for call in case.backend.called("runs.list")}) == 1, "cursors belong to one question"
    still = case.world.select(case.store.filter.resolve(case.clock.now(), UTC))
    assert case.ids == [row.run_id for row in still]
    assert 100 < len(case.ids) < 350


class Model:
    """What the list must hold, kept as a set of places that is sorted whenever somebody looks."""

    def __init__(self, case: Case, order: RunOrder) -> None:
        self.case, self.order = case, order
        self.places: dict[str, tuple[datetime, str]] = {}
        self.next: str | None = None
        self.last_page: str | None = None

    def ids(self) -> list[str]:
        return sorted(self.places, key=self.places.__getitem__, reverse=self.order.descending)

    def of(self, rows: tuple[RunRow, ...]) -> dict[str, tuple[datetime, str]]:
        return {row.run_id: (row.started_at if self.order.by_start else row.updated_at, row.run_id) for row in rows}

    def poll(self, answer: RunsAnswer) -> int:
        head = self.of(answer.page.rows)
        last = (min if self.order.descending else max)(head.values())
        new = len(head.keys() - self.places.keys())
        after = {
            key: place
            for key, place in self.places.items()
            if answer.page.next and (place < last if self.order.descending else place > last)
        }
        tail = {key: place for key, place in after.items() if key not in head}
        if len(after) == len(self.places):
            tail = {}
        if not tail:
            self.next, self.last_page = answer.page.next, None
        elif self.next is None and not self.order.descending:
            self.next = self.last_page
        gone = set(answer.asked) - {row.run_id for row in answer.matching} if answer.matching else set()
        self.places = {key: place for key, place in {**tail, **head}.items() if key not in gone}
        return new

    async def more(self) -> None:
        if self.next is not None:
            query = self.case.store.filter.resolve(START, UTC)
            page = await self.case.backend.runs.list(query, after=self.next, limit=PAGE_SIZE)
            self.last_page, self.next = self.next, page.next
            self.places |= self.of(page.rows)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 120)),
        st.tuples(st.just("end"), st.integers(0, 10_000)),
        st.tuples(st.just("touch"), st.integers(0, 10_000)),
        st.tuples(st.just("vanish"), st.integers(0, 10_000)),
        st.tuples(st.just("more"), st.just(0)),
        st.tuples(st.just("poll"), st.integers(0, 10_000)),
        st.tuples(st.just("slow poll"), st.integers(0, 10_000)),
    ),
    max_size=20,
)
FILTERS = ["", "status:running", "sort:started:asc", "sort:updated:desc", "status:running sort:updated:asc"]


@settings(max_examples=40, deadline=None)
@given(STEPS, st.sampled_from(FILTERS), st.integers(0, 3))
def test_whatever_happens_the_list_is_that_of_a_simple_model(
    steps: list[tuple[str, int]], filter_text: str, pages: int
) -> None:
    async def play() -> None:
        case = Case(330)
        case.store.set_filter(parse_filter(filter_text))
        model = Model(case, case.store.filter.query.order)

        async def poll(seen: Sequence[str], *, slow: bool) -> None:
            case.store.on_screen(seen)
            gate = case.backend.hold("runs.matching")
            reading = asyncio.create_task(case.store.fetch())
            await asyncio.sleep(0)
            if slow and seen:  # it changes after the page was read and before the rows on screen are
                case.world.runs[seen[-1]].change(at, attempt=2)
            gate.set()
            answer = await reading
            first = not case.store.loaded
            new = model.poll(answer)
            assert case.store.apply(answer) == (0 if first else new)

        at = START
        await poll((), slow=False)
        for what, how in [*[("more", 0)] * pages, *steps, ("poll", 0)]:
            keys = list(case.world.runs)
            at += timedelta(seconds=1)
            match what:
                case "add":
                    for _ in range(how):
                        case.add(updated=at)
                case "end":
                    case.world.runs[keys[how % len(keys)]].change(at, status=RunStatus.SUCCEEDED)
                case "touch":
                    case.world.runs[keys[how % len(keys)]].change(at, attempt=3)
                case "vanish":
                    del case.world.runs[keys[how % len(keys)]]
                case "more":
                    await case.store.load_more()
                    await model.more()
                case _:
                    place = how % max(len(case.store), 1)
                    seen = [key for key in case.ids[place : place + 20] if key in case.world.runs]
                    await poll(seen, slow=what == "slow poll")
            assert case.ids == model.ids()
            assert case.store.more == (model.next is not None)
            assert [case.store.index_of(key) for key in case.ids] == list(range(len(case.store)))
            assert all(case.store.get(key) is not None for key in case.ids)
        while case.store.more:
            await case.store.load_more()
        assert set(case.expected) <= set(case.ids)

    asyncio.run(play())
