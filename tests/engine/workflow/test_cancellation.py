"""A cancel, wherever it comes: everything is closed, and Temporal says Canceled too."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError

from engine import fault_points
from tests.engine.workflow.harness import PATIENCE_SECONDS, Bench, Run
from tests.engine.workflow.steps import (
    Step,
    ask,
    assign,
    attempt,
    call,
    for_each,
    quick,
    retried,
    set_state,
    wait_event,
    wait_time,
)


async def canceled(run: Run) -> None:
    """The run ended as canceled, in Temporal and in its row, and nothing of it is open."""
    with pytest.raises(WorkflowFailureError) as caught:
        await run.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert (await run.handle.describe()).status == WorkflowExecutionStatus.CANCELED
    row = await run.row()
    assert (row["status"], row["waiting_on"]) == ("CANCELED", None)
    assert row["error_json"]["category"] == "Cancellation"
    assert not [s for s in await run.steps() if s["status"] == "STARTED"]
    assert not [w for w in await run.waits() if w["status"] == "WAITING"]
    assert not [t for t in await run.tries() if t["status"] == "STARTED"]


@pytest.mark.parametrize(
    ("step", "on", "wait_type"),
    [
        (wait_event("w"), "event", "event"),
        (wait_time("w", 60_000), "time", "time"),
        (ask("w"), "human", "human"),
        (retried(call("w", "test.flaky", label="w", failures=1), backoffMs=60_000), "retry", "retry"),
    ],
    ids=["event", "time", "human", "retry"],
)
async def test_in_a_wait(bench: Bench, step: Step, on: str, wait_type: str) -> None:
    await bench.publish([attempt("t", [step], [set_state("caught")])])
    run = await bench.start()
    await run.waiting(on)
    await run.handle.cancel(reason="not needed any more")
    await canceled(run)
    assert [(w["wait_type"], w["status"]) for w in await run.waits()] == [(wait_type, "CANCELED")]
    assert [s["status"] for s in await run.steps()] == ["SUCCEEDED", "CANCELED"]
    assert (await run.row())["error_json"]["message"] == "not needed any more"
    assert {t["status"] for t in await bench.rows("SELECT status FROM workflow_human_tasks")} <= {"canceled"}


async def test_in_an_action(bench: Bench) -> None:
    await bench.publish([call("g", "test.gated", label="g"), quick("never")])
    run = await bench.start()
    await asyncio.wait_for(bench.counts.begun("g").wait(), PATIENCE_SECONDS)
    await run.handle.cancel()
    await canceled(run)
    assert [t["status"] for t in await run.tries()] == ["ABANDONED"]
    assert bench.counts.ran["never"] == 0
    bench.counts.gate("g").set()
    # The action may still end somewhere; its late outcome changes nothing.
    await bench.play([quick("other")])
    assert [t["status"] for t in await run.tries()] == ["ABANDONED"]
    assert (await run.row())["status"] == "CANCELED"


async def test_within_a_chain_of_quick_steps_is_seen_within_two_seconds(bench: Bench) -> None:
    await bench.publish([for_each("l", "payload.items", [call("p", "test.pause", label="p", seconds=0.05)])])
    run = await bench.start({"items": list(range(1000))})

    async def under_way() -> bool:
        return bench.counts.ran["p"] >= 5

    await bench.until(under_way)
    await run.handle.cancel()
    # What was done while the request was on its way says nothing about the run.
    before = bench.counts.ran["p"]
    await canceled(run)
    assert bench.counts.ran["p"] - before <= 2 / 0.05, "each step is a twentieth of a second"


async def test_within_a_chain_of_pure_steps(bench: Bench) -> None:
    loop = for_each("l", "payload.items", [set_state("s"), set_state("t")])
    await bench.publish([for_each("outer", "payload.items", [loop])])
    run = await bench.start({"items": list(range(300))})

    async def under_way() -> bool:
        return bool((await run.row())["step_count"] > 1000)

    await bench.until(under_way)
    await run.handle.cancel()
    await canceled(run)
    kinds = [EventType.Name(event.event_type) for event in (await run.history()).events]
    before = kinds[: kinds.index("EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED")]
    # The chain ended its task itself, by an ordinary activity: that is after one second of its own time. Left to itself, it
    # is stopped by the SDK after eight.
    last_task = before[-before[::-1].index("EVENT_TYPE_WORKFLOW_TASK_COMPLETED") :]
    assert "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED" in last_task


async def test_before_the_first_step(idle_bench: Bench) -> None:
    await idle_bench.publish([quick("never")])
    run = await idle_bench.start()
    await run.handle.cancel(reason="changed my mind")
    async with idle_bench.worker():
        await canceled(run)
    assert await run.steps() == []
    assert idle_bench.counts.ran["never"] == 0


async def test_twice_and_while_it_is_being_cleaned_up(bench: Bench) -> None:
    await bench.publish([wait_event("w")])
    run = await bench.start()
    await run.waiting("event")
    reached: list[str] = []
    asked_twice = False

    def fail_at_first(point: str) -> None:
        if point == "finish_run.before":
            reached.append(point)
            if len(reached) <= 4 or not asked_twice:
                raise ConnectionError("the database is away for a moment")

    with fault_points.installed(fail_at_first):
        await run.handle.cancel()

        async def cleaning() -> bool:
            return len(reached) >= 2

        await bench.until(cleaning)
        await run.handle.cancel()
        asked_twice = True
        await canceled(run)
    assert len(reached) > 4


async def test_when_the_run_has_already_decided_how_it_ends(bench: Bench) -> None:
    await bench.publish([assign("a", n="1")])
    reached = asyncio.Event()
    away = True

    def away_for_a_while(point: str) -> None:
        if point == "finish_run.before":
            reached.set()
            if away:
                raise ConnectionError("the database is away")

    with fault_points.installed(away_for_a_while):
        run = await bench.start()
        await asyncio.wait_for(reached.wait(), PATIENCE_SECONDS)
        await run.handle.cancel()
        away = False
        assert (await run.result())["scopes"]["vars"] == {"n": 1}
    assert (await run.row())["status"] == "SUCCEEDED"


async def test_together_with_the_event_it_waits_for(idle_bench: Bench) -> None:
    await idle_bench.publish([wait_event("w"), quick("never")])
    async with idle_bench.worker():
        run = await idle_bench.start()
        await run.waiting("event")
    await run.send_event("PING")
    await run.handle.cancel()
    async with idle_bench.worker():
        await canceled(run)
    assert [w["status"] for w in await run.waits()] == ["RESOLVED"]
    assert idle_bench.counts.ran["never"] == 0


async def test_together_with_the_outcome_of_an_action(idle_bench: Bench) -> None:
    await idle_bench.publish([call("g", "test.gated", label="g"), quick("never")])
    async with idle_bench.worker():
        run = await idle_bench.start()
        await asyncio.wait_for(idle_bench.counts.begun("g").wait(), PATIENCE_SECONDS)

        def cancel_after_the_outcome(point: str) -> None:
            # The outcome is written, and Temporal does not know it yet.
            if point == "run_step.after_settle":
                run.cancel_first()

        with fault_points.installed(cancel_after_the_outcome):
            idle_bench.counts.gate("g").set()
            await canceled(run)
    assert [t["status"] for t in await run.tries()] == ["SUCCEEDED"]
    assert (await run.steps())[0]["status"] == "SUCCEEDED"
