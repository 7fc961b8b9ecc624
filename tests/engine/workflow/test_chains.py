"""Chains on Temporal: what comes in their middle, and that nothing of them is lost or done twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine import fault_points
from engine.activities import run_chain
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.runs.cancel import cancel_run
from engine.temporal.connection import TemporalConnection
from engine.workflow import calls, chains
from tests.conformance.rebuilding import assert_rebuilds
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import assign, call, for_each, ordinary, quick, set_state, wait_event

pytestmark = pytest.mark.usefixtures("unhurried")


async def test_a_chain_that_takes_too_long_is_done_on_by_an_ordinary_activity(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "_CHAIN_TIMEOUT", timedelta(seconds=1))
    run = await bench.play([quick("a", value=1), call("p", "test.pause", label="p", seconds=1.5), quick("b")])
    assert (await run.row())["status"] == "SUCCEEDED"
    assert (await run.events())["ACTIVITY_TASK_SCHEDULED"] >= 1
    # The step that was under way when the time was up is done again, and no other.
    assert (bench.counts.ran["a"], bench.counts.ran["b"]) == (1, 1)
    assert bench.counts.ran["p"] >= 2
    assert [(tried["status"], tried["attempt"]) for tried in await run.tries()] == [("SUCCEEDED", 1)] * 3
    await assert_rebuilds(bench.store, bench.tenant, run.id)


async def test_a_cancel_by_the_operation_ends_it_after_the_step_that_is_running(bench: Bench) -> None:
    await bench.publish([for_each("l", "[1..50]", [call("p", "test.pause", label="p", seconds=0.2)])])
    run = await bench.start()

    async def under_way() -> bool:
        return bench.counts.ran["p"] >= 2

    await bench.until(under_way)
    context = OperationContext(bench.store, TemporalConnection.from_client(bench.client), Actor("tester"), bench.tenant)
    await cancel_run(context, run.id, "not needed any more")
    row = await run.ended()
    assert row["status"] == "CANCELED"
    # Every step that was begun has its row; one that an ordinary activity was at may have been given up.
    states = [tried["status"] for tried in await run.tries()]
    assert len(states) == bench.counts.ran["p"] < 50
    assert set(states[:-1]) == {"SUCCEEDED"}
    assert states[-1] in ("SUCCEEDED", "ABANDONED")
    assert row["output_json"]["p"] == {"value": None}
    await assert_rebuilds(bench.store, bench.tenant, run.id)


async def test_an_event_that_comes_in_its_middle_is_there_afterwards(bench: Bench) -> None:
    await bench.publish([for_each("l", "[1..10]", [call("p", "test.pause", label="p", seconds=0.1)]), wait_event("w")])
    run = await bench.start()

    async def under_way() -> bool:
        return bench.counts.ran["p"] >= 3

    await bench.until(under_way)
    await run.send_event("PING", {"n": 7})
    row = await run.ended()
    assert row["output_json"]["event"] == {"n": 7}
    assert bench.counts.ran["p"] == 10
    await assert_rebuilds(bench.store, bench.tenant, run.id)


async def test_a_worker_that_stops_leaves_the_rest_to_the_next(idle_bench: Bench) -> None:
    bench = idle_bench
    await bench.publish([for_each("l", "[1..60]", [call("p", "test.pause", label="p", seconds=0.05)])])
    run = await bench.start()

    async def under_way() -> bool:
        return bench.counts.ran["p"] >= 3

    async with bench.worker():
        await bench.until(under_way)
    stopped_after = bench.counts.ran["p"]
    assert stopped_after < 60
    async with bench.worker():
        row = await run.ended()
    assert row["status"] == "SUCCEEDED"
    assert bench.counts.ran["p"] == 60
    await assert_rebuilds(bench.store, bench.tenant, run.id)


async def test_long_chains_take_turns_with_ordinary_activities(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_chain, "MAX_SECONDS", 0.0)
    run = await bench.play([quick(f"q{n}", value=n) for n in range(6)])
    # One step each: a local one, which says that it was long, and one that ends the workflow task.
    assert (await run.events())["ACTIVITY_TASK_SCHEDULED"] == 3
    assert (await run.row())["output_json"] == {f"q{n}": {"value": n} for n in range(6)}


async def test_chains_between_other_steps(bench: Bench) -> None:
    steps = [quick("a"), quick("b"), ordinary("o"), quick("c"), assign("n", at="nowIso()"), quick("d")]
    run = await bench.play(steps)
    assert [step["step_path"] for step in await run.steps()] == [f"root.steps[{n}]" for n in range(6)]
    assert [tried["status"] for tried in await run.tries()] == ["SUCCEEDED"] * 5
    await assert_rebuilds(bench.store, bench.tenant, run.id)


async def test_machines_that_come_apart_stop_the_run_until_a_correction(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.publish([quick("a", value=1), wait_event("w")])
    original = chains._feed
    with monkeypatch.context() as patch:

        def something_else(position: chains.Position, answer: chains.wire.RunChainOutput) -> None:
            original(position, {**answer, "digest": "0" * 16})

        patch.setattr(chains, "_feed", something_else)
        run = await bench.start()

        async def failing() -> bool:
            return (await run.events())["WORKFLOW_TASK_FAILED"] >= 1

        await bench.until(failing)
        assert (await run.row())["status"] == "RUNNING"
    await run.waiting("event")
    await run.send_event("PING")
    assert (await run.ended())["status"] == "SUCCEEDED"
    assert bench.counts.ran["a"] == 1


async def test_an_answer_that_is_lost_is_found_in_the_rows(bench: Bench) -> None:
    await bench.publish([quick("a"), quick("b"), quick("c")])
    reached = list[str]()

    def lost(point: str) -> None:
        reached.append(point)
        if point == "run_chain.after_settle" and reached.count(point) == 1:
            raise ConnectionError("the answer was lost")

    with fault_points.installed(lost):
        run = await bench.start()
        row = await run.ended()
    assert row["status"] == "SUCCEEDED"
    assert bench.counts.ran == {"a": 1, "b": 1, "c": 1}


async def test_a_cancel_before_its_first_claim_loses_no_step_that_was_made(bench: Bench) -> None:
    def away(point: str) -> None:
        if point == "run_chain.before_claim":
            raise ConnectionError("the database is away")

    await bench.publish([set_state("s"), assign("n", n="1"), quick("a")])
    with fault_points.installed(away):
        run = await bench.start()

        async def patient() -> bool:
            return (await run.events())["ACTIVITY_TASK_SCHEDULED"] == 1

        await bench.until(patient)
        await run.handle.cancel()
        row = await run.ended()
    assert (row["status"], row["output_json"]) == ("CANCELED", {"n": 1})
    assert [step["status"] for step in await run.steps()] == ["SUCCEEDED", "SUCCEEDED", "CANCELED"]
    assert bench.counts.ran["a"] == 0
    await assert_rebuilds(bench.store, bench.tenant, run.id)
