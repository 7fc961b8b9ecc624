"""In which order queued runs start: that of their arrival, whatever happens meanwhile."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest

from engine.operations.catalog.publish import pause_workflow
from engine.operations.context import OperationContext
from engine.operations.reconcile import reconcile
from engine.operations.reconcile.reconcile import relaunch_pending
from engine.operations.runs import hand_over
from engine.operations.runs.hand_over import hand_over_due
from engine.operations.runs.queue import release_queued
from engine.operations.runs.starting import PendingRun, StartOutcome, hand_to_temporal
from engine.store.runs.reconciling import claim_launches
from tests.engine.operations.conftest import add_version
from tests.engine.operations.crashing import unreachable
from tests.engine.worker.test_event_stream import bench, context, store
from tests.engine.worker.test_queue import PLACED, place, take_turns
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import Step, set_state, wait_event

__all__ = ["bench", "context", "store"]


async def held_by_a_pause(bench: Bench, context: OperationContext, number: int, step: Step) -> dict[str, int]:
    """Queue runs while their workflow is paused, and end the pause; their places in the line, by their ids.

    Ids sort by the moment at which a delivery came to its run: here against the order of arrival.
    """
    await add_version(bench.store, "wf.order", trigger=PLACED, steps=[step])
    await pause_workflow(context, "wf.order", paused=True)
    await place(bench, context, *range(number))
    await bench.execute(f"UPDATE workflow_runs SET queue_place = {number} - (input_json ->> 'n')::int")
    found = await bench.rows("SELECT run_id, queue_place AS n FROM workflow_runs")
    await pause_workflow(context, "wf.order", paused=False)
    return {str(row["run_id"]): row["n"] for row in found}


def begins(monkeypatch: pytest.MonkeyPatch, starter: ModuleType, numbers: dict[str, int]) -> list[int]:
    """Has the places of the runs noted as a module of ours starts them."""
    began: list[int] = []

    async def start(own: OperationContext, run: PendingRun) -> StartOutcome:
        began.append(numbers[run.run_id])
        return await hand_to_temporal(own, run)

    monkeypatch.setattr(starter, "hand_to_temporal", start)
    return began


async def test_what_a_pause_held_starts_in_the_order_of_arrival(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the deliveries of one batch overtook each other, and whatever one of the runs meets."""
    numbers = await held_by_a_pause(bench, context, 20, wait_event("w", "GO"))
    began: list[int] = []
    ended: list[int] = []

    async def start(own: OperationContext, run: PendingRun) -> StartOutcome:
        number = numbers[run.run_id]
        began.append(number)
        if number == 7:
            raise ZeroDivisionError
        outcome = await hand_to_temporal(own, run)
        ended.append(number)
        return outcome

    monkeypatch.setattr(hand_over, "hand_to_temporal", start)
    assert await release_queued(context) == 20
    while await hand_over_due(context):
        pass
    assert began == list(range(1, 21))
    assert ended == [number for number in began if number != 7]


async def test_what_was_queued_keeps_its_order_while_temporal_is_away(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = await held_by_a_pause(bench, context, 6, set_state("s"))
    away = replace(context, temporal=unreachable())
    assert await take_turns(away) == 6
    assert await hand_over_due(context) == 0
    began = begins(monkeypatch, reconcile, numbers)
    due = "UPDATE workflow_runs SET next_launch_at = next_launch_at - interval '1 minute'"
    await bench.execute(due)
    assert (await relaunch_pending(away)).pending == 6
    await bench.execute(due)
    assert (await relaunch_pending(context)).started == 6
    assert began == [1, 2, *range(1, 7)]


async def test_two_workers_that_claim_at_the_same_moment_start_nothing_before_its_turn(
    bench: Bench, context: OperationContext
) -> None:
    await held_by_a_pause(bench, context, 6, set_state("s"))
    assert await release_queued(context) == 6
    async with bench.store.begin() as one:
        [line] = await claim_launches(one, 4, lease_seconds=600.0)
        assert len(line) == 4
        async with bench.store.begin() as other:
            assert await claim_launches(other, 4, lease_seconds=600.0) == []
    await bench.execute(
        "UPDATE workflow_runs SET next_launch_at = now(), launch_state = 'started' WHERE next_launch_at > now()"
    )
    async with bench.store.begin() as other:
        [rest] = await claim_launches(other, 4, lease_seconds=600.0)
    assert len(rest) == 2


async def test_what_a_dead_worker_was_about_to_start_comes_before_what_is_behind_it(
    bench: Bench, context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = await held_by_a_pause(bench, context, 6, set_state("s"))
    assert await release_queued(context) == 6
    async with bench.store.begin() as theirs:
        [line] = await claim_launches(theirs, 4, lease_seconds=600.0)
    assert [numbers[run.run_id] for run in line] == [1, 2, 3, 4]
    assert await hand_over_due(context) == 0
    began = begins(monkeypatch, hand_over, numbers)
    await bench.execute("UPDATE workflow_runs SET next_launch_at = now() WHERE next_launch_at > now()")
    while await hand_over_due(context):
        pass
    assert began == list(range(1, 7))
