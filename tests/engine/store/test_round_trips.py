"""Every list of the front door is one round trip to Postgres: its beginning, clock, policy, rows and end are sent together.

So is whether what is hidden in its runs and events is known. Only for those that are new are documents asked for, once or more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from engine import Engine
from engine.errors import NotFound
from engine.records import EventFilter, RunFilter, RunOrder, RunStatus, TaskFilter, WaitKind
from tests.engine.devstack.ports import silent_port
from tests.engine.store.wire import RoundTrips

Ask = Callable[[Engine, str | None], Awaitable[Any]]

UNTIL_PREPARED = 7
"""The driver prepares a statement the sixth time, together with what it sends then."""
RUN_FILTERS = {
    "everything": RunFilter(),
    "a status": RunFilter(statuses=frozenset({RunStatus.FAILED})),
    "a workflow": RunFilter(workflow="wf-7"),
    "a workflow by the beginning of its name": RunFilter(workflow="bill"),
    "a version of a workflow": RunFilter(workflow="wf-3", version=2),
    "a part of a name": RunFilter(text="stock"),
    "a trigger of a part of a name": RunFilter(text="stock", trigger="event"),
    "people": RunFilter(text="stock", waiting_on=frozenset({WaitKind.HUMAN})),
    "a wait key": RunFilter(wait_key="ORD-2"),
    "stuck, by change": RunFilter(stuck=True, order=RunOrder.UPDATED_ASC),
}
PAGES: dict[str, Ask] = {
    **{
        f"runs, {name}": lambda engine, after, wanted=wanted: engine.runs.list(wanted, after=after, limit=3)  # type: ignore[misc]
        for name, wanted in RUN_FILTERS.items()
    },
    "events": lambda engine, after: engine.events.list(EventFilter(), after=after, limit=3),
    "events of a key": lambda engine, after: engine.events.list(EventFilter(key="ORD-1"), after=after, limit=3),
    "deliveries": lambda engine, after: engine.events.deliveries(status="dead", after=after, limit=3),
    "tasks": lambda engine, after: engine.tasks.list(TaskFilter(), after=after, limit=3),
    "schedules": lambda engine, after: engine.schedules.list(after=after, limit=3),
    "audit of a run": lambda engine, after: engine.runs.audit(
        "00000000-0000-7000-8000-0000000000aa", after=after, limit=3
    ),
}
ATTENTION_PARTS = 12
"""Workers (and, where one is alive, their duties), what the two stores disagreed about, the oldest runs, stuck ones, two kinds
of launches, deliveries, schedules, failures, tries, late tasks, and jobs with alerts."""


@pytest.fixture
async def front_door(history_url: str, round_trips: RoundTrips) -> AsyncIterator[Engine]:
    """On the history, with a Temporal that does not answer, and one connection."""
    with silent_port() as port:
        async with Engine(database_url=history_url, temporal_address=f"127.0.0.1:{port}", connections=1) as engine:
            yield engine


@pytest.fixture
def round_trips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RoundTrips:
    """Of all connections of the test."""
    return RoundTrips(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", PAGES)
async def test_a_page(front_door: Engine, round_trips: RoundTrips, name: str) -> None:
    counts = set()
    for attempt in range(1 + UNTIL_PREPARED):
        round_trips.start()
        page = await PAGES[name](front_door, None)
        if attempt:
            counts.add(round_trips.count)
    assert counts == {1}
    if not name.startswith("runs"):
        return
    assert page.next or len(page.rows) < 3
    if page.next:
        await PAGES[name](front_door, page.next)
        round_trips.start()
        await PAGES[name](front_door, page.next)
        assert round_trips.count == 1


async def test_a_page_that_tells_something_sends_one_statement_more(
    front_door: Engine, round_trips: RoundTrips
) -> None:
    """Beside the beginning, clock and policy, the page and the end: the digests."""
    for wanted in (RunFilter(), RunFilter(statuses=frozenset({RunStatus.FAILED}))):
        for _ in range(1 + UNTIL_PREPARED):
            round_trips.start()
            await front_door.runs.list(wanted, limit=50)
        assert (round_trips.count, round_trips.statements) == (1, 5)


async def test_workflows_with_their_schedules(front_door: Engine, round_trips: RoundTrips) -> None:
    round_trips.start()
    found = await front_door.workflows.list()
    assert round_trips.count == 1
    assert len(found) == 20
    round_trips.start()
    assert await front_door.workflows.get("wf-7") in found
    assert round_trips.count == 1


async def test_the_occurrences_of_a_schedule_that_is_none(front_door: Engine, round_trips: RoundTrips) -> None:
    round_trips.start()
    with pytest.raises(NotFound, match="SCHEDULE_NOT_FOUND"):
        await front_door.schedules.fires("nothing")
    assert round_trips.count == 1


async def test_each_part_of_what_needs_attention(front_door: Engine, round_trips: RoundTrips) -> None:
    round_trips.start()
    found = await front_door.system.attention()
    assert round_trips.count == ATTENTION_PARTS
    assert found.items


async def test_the_count_sees_every_round_trip(front_door: Engine, round_trips: RoundTrips) -> None:
    round_trips.start()
    [row] = (await front_door.runs.list(limit=1)).rows
    await front_door.runs.get(row.run_id)
    round_trips.start()
    # Begin, clock and policy, what the run hides, its schemas, four questions, end.
    await front_door.runs.get(row.run_id)
    assert round_trips.count == 9
