"""A cancel that a run is told of in a task that is done once more, while its rows are further than its history."""

from __future__ import annotations

import signal

import pytest

from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.runs.cancel import cancel_run
from engine.operations.tasks.tasks import complete_task
from tests.conformance.rebuilding import assert_rebuilds
from tests.engine.rebuild.operating import operator
from tests.engine.workflow.harness import PATIENCE_SECONDS, Run
from tests.engine.workflow.steps import Step, ask, assign, call, call_workflow
from tests.faults.world import World

pytestmark = pytest.mark.faults

ORDINARY: list[Step] = [call("o", "fault.ordinary"), assign("a", n="vars.o.executions"), call("q", "fault.quick")]


async def canceled_after_a_death(world: World, run: Run) -> None:
    """The worker dies when it has claimed the quick step, and the next one is told of that task and of the cancel at once."""
    async with world.worker("doomed", fault="run_chain.after_claim") as doomed:
        assert await doomed.ended(PATIENCE_SECONDS) == -signal.SIGKILL
    await cancel_run(operator(world.bench), run.id, "no longer wanted", settle_seconds=0)
    async with world.worker("heir"):
        row = await run.ended()
    assert row["status"] == "CANCELED"


async def test_an_outcome_that_comes_together_with_a_cancel_is_taken_in(world: World) -> None:
    await world.bench.publish(ORDINARY)
    run = await world.start()
    await canceled_after_a_death(world, run)
    assert (await run.row())["output_json"] == {"o": {"executions": 1}, "n": 1}
    assert [(step["definition_step_id"], step["status"]) for step in await run.steps()] == [
        ("o", "SUCCEEDED"),
        ("a", "SUCCEEDED"),
        ("q", "CANCELED"),
    ]
    await assert_rebuilds(world.bench.store, world.bench.tenant, run.id)
    assert await world.executions() == [1]


async def test_what_a_child_came_to_together_with_a_cancel_is_taken_in(world: World) -> None:
    await world.bench.publish([assign("x", n="1")], "wf.child")
    outputs = {"vars.n": "childRun.vars.n"}
    await world.bench.publish([call_workflow("c", "wf.child", outputs=outputs), call("q", "fault.quick")])
    run = await world.start()
    await canceled_after_a_death(world, run)
    assert (await run.row())["output_json"] == {"n": 1}
    await assert_rebuilds(world.bench.store, world.bench.tenant, run.id)


async def test_an_answer_that_comes_together_with_a_cancel_ends_the_run(world: World) -> None:
    await world.bench.publish([ask("h"), call("q", "fault.quick")])
    run = await world.start()
    async with world.worker("first"):
        await run.waiting("human")
        await run.at_rest()
    [task] = await world.bench.rows("SELECT task_id FROM workflow_human_tasks")
    await complete_task(operator(world.bench), str(task["task_id"]), {"ok": True})
    await make_due_deliveries(operator(world.bench))
    await canceled_after_a_death(world, run)
    await assert_rebuilds(world.bench.store, world.bench.tenant, run.id)
