"""The poller: single-flight, back-off, pauses, and answers that come too late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from engine.errors import Invalid
from engine.records import Change, ChangeKind
from runstudio_tui.backend.fake.calls import Calls
from runstudio_tui.backend.fake.system import FakeSystem
from runstudio_tui.backend.fake.world import World
from runstudio_tui.clock import ManualClock
from runstudio_tui.store.feed import ChangeFeed, Poller
from tests.tui.refusals import level_taken_away, postgres_away

START = datetime(2026, 1, 15, 12, tzinfo=UTC)


class Source:
    """A question with an answer that can be held back."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.asked = 0
        self.applied: list[int] = []
        self.polled = 0
        self.drawing_breaks = False
        self.bugs: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.errors: list[Exception] = []
        self.interval: float | None = 4.0
        self.running = 0
        self.poller: Poller[int] = Poller(
            clock=self.clock,
            fetch=self.fetch,
            apply=self.applied.append,
            interval=lambda: self.interval,
            polled=self._polled,
            broken=self.bugs.append,
        )

    def _polled(self) -> None:
        self.polled += 1
        if self.drawing_breaks:
            raise ValueError("a bug in what draws")

    async def fetch(self) -> int:
        """One read."""
        self.running += 1
        assert self.running == 1, "two reads at once"
        self.asked += 1
        number = self.asked
        try:
            await self.gate.wait()
            if self.errors:
                raise self.errors.pop(0)
        finally:
            self.running -= 1
        return number


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    """A source whose poller is stopped in the end."""
    made = Source()
    yield made
    await made.poller.stop()


async def test_reads_at_once_then_every_interval(source: Source) -> None:
    source.poller.start()
    await source.clock.advance(0)
    assert source.applied == [1]
    await source.clock.advance(3.9)
    assert source.applied == [1]
    await source.clock.advance(0.2)
    assert source.applied == [1, 2]


async def test_the_next_read_waits_for_the_last_answer(source: Source) -> None:
    source.gate.clear()
    source.poller.start()
    await source.clock.advance(60)
    assert source.asked == 1
    source.gate.set()
    await source.clock.advance(4.1)
    assert source.applied == [1, 2]


async def test_failures_back_off_and_keep_the_age(source: Source) -> None:
    source.poller.start()
    await source.clock.advance(0)
    source.errors = [postgres_away()] * 5
    moments = []
    for _ in range(120):
        before = source.asked
        await source.clock.advance(1)
        if source.asked != before:
            moments.append(round(source.clock.monotonic() - 1000))
    assert moments[:5] == [4, 12, 28, 58, 88]
    assert source.poller.freshness.failures == 0
    assert source.poller.freshness.error == ""


async def test_an_outage_of_a_night_does_not_end_the_polling(source: Source) -> None:
    """After nine hours at one read in half a minute the pause was a number too large, and the screen was never read again."""
    source.errors = [postgres_away() for _ in range(1100)]
    source.poller.start()
    for _ in range(1100):
        await source.clock.advance(30)
    assert not source.errors
    await source.clock.advance(60)
    assert source.applied
    assert source.poller.freshness.failures == 0


async def test_what_is_forbidden_is_asked_again_and_what_cannot_be_is_not(source: Source) -> None:
    """A level is given back while the studio is open; a filter that means nothing never means something."""
    source.errors = [level_taken_away()]
    source.poller.start()
    await source.clock.advance(0)
    assert source.poller.freshness.refused
    await source.clock.advance(30)
    assert source.applied
    assert not source.poller.freshness.refused
    source.errors = [Invalid("FILTER_INVALID", "This filter means nothing.")]
    await source.clock.advance(4)
    asked = source.asked
    await source.clock.advance(600)
    assert source.asked == asked


async def test_freshness_says_how_old_and_when_again(source: Source) -> None:
    source.poller.start()
    await source.clock.advance(0)
    source.errors = [postgres_away()] * 2
    await source.clock.advance(10)
    fresh = source.poller.freshness
    assert fresh.failures == 1
    assert fresh.age == pytest.approx(10)
    assert fresh.error == postgres_away().sentences
    assert fresh.retry_in == pytest.approx(2)


async def test_refresh_now_also_breaks_the_back_off(source: Source) -> None:
    source.errors = [postgres_away()] * 1
    source.poller.start()
    await source.clock.advance(0)
    assert source.applied == []
    source.poller.refresh_now()
    await source.clock.advance(0)
    assert source.applied == [2]


async def test_nudges_read_early_but_not_often(source: Source) -> None:
    source.poller.start()
    await source.clock.advance(0)
    for _ in range(30):
        source.poller.nudge()
        await source.clock.advance(0.1)
    assert source.asked in (3, 4)


async def test_a_nudge_does_not_break_the_back_off(source: Source) -> None:
    source.errors = [postgres_away()] * 3
    source.poller.start()
    await source.clock.advance(0)
    source.poller.nudge()
    await source.clock.advance(2)
    assert source.asked == 1


async def test_an_answer_to_an_old_question_is_dropped(source: Source) -> None:
    source.gate.clear()
    source.poller.start()
    await source.clock.advance(0)
    source.poller.retarget()
    source.gate.set()
    await source.clock.advance(0)
    assert source.applied == [2]


async def test_a_failure_of_an_old_question_is_no_failure(source: Source) -> None:
    source.gate.clear()
    source.errors = [postgres_away()]
    source.poller.start()
    await source.clock.advance(0)
    source.gate.set()
    await asyncio.sleep(0)
    assert not source.errors, "it has failed, and nobody has looked yet"
    source.poller.retarget()
    await source.clock.advance(0)
    assert (source.applied, source.polled, source.poller.freshness.failures) == ([2], 1, 0)


async def test_pauses_add_up(source: Source) -> None:
    source.poller.start()
    await source.clock.advance(0)
    source.poller.pause("hidden")
    source.poller.pause("by hand")
    await source.clock.advance(20)
    assert source.asked <= 2
    asked = source.asked
    source.poller.go_on("hidden")
    await source.clock.advance(20)
    assert source.asked == asked
    source.poller.go_on("by hand")
    await source.clock.advance(0)
    assert source.asked == asked + 1


async def test_without_an_interval_it_reads_only_when_asked(source: Source) -> None:
    source.interval = None
    source.poller.start()
    await source.clock.advance(3600)
    assert source.asked == 1
    source.poller.nudge()
    await source.clock.advance(0)
    assert source.asked == 2


async def test_a_failed_read_without_interval_is_tried_again(source: Source) -> None:
    source.interval = None
    source.errors = [postgres_away()]
    source.poller.start()
    await source.clock.advance(5)
    assert source.applied == [2]


async def test_a_bug_is_reported_and_polling_goes_on(source: Source) -> None:
    source.errors = [KeyError("oops")]
    source.poller.start()
    await source.clock.advance(0)
    assert [type(bug) for bug in source.bugs] == [KeyError]
    await source.clock.advance(9)
    assert source.applied == [2]


async def test_a_bug_in_what_draws_the_answer_is_reported_and_polling_goes_on(source: Source) -> None:
    source.drawing_breaks = True
    source.poller.start()
    await source.clock.advance(4.5)
    assert [str(bug) for bug in source.bugs] == ["a bug in what draws"] * 2
    source.drawing_breaks = False
    await source.clock.advance(4)
    assert source.applied == [1, 2, 3]


async def test_stopping_ends_a_read_on_its_way(source: Source) -> None:
    source.gate.clear()
    source.poller.start()
    await source.clock.advance(0)
    await source.poller.stop()
    assert source.running == 0


class Feed(FakeSystem):
    """Gives one notice, then breaks."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(Calls(World(clock), clock))
        self.opened = 0

    async def changes(self) -> AsyncIterator[Change]:
        """See SystemPort."""
        self.opened += 1
        yield Change(ChangeKind.RUN)
        raise postgres_away()


async def test_a_broken_feed_is_opened_again_later() -> None:
    clock = ManualClock(START)
    port = Feed(clock)
    feed = ChangeFeed(clock, port)
    heard: list[Change] = []
    stop = feed.listen(heard.append)
    feed.start()
    await clock.advance(0)
    assert len(heard) == 1
    await clock.advance(31)
    assert (port.opened, len(heard)) == (2, 2)
    stop()
    await clock.advance(31)
    assert (port.opened, len(heard)) == (3, 2)
    await feed.stop()
