"""Every case of kind run and event-ingest on a real Temporal server and a real Postgres.

The cases are played side by side, each as a tenant of its own; a test waits for the play of its case and judges it. Cases that
need more than two seconds of time are played one after another on the time-skipping server, whose clock is one for all; and so
are, in slow motion, those whose timers went off before the script had come that far.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client

from engine.devstack.postgres import EmbeddedPostgres
from tests.conformance.case_changes import durations, waits_for_a_date
from tests.conformance.disputed import corrected
from tests.conformance.expectations import differences, overruled
from tests.conformance.loader import DEFAULT_DIRECTORY, Case, case_directory, load_cases
from tests.conformance.observed import Json, Observed
from tests.conformance.on_temporal import NotRunnable, Overtaken, TemporalHost, needs_skipping
from tests.conformance.rebuilding import assert_rebuilds
from tests.conformance.temporal_world import Clock, RealClock, SkippingClock, TemporalWorld, temporal_world
from tests.pooler import Pooled
from tests.time_skipping import TimeSkipping

CASES = load_cases("run", "event-ingest")
REAL, SKIPPING = "Temporal", "Temporal, skipping time"
AT_ONCE = {REAL: 6, SKIPPING: 1}
SHORTEST_TIMER_MS = 20_000
"""In slow motion: it leaves a busy machine the time to do what comes before it. On the server that skips time this costs
nothing."""

NOT_RUNNABLE: dict[str, str] = {}
"""Cases of the copy kept beside the tests that the host cannot run, and why. A case may neither join nor leave unnoticed."""

Record = Callable[[str, object], None]
Servers = dict[str, tuple[Client, Clock]]


@dataclass(frozen=True, slots=True)
class Played:
    """How the play of a case ended."""

    expect: Json
    reasons: list[str]
    """Why the case was corrected."""
    server: str
    tenant: str
    observed: Observed | None = None
    not_run: str | None = None
    overtaken: bool = False


class Plays:
    """Plays cases, as many at once as two cores can serve."""

    def __init__(self, worlds: dict[str, TemporalWorld]) -> None:
        self.worlds = worlds
        self._free = {server: asyncio.Semaphore(number) for server, number in AT_ONCE.items()}
        self._tasks: dict[str, asyncio.Task[Played]] = {}

    def begin(self, case: Case) -> None:
        """Play a case as soon as it is its turn."""
        self._tasks[case.id] = asyncio.create_task(self._play(case))

    async def of(self, case: Case) -> Played:
        """The play of a case, when it is over."""
        return await self._tasks[case.id]

    async def end(self) -> None:
        """Stop what is still played."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _play(self, case: Case) -> Played:
        """A case whose timers are too short for the script, at the machine's present pace, is played again, slowly."""
        server = server_of(case)
        played = await self._play_on(server, case)
        if played.overtaken and not waits_for_a_date(case.data):
            return await self._play_on(SKIPPING, case, slowness_of(case.data))
        return played

    async def _play_on(self, server: str, case: Case, slowness: int = 1) -> Played:
        data, reasons = corrected(case)
        async with self._free[server]:
            host = TemporalHost(self.worlds[server], data, slowness)
            played = Played(data["expect"], reasons, server, host.tenant)
            try:
                return replace(played, observed=await host.play())
            except NotRunnable as reason:
                return replace(played, not_run=str(reason), overtaken=isinstance(reason, Overtaken))


def server_of(case: Case) -> str:
    return SKIPPING if needs_skipping(case.data) else REAL


def slowness_of(case: Json) -> int:
    """The factor that makes the shortest timer of the case long enough."""
    return -(-SHORTEST_TIMER_MS // min(durations(case), default=1))


@pytest.fixture(scope="module")
def selected(request: pytest.FixtureRequest) -> list[Case]:
    """Of the cases only those whose tests were selected."""
    specs = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    wanted = {spec.params["case"].id for spec in specs if spec is not None and "case" in spec.params}
    return [case for case in CASES if case.id in wanted]


@pytest_asyncio.fixture(scope="module")
async def worlds(
    temporal: Client, time_skipping: TimeSkipping, postgres: EmbeddedPostgres, migrated_template: str, pooled: Pooled
) -> AsyncIterator[dict[str, TemporalWorld]]:
    """A worker and a database, through a pooler, for each server: deliveries of one must not go to the other."""
    servers: Servers = {
        REAL: (temporal, RealClock()),
        SKIPPING: (time_skipping.client, SkippingClock(time_skipping)),
    }
    async with AsyncExitStack() as stack:
        found = {}
        for number, (server, (client, clock)) in enumerate(servers.items()):
            name = f"conformance_{number}"
            url = pooled(postgres.create_database(name, template=migrated_template))
            stack.callback(postgres.drop_database, name)
            found[server] = await stack.enter_async_context(temporal_world(client, clock, url))
        yield found


@pytest_asyncio.fixture(scope="module")
async def plays(worlds: dict[str, TemporalWorld], selected: list[Case]) -> AsyncIterator[Plays]:
    plays = Plays(worlds)
    for case in selected:
        plays.begin(case)
    yield plays
    await plays.end()


def test_there_are_cases() -> None:
    assert len(CASES) > 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_case(case: Case, plays: Plays, record_property: Record) -> None:
    played = await plays.of(case)
    record_property("conformance", (played.server, case.id))
    if case_directory() == DEFAULT_DIRECTORY:
        assert played.not_run == NOT_RUNNABLE.get(case.id)
    if played.observed is None:
        record_property("not run", played.not_run)
        return
    if reasons := [*played.reasons, *overruled(played.expect, played.observed)]:
        record_property("corrected", "; ".join(reasons))
    found = differences(played.expect, played.observed)
    assert not found, "\n".join([case.title, *found])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_the_states_of_its_runs_are_rebuilt(case: Case, plays: Plays) -> None:
    """What Postgres has of a run that Temporal ran is enough to compute every state it was in."""
    played = await plays.of(case)
    for run in played.observed.runs if played.observed is not None else ():
        await assert_rebuilds(plays.worlds[played.server].store, played.tenant, run.run_id)


# --- the host itself ------------------------------------------------------------------------------------------------------


def _case(steps: list[Json], *script: Json) -> Json:
    definition = {
        "id": "wf.main",
        "version": 1,
        "name": "main",
        "payloadSchemaRef": "payload.Any.v1",
        "steps": steps,
    }
    return {"definition": definition, "script": [{"op": "start"}, *script], "expect": {}}


def _retried(milliseconds: int, **policy: Any) -> Json:
    return {
        "id": "f",
        "type": "action.call",
        "retry": {"backoffMs": milliseconds, "jitter": False, "maxAttempts": 5, **policy},
        "config": {"actionId": "test.flaky", "version": 1, "inputMapping": {"key": "k", "failures": 3}},
    }


async def test_a_run_that_went_on_by_itself_meets_no_operation(worlds: dict[str, TemporalWorld]) -> None:
    case = _case([_retried(1, backoffMultiplier=1)], {"op": "cancel"})
    with pytest.raises(Overtaken, match="a retry wait of 1 ms is over before cancel"):
        await TemporalHost(worlds[REAL], case).play()


async def test_in_slow_motion_it_does(worlds: dict[str, TemporalWorld]) -> None:
    case = _case([_retried(1, backoffMultiplier=3)], {"op": "advance", "ms": 3}, {"op": "cancel"})
    observed = await TemporalHost(worlds[SKIPPING], case, slowness_of(case)).play()
    main = observed.run()
    assert main is not None
    assert (main.status, main.timers) == ("CANCELED", [1, 3])
    assert [(wait["status"], wait["timeoutAt"][-10:]) for wait in main.waits] == [
        ("RESOLVED", "00:00.001Z"),
        ("CANCELED", "00:00.004Z"),
    ]


async def test_time_stands_where_the_script_says_though_the_clock_runs(worlds: dict[str, TemporalWorld]) -> None:
    case = _case([_retried(10, backoffMultiplier=2)], *({"op": "advance", "ms": ms} for ms in (9, 1, 20, 39, 1)))
    observed = await TemporalHost(worlds[REAL], case).play()
    main = observed.run()
    assert main is not None
    assert main.timers == [10, 20, 40]
    assert [seen and seen.phase for seen in observed.checkpoints] == [*["backoff"] * 5, "terminal"]
    assert [wait["timeoutAt"][-10:] for wait in main.waits] == ["00:00.010Z", "00:00.030Z", "00:00.070Z"]


async def test_what_differs_is_told(worlds: dict[str, TemporalWorld]) -> None:
    case = _case([{"id": "s", "type": "state.set", "config": {"state": "A"}}])
    expect = {"status": "FAILED", "meta": {"state": "B"}, "steps": [], "timers": [1], "calls": [{}]}
    found = differences(expect, await TemporalHost(worlds[REAL], case).play())
    assert [line.split(":")[0] for line in found] == ["status", "meta.state", "steps", "timers", "calls"]
