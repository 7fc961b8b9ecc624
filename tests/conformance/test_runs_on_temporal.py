"""Every case of kind run and event-ingest on a real Temporal server and a real Postgres.

The cases are played side by side, each as a tenant of its own; a test waits for the play of its case and judges it. Cases that
need more than two seconds of time are played one after another on the time-skipping server, whose clock is one for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client

from engine.devstack.postgres import EmbeddedPostgres
from engine.devstack.time_skipping import TimeSkipping
from tests.conformance.disputed import corrected
from tests.conformance.expectations import differences, overruled
from tests.conformance.loader import DEFAULT_DIRECTORY, Case, case_directory, load_cases
from tests.conformance.observed import Json, Observed
from tests.conformance.on_temporal import NotRunnable, Overtaken, TemporalHost, needs_skipping
from tests.conformance.temporal_world import RealClock, SkippingClock, TemporalWorld, temporal_world

CASES = load_cases("run", "event-ingest")
REAL, SKIPPING = "Temporal", "Temporal, skipping time"
AT_ONCE = 6
TRIES = 3

NOT_RUNNABLE: dict[str, str] = {}
"""Cases of the copy kept beside the tests that the host cannot run, and why. A case may neither join nor leave unnoticed."""

Record = Callable[[str, object], None]


@dataclass(frozen=True, slots=True)
class Played:
    """How the play of a case ended."""

    expect: Json
    reasons: list[str]
    """Why the case was corrected."""
    observed: Observed | None
    not_run: str | None


class Plays:
    """Plays cases, as many at once as two cores can serve."""

    def __init__(self, worlds: dict[str, TemporalWorld]) -> None:
        self._worlds = worlds
        self._free = {REAL: asyncio.Semaphore(AT_ONCE), SKIPPING: asyncio.Semaphore(1)}
        self._again = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[Played]] = {}

    def begin(self, case: Case) -> None:
        self._tasks[case.id] = asyncio.create_task(self._play(case))

    async def of(self, case: Case) -> Played:
        """The play of the case, when it is over."""
        return await self._tasks[case.id]

    async def end(self) -> None:
        """Stop what is still played."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _play(self, case: Case) -> Played:
        data, reasons = corrected(case)
        server = server_of(case)
        try:
            async with self._free[server]:
                observed = await self._patiently(self._worlds[server], data)
        except NotRunnable as reason:
            return Played(data["expect"], reasons, None, str(reason))
        return Played(data["expect"], reasons, observed, None)

    async def _patiently(self, world: TemporalWorld, data: dict[str, Any]) -> Observed:
        """A busy machine may be too slow for the clock; then the case is played again, in a quieter moment."""
        for _ in range(TRIES - 1):
            try:
                return await TemporalHost(world, data).play()
            except Overtaken:
                await self._again.acquire()
                self._again.release()
        async with self._again:
            return await TemporalHost(world, data).play()


def server_of(case: Case) -> str:
    return SKIPPING if needs_skipping(case.data) else REAL


@pytest.fixture(scope="module")
def cases_to_play(request: pytest.FixtureRequest) -> list[Case]:
    """Of the cases only those whose tests were selected."""
    selected = [item for item in request.session.items if getattr(item, "module", None) is request.module]
    return [
        item.callspec.params["case"]
        for item in selected
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]


@pytest_asyncio.fixture(scope="module")
async def plays(
    cases_to_play: list[Case],
    postgres: EmbeddedPostgres,
    migrated_template: str,
    temporal: Client,
    time_skipping: TimeSkipping,
) -> AsyncIterator[Plays]:
    async with AsyncExitStack() as stack:
        clocks = {REAL: (temporal, RealClock()), SKIPPING: (time_skipping.client, SkippingClock(time_skipping))}
        worlds = {}
        for number, (name, (client, clock)) in enumerate(clocks.items()):
            url = postgres.create_database(f"conformance_{number}", template=migrated_template)
            worlds[name] = await stack.enter_async_context(temporal_world(client, clock, url))
        plays = Plays(worlds)
        for case in cases_to_play:
            plays.begin(case)
        yield plays
        await plays.end()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_case(case: Case, plays: Plays, record_property: Record) -> None:
    record_property("conformance", (server_of(case), case.id))
    played = await plays.of(case)
    if case_directory() == DEFAULT_DIRECTORY:
        assert played.not_run == NOT_RUNNABLE.get(case.id)
    if played.observed is None:
        record_property("not run", played.not_run)
        return
    if reasons := [*played.reasons, *overruled(played.expect, played.observed)]:
        record_property("corrected", "; ".join(reasons))
    found = differences(played.expect, played.observed)
    assert not found, "\n".join([case.title, *found])


def test_every_case_has_a_server() -> None:
    assert {server_of(case) for case in CASES} <= {REAL, SKIPPING}
    assert CASES
