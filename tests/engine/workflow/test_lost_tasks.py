"""The clock rule: whatever is repeated, by whomever, at whatever time, gives the same effects, rows and variables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from engine.contract import SEMANTICS_VERSION, RunInput
from engine.definition.hash import definition_hash
from engine.ids import new_id
from engine.interpreter import effects as fx
from engine.store.catalog.definitions import load_definition
from engine.store.database.engine import create_store_engine
from engine.store.runs.launches import mark_launched
from engine.store.runs.runs import NewRun, insert_run
from tests.conformance.rebuilding import assert_rebuilds
from tests.engine.interpreter.random_definitions import PAYLOAD, STEPS, with_ids
from tests.engine.workflow.harness import PATIENCE_SECONDS, Bench, Run
from tests.engine.workflow.lost_tasks import PlayedTemporal
from tests.engine.workflow.steps import ordinary, quick

ACTIONS = ("test.quick", "test.quick", "test.writes", "test.flaky", "test.ordinary")
"""What the random actions are: most of them quick."""


def with_real_actions(steps: list[dict[str, Any]], chance: Random) -> list[dict[str, Any]]:
    """The random steps on actions of the test worker, with branches that depend on the time; without children and people."""

    def real(step: dict[str, Any]) -> dict[str, Any]:
        if step["type"] == "control.callWorkflow":
            return {"type": "transform.assign", "config": {"assign": {"vars.at": {"$expr": "nowIso()"}}}}
        if step["type"] == "human.task":
            until = {"$expr": "payload.deadline"}
            return {"type": "time.wait", "config": {"mode": "until", "until": until}, "onError": {"policy": "continue"}}
        branches = {
            name: [real(item) for item in step[name]]
            for name in ("then", "else", "try", "catch", "body")
            if name in step
        }
        if step["type"] == "control.if" and chance.random() < 0.7:
            branches["condition"] = {"$expr": "nowIso() < payload.deadline"}
        if step["type"] == "action.call" and step["config"]["actionId"] == "test.act":
            action = chance.choice(ACTIONS)
            given = {"label": "l", "failures": 1, "at": {"$expr": "nowIso()"}, "a": step["config"]["inputMapping"]["a"]}
            branches["config"] = {**step["config"], "actionId": action, "inputMapping": given}
        return {**step, **branches}

    return with_ids([real(step) for step in steps])


def what_comes(chance: Random) -> Any:
    """Events of every kind, sometimes none before the deadline."""
    numbers = count()

    def signals_of(effect: Any) -> list[tuple[str, Any]]:
        if not isinstance(effect, fx.AwaitEvent) or (effect.timeout_at is not None and chance.random() < 0.5):
            return []
        return [event(next(numbers), chance)]

    return signals_of


def event(number: int, chance: Random) -> tuple[str, Any]:
    """A matching event, with and without an id and a time."""
    signal: dict[str, Any] = {"eventName": "E", "correlationKey": "k", "payload": {"n": number}}
    if chance.random() < 0.7:
        signal["eventId"] = f"e{number}"
    if chance.random() < 0.5:
        signal["receivedAt"] = f"20{chance.randrange(20, 40)}-01-01T00:00:00.000Z"
    return "on_event", signal


async def started(bench: Bench, deadline: str) -> RunInput:
    """The row of a run of the latest version, and what its workflow is given."""
    payload = {**PAYLOAD, "deadline": deadline}
    async with bench.store.begin() as connection:
        definition = await load_definition(connection, bench.tenant, "wf.main", 1)
        run = NewRun(new_id(), bench.tenant, "wf.main", 1, definition_hash(definition), payload)
        assert await insert_run(connection, run)
        await mark_launched(connection, run.run_id, None)
    return RunInput(
        run_id=run.run_id,
        tenant=run.tenant,
        workflow_id="wf.main",
        workflow_version=1,
        semantics_version=SEMANTICS_VERSION,
        checkpoint=None,
    )


async def played(bench: Bench, steps: list[dict[str, Any]], chance: Random) -> tuple[PlayedTemporal, Run]:
    """One run of these steps, not begun yet."""
    await bench.execute("TRUNCATE workflow_definition_versions, workflow_definitions, workflow_runs CASCADE")
    await bench.execute("TRUNCATE workflow_data_store")
    bench.counts.ran.clear()
    bench.counts.contexts.clear()
    await bench.publish(with_real_actions(steps, chance))
    # Some way into the run as its clock has it, or past.
    deadline = chance.choice(("2020-01-01T00:00:00.000Z", "2040-01-01T00:00:00.000Z", soon(chance)))
    run_input = await started(bench, deadline)
    return PlayedTemporal(bench.dependencies, run_input, chance, what_comes(chance)), Run(bench, run_input["run_id"])


async def lose_everything(bench: Bench, steps: list[dict[str, Any]], chance: Random) -> None:
    """A run whose tries die one point further each time, and between two of them more events come."""
    temporal, run = await played(bench, steps, chance)
    numbers = count(1000)

    def late() -> list[tuple[str, Any]]:
        return [event(next(numbers), chance)] if chance.random() < 0.3 else []

    result: Any = None
    # A definition may fail; that the row says so too is looked at below.
    with suppress(ApplicationError):
        result = await temporal.to_the_end(one_further_each_time(), late)
    await agrees(bench, run, result)


async def lose_and_cancel(bench: Bench, steps: list[dict[str, Any]], chance: Random) -> None:
    """A run that is canceled after a task of it was lost, somewhere."""
    temporal, run = await played(bench, steps, chance)
    with suppress(ApplicationError, asyncio.CancelledError):
        await temporal.to_the_end(iter([chance.randrange(1, 12)]), then_cancel=True)
    row = await run.row()
    if temporal.canceled:
        # What is on record of it is in its output.
        assert row["status"] in ("CANCELED", "SUCCEEDED", "FAILED"), row
    await assert_rebuilds(bench.store, bench.tenant, run.id)


def soon(chance: Random) -> str:
    return (datetime.now(UTC) + timedelta(milliseconds=chance.randrange(-60_000, 3_600_000))).isoformat()


def one_further_each_time() -> Iterator[int]:
    """1, 2, 3, ...: at last a try reaches its end first."""
    return iter(range(1, 400))


async def agrees(bench: Bench, run: Run, result: Any) -> None:
    """Effects, rows, vars and what is rebuilt from the rows tell of one and the same run."""
    row = await run.row()
    assert row["status"] in ("SUCCEEDED", "FAILED"), row
    assert (result is not None) == (row["status"] == "SUCCEEDED")
    if result is not None:
        assert result["scopes"]["vars"] == row["output_json"]
    tries = {(t["step_path"], t["iteration"], t["attempt"]): t for t in await run.tries() if t["worker_identity"]}
    executed: dict[tuple[str, str, int], set[str]] = {}
    for context in bench.counts.contexts:
        place = (context.step_path, context.iteration, context.attempt)
        executed.setdefault(place, set()).add(context.idempotency_key)
    # Whatever was executed is in the rows, under the one key it ever had, and nothing else is.
    assert {place: {row["idempotency_key"]} for place, row in tries.items()} == executed
    assert {t["status"] for t in tries.values()} <= {"SUCCEEDED", "FAILED"}
    inside = [t for t in tries.values() if t["action_id"] == "test.writes" and t["status"] == "SUCCEEDED"]
    stored = await bench.rows("SELECT value FROM workflow_data_store")
    assert [value["value"] for value in stored] == ([len(inside)] if inside else [])
    steps = await run.steps()
    assert {step["status"] for step in steps} <= {"SUCCEEDED", "FAILED"}
    assert len(steps) == row["step_count"]
    assert not [wait for wait in await run.waits() if wait["status"] == "WAITING"]
    await assert_rebuilds(bench.store, bench.tenant, run.id)


def on_a_database(url: str, play: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    """Play it in a loop of its own, as hypothesis needs it."""

    async def run() -> None:
        store = create_store_engine(url)
        try:
            # Nothing of it asks Temporal.
            no_client: Client = None  # type: ignore[assignment]
            await play(Bench(store, no_client))
        finally:
            await store.dispose()

    asyncio.run(run())


random_runs = settings(
    max_examples=25,
    # An example is a whole run; finding a smaller one takes as long as hundreds of them.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@random_runs
@given(steps=STEPS, seed=st.integers(0, 10**6))
def test_f35_f36_a_run_whose_tasks_are_lost_at_every_point(
    database_url: str, steps: list[dict[str, Any]], seed: int
) -> None:
    on_a_database(database_url, lambda bench: lose_everything(bench, steps, Random(seed)))


@random_runs
@given(steps=STEPS, seed=st.integers(0, 10**6))
def test_a_run_that_is_canceled_after_a_lost_task(database_url: str, steps: list[dict[str, Any]], seed: int) -> None:
    on_a_database(database_url, lambda bench: lose_and_cancel(bench, steps, Random(seed)))


async def lose_between(bench: Bench, deadly: int, *, taken_in: bool) -> None:
    """An action and a quick step after it; the worker dies at the point of this number, and then the run is canceled."""
    temporal, run = await played(bench, [ordinary("o"), quick("q")], Random(deadly))
    temporal.takes_in = taken_in
    with suppress(ApplicationError, asyncio.CancelledError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await temporal.to_the_end(iter([deadly]), then_cancel=True)
    row = await run.row()
    assert row["status"] in ("CANCELED", "SUCCEEDED"), row
    if taken_in:
        await assert_rebuilds(bench.store, bench.tenant, run.id)


@pytest.mark.parametrize("taken_in", [True, False], ids=["", "in-a-run-from-before-outcomes-were-taken-in"])
def test_an_outcome_beside_a_cancel_holds_no_run(database_url: str, taken_in: bool) -> None:
    for deadly in range(1, 13):
        on_a_database(database_url, lambda bench, deadly=deadly: lose_between(bench, deadly, taken_in=taken_in))
