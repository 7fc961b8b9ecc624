"""run_chain: what it does in one go, where it stops, and what a repeat finds when it died, at every point of every step."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from engine import fault_points
from engine.activities import chain, run_chain
from engine.interpreter import effects as fx
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store
from engine.store.trace.claiming_attempts import KeyHeld
from tests.engine.activities.chain_world import ChainWorld
from tests.engine.workflow.steps import (
    Step,
    assign,
    attempt,
    call,
    for_each,
    going_on,
    ordinary,
    quick,
    retried,
    set_state,
    wait_event,
)

pytestmark = pytest.mark.usefixtures("unhurried")

TEN: list[Step] = [
    quick("a", value=1),
    assign("b", n="vars.a.value + 1"),
    call("c", "test.writes", label="c"),
    call("d", "test.writes", label="d"),
    quick("e", value="=vars.n"),
    going_on(call("f", "test.fails", label="f", category="ActionError", message="no", code="E1")),
    attempt("t", [call("g", "test.writes", label="g", fail=True)], [quick("h", value="=vars.caught.code")]),
    for_each("l", "[1, 2]", [quick("i", value="=item"), call("j", "test.writes", label="c")]),
]
"""Ten actions, of every kind a chain may have: quick and transactional ones, failures that are absorbed, pure steps between."""
RAN = {"a": 1, "c": 3, "d": 1, "e": 1, "f": 1, "g": 1, "h": 1, "i": 2}
STORED = {"c": 3, "d": 1}


class Died(BaseException):
    """The worker is gone: nothing after this point happens."""


@pytest.fixture
def world(store: Store) -> ChainWorld:
    return ChainWorld(store)


async def test_a_chain_to_the_end_of_its_run(world: ChainWorld) -> None:
    began = await world.begin(TEN)
    answer = await world.go(began)
    assert len(answer["outcomes"]) == 11
    assert (answer["ended"], answer["long"]) == (True, False)
    finish = began.fed(answer)
    assert isinstance(finish, fx.Finish)
    [row] = await world.rows("SELECT status, output_json, seq, step_count FROM workflow_runs")
    assert (row["status"], row["output_json"], row["seq"]) == ("SUCCEEDED", finish.scopes["vars"], began.machine.seq)
    assert row["step_count"] == finish.steps_started
    assert world.counts.ran == RAN


@pytest.mark.parametrize(
    ("after", "effect"),
    [
        (ordinary("o"), fx.CallAction),
        (wait_event("w"), fx.AwaitEvent),
        (retried(call("r", "test.flaky", label="r", failures=1)), fx.Sleep),
    ],
    ids=["ordinary", "wait", "back-off"],
)
async def test_what_the_workflow_decides_ends_it(world: ChainWorld, after: Step, effect: type) -> None:
    began = await world.begin([quick("a"), quick("b"), set_state("s"), after])
    answer = await world.go(began)
    assert isinstance(began.fed(answer), effect)
    assert not answer["ended"]
    assert await world.status() == "RUNNING"


async def test_a_lease_that_is_used_up_ends_it(world: ChainWorld) -> None:
    began = await world.begin([quick(f"q{n}") for n in range(5)], quota=3)
    answer = await world.go(began)
    assert len(answer["outcomes"]) == 3
    assert isinstance(began.fed(answer), fx.AwaitQuota)


async def test_time_and_size_end_it(world: ChainWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [quick("a", value="x" * 50), call("b", "test.writes", label="b"), quick("c")]
    with monkeypatch.context() as patch:
        patch.setattr(run_chain, "MAX_SECONDS", 0.0)
        answer = await world.go(await world.begin(steps))
        assert (len(answer["outcomes"]), answer["long"]) == (1, True)
    monkeypatch.setattr(chain, "MAX_BYTES", 60)
    answer = await world.go(await world.begin(steps))
    assert (len(answer["outcomes"]), answer["long"]) == (1, False)
    monkeypatch.setattr(chain, "TASK_ENDS_BYTES", 60)
    answer = await world.go(await world.begin(steps))
    assert (len(answer["outcomes"]), answer["long"]) == (1, True)


async def test_a_worker_that_is_to_stop_ends_it(world: ChainWorld) -> None:
    environment = ActivityEnvironment()
    began = await world.begin(TEN)

    def stop(point: str) -> None:
        if point == "run_chain.after_settle" and len(world.counts.contexts) == 3:
            environment.worker_shutdown()

    with fault_points.installed(stop):
        answer = await world.go(began, environment=environment)
    # The step that was claimed before the worker was told is done.
    assert len(answer["outcomes"]) == len(world.counts.contexts) == 4
    began.fed(answer)


@pytest.mark.parametrize("at", range(1, 8))
async def test_a_cancel_is_seen_within_the_step_that_is_running(world: ChainWorld, database_url: str, at: int) -> None:
    began = await world.begin(TEN)
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)

    def cancel(point: str) -> None:
        # In a transaction nobody holds the run's row before the action has been done.
        done = {"run_chain.after_action": at, "run_chain.in_transaction": at - 1}.get(point)
        if len(world.counts.contexts) == done:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("UPDATE workflow_runs SET cancel_requested_at = now()")

    with fault_points.installed(cancel):
        answer = await world.go(began)
    assert len(answer["outcomes"]) == len(world.counts.contexts) == at
    began.fed(answer)
    # Nothing that comes after it has been begun.
    assert len(await world.tries()) == at
    assert [status for _, _, status in await world.tries() if status == "STARTED"] == []


async def test_the_end_of_a_child_is_left_to_the_workflow(world: ChainWorld) -> None:
    began = await world.begin([quick("a")], child=True)
    answer = await world.go(began)
    assert not answer["ended"]
    assert isinstance(began.fed(answer), fx.Finish)
    assert await world.status() == "RUNNING"


async def test_only_what_is_on_record_is_told(world: ChainWorld) -> None:
    began = await world.begin(TEN)
    assert (await world.go(began, tell=True))["outcomes"] == []
    with fault_points.installed(dying_at("run_chain.after_action", 4)), pytest.raises(Died):
        await world.go(began)
    told = await world.go(began, tell=True)
    done = len(world.counts.contexts)
    began.fed(told)
    # The last was done, and nobody knows what came of it.
    assert len(told["outcomes"]) == done - 1
    assert len(world.counts.contexts) == done


async def test_a_run_that_is_closed_from_outside_is_given_up(world: ChainWorld, database_url: str) -> None:
    began = await world.begin(TEN)
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)

    def close(point: str) -> None:
        if point == "run_chain.after_action" and len(world.counts.contexts) == 1:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("UPDATE workflow_runs SET status = 'CANCELED'")
                connection.execute("UPDATE workflow_action_invocations SET status = 'ABANDONED'")

    with fault_points.installed(close), pytest.raises(ApplicationError) as raised:
        await world.go(began)
    assert raised.value.type == "RunClosed"
    assert len(world.counts.contexts) == 1


async def test_a_key_that_another_run_holds_ends_it_before(world: ChainWorld) -> None:
    first = await world.begin([call("k", "test.quick", key='"one-key"', label="k")])
    with fault_points.installed(dying_at("run_chain.after_claim", 1)), pytest.raises(Died):
        await world.go(first)
    second = await world.begin([quick("a"), call("k", "test.quick", key='"one-key"', label="k")])
    answer = await world.go(second)
    assert len(answer["outcomes"]) == 1
    with pytest.raises(KeyHeld):
        await world.go(await world.begin([call("k", "test.quick", key='"one-key"', label="k")]))
    await world.go(first)
    # What it gave is given to the other run too, and nothing is done again.
    assert len((await world.go(second))["outcomes"]) == 2
    assert world.counts.ran["k"] == 1


def dying_at(point: str, time: int) -> Callable[[str], None]:
    """Die when the point is reached for the ``time``-th time."""
    times = count(1)

    def hook(reached: str) -> None:
        if reached == point and next(times) == time:
            raise Died

    return hook


def dying_at_any(number: int, died: list[str]) -> Callable[[str], None]:
    """Die at the ``number``-th point, whatever it is, and note it."""
    times = count(1)

    def hook(reached: str) -> None:
        if next(times) == number:
            died.append(reached)
            raise Died

    return hook


async def test_a_repeat_of_a_transactional_step_needs_one_connection_at_a_time(
    world: ChainWorld, database_url: str
) -> None:
    """With two, as many repeats as there are connections would wait for each other; after a worker's death they come at once."""
    began = await world.begin([call("c", "test.writes", label="c"), quick("q")])
    answer = await world.go(began)
    few = create_store_engine(database_url, pool_size=1, max_overflow=0)
    try:
        world.store = few
        again = await world.go(began, identity="heir")
    finally:
        await few.dispose()
    assert again["outcomes"] == answer["outcomes"]
    assert world.counts.ran == {"c": 1, "q": 1}


async def test_killed_at_every_point_of_every_step(world: ChainWorld) -> None:
    deaths: Counter[str] = Counter()
    for number in count(1):
        for table in ("workflow_runs CASCADE", "workflow_data_store"):
            async with world.store.begin() as connection:
                await connection.exec_driver_sql(f"TRUNCATE {table}")
        world.counts.ran.clear()
        began, died = await world.begin(TEN), list[str]()
        with fault_points.installed(dying_at_any(number, died)):
            try:
                answer = await world.go(began, identity="doomed")
            except Died:
                answer = await world.go(began, identity="heir")
        deaths.update(died)
        assert answer["ended"], died
        assert isinstance(began.fed(answer), fx.Finish)
        stored = await world.rows("SELECT key, value FROM workflow_data_store")
        assert {row["key"]: row["value"] for row in stored} == STORED, died
        assert {status for _, _, status in await world.tries()} == {"SUCCEEDED", "FAILED"}
        assert len(await world.tries()) == len(answer["outcomes"])
        more = world.counts.ran - Counter(RAN)
        # Done again is only what was done and not on record; what was done inside was rolled back.
        again = ("run_chain.after_action", "run_chain.before_commit", "run_chain.before_claim", "run_chain.after_claim")
        assert more.total() == 0 if died and died[0] not in again else more.total() <= 1, (died, more)
        if not died:
            break
    assert set(deaths) == {point for point in fault_points.POINTS if point.startswith("run_chain.")}
    assert deaths["run_chain.after_action"] == 6


@pytest.mark.parametrize("given_up", [ConnectionRefusedError, asyncio.CancelledError])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_f12_a_repeat_writes_the_outcome_that_is_in_hand(
    world: ChainWorld, monkeypatch: pytest.MonkeyPatch, number: int, given_up: type[BaseException]
) -> None:
    """Of whichever step it is, after an outage that was longer than a chain has time for."""
    fails = call("b", "test.fails", category="ActionError", message="no", code="E1", label="b")
    began, worker = await world.begin([quick("a"), going_on(fails), quick("c")]), world.dependencies()
    monkeypatch.setattr(world, "dependencies", lambda _identity: worker)
    writes = count(1)

    async def away(write: Callable[[], Awaitable[Any]]) -> Any:
        if next(writes) >= number:
            raise given_up
        return await write()

    with monkeypatch.context() as outage:
        outage.setattr(run_chain, "persistently", away)
        for _ in range(2):
            with pytest.raises(given_up):
                await world.go(began)
    answer = await world.go(began)
    assert isinstance(began.fed(answer), fx.Finish)
    assert world.counts.ran == {"a": 1, "b": 1, "c": 1}
    assert [status for _, _, status in await world.tries()] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]


async def test_two_at_once_do_the_same_chain(world: ChainWorld) -> None:
    began = await world.begin(TEN)
    one, other = await asyncio.gather(world.go(began, identity="one"), world.go(began, identity="two"))
    # One of them may find the end written by the other.
    assert {**one, "ended": True} == {**other, "ended": True}
    assert one["ended"] or other["ended"]
    assert isinstance(began.fed(one), fx.Finish)
    stored = await world.rows("SELECT key, value FROM workflow_data_store")
    assert {row["key"]: row["value"] for row in stored} == STORED
    assert len(await world.tries()) == len(one["outcomes"])
    assert {status for _, _, status in await world.tries()} == {"SUCCEEDED", "FAILED"}
    keys = {(context.step_path, context.iteration): context.idempotency_key for context in world.counts.contexts}
    assert len({context.idempotency_key for context in world.counts.contexts}) == len(keys)
