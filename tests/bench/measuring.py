"""How anything here is measured: contenders take turns, every figure is a median over the turns, and the spread is told.

The machine changes its speed while a measurement goes on (another program, the disk, the clock). What is compared is therefore
measured in turns within one run, and what counts is the ratio of two figures of the same turn.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Verdict:
    """One budget of design/quality.md, and what was measured."""

    what: str
    budget: str
    measured: str
    met: bool
    note: str = ""


@dataclass(slots=True)
class Measurement:
    """What one module gives to the report: a table, the budgets it judges, and how it was done."""

    name: str
    title: str
    how: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    seconds: float = 0.0
    failed: str = ""
    """Why there are no figures."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Figures of one thing over the rounds of an interleaved measurement."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure that is reported."""
        return statistics.median(self.values)

    @property
    def spread(self) -> str:
        """The smallest and the largest, ``84-97``."""
        return f"{number(min(self.values))}-{number(max(self.values))}"

    def over(self, other: Sample) -> Sample:
        """Ratio to another contender, round by round: what the machine did to both cancels out."""
        return Sample(tuple(mine / theirs for mine, theirs in zip(self.values, other.values, strict=True)))


def percentile(values: Iterable[float], share: float) -> float:
    """The value that ``share`` (0..1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def number(value: float) -> str:
    """A figure for people: as many digits as it is good for."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


async def interleaved(
    contenders: Sequence[str], rounds: int, measure: Callable[[str], Awaitable[float]]
) -> dict[str, Sample]:
    """Measure each contender once per round. Every other round goes backwards, so that nobody always follows the same one."""
    values: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name in contenders if turn % 2 == 0 else reversed(contenders):
            values[name].append(await measure(name))
    return {name: Sample(tuple(figures)) for name, figures in values.items()}


async def in_flight(count: int, at_once: int, work: Callable[[], Awaitable[None]]) -> float:
    """Do ``work`` ``count`` times with ``at_once`` of them under way, and give the seconds all of it took."""
    free = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with free:
            await work()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())
    return time.perf_counter() - began


def best_of(repeats: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of some calls: for what runs in memory, where everything else only adds to it."""
    return min(seconds_of(work) for _ in range(repeats))


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    with stopwatch() as elapsed:
        work()
    return elapsed()


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Gives a function that tells the seconds since, or those of the whole block after its end."""
    began = time.perf_counter()
    ended: list[float] = []
    yield lambda: (ended[0] if ended else time.perf_counter()) - began
    ended.append(time.perf_counter())
