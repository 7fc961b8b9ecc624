"""Workers that die with SIGKILL at every point of the protocol, and the next worker that finishes what they began."""

from __future__ import annotations

import asyncio
import random
import signal

import pytest

from engine.contract import SEMANTICS_VERSION, TEMPORAL_CLOCK_SEMANTICS
from engine.fault_points import POINTS
from tests.engine.workflow.harness import PATIENCE_SECONDS, Run
from tests.engine.workflow.steps import Step, call, call_workflow, for_each, set_state, wait_event
from tests.faults.installation import END_SECONDS
from tests.faults.world import World

pytestmark = pytest.mark.faults

EVERYTHING: list[Step] = [
    call("a", "fault.quick"),
    for_each("l", "payload.items", [set_state("s")]),
    call("b", "fault.inside"),
    wait_event("w"),
    call_workflow("c", "wf.child", outputs={"vars.child": "childRun.vars.q.executions"}),
    call("d", "fault.quick"),
]
ITEMS = 220
REPEATED = {"run_step.after_action", "run_chain.after_action"}
"""Where the action was done and nobody knows: it is done again, under the same key."""


async def everything(world: World, *, limited: bool, semantics: str) -> Run:
    """A run that does everything, with its event already there."""
    bench = world.bench
    if limited:
        await bench.execute(
            "INSERT INTO workflow_settings (tenant, quota_limit) VALUES (CAST(:t AS uuid), 1000)", t=bench.tenant
        )
    await bench.publish([call("q", "fault.quick")], "wf.child")
    await bench.publish(EVERYTHING)
    run = await world.start({"items": list(range(ITEMS))}, semantics=semantics)
    await bench.execute(
        "INSERT INTO workflow_runtime_events (tenant, event_id, event_name, payload)"
        " VALUES (CAST(:t AS uuid), 'early', 'PING', '{\"n\": 1}')",
        t=bench.tenant,
    )
    return run


@pytest.mark.parametrize("point", sorted(POINTS))
async def test_at(world: World, point: str) -> None:
    # A run that asks for units again and again is never so long without an activity that it has to flush its trace.
    # Only runs from before there were chains do a quick step by itself.
    semantics = TEMPORAL_CLOCK_SEMANTICS if point.startswith("run_step") else SEMANTICS_VERSION
    run = await everything(world, limited=not point.startswith("flush_trace"), semantics=semantics)
    async with world.worker("doomed", fault=point) as doomed:
        assert await doomed.ended(PATIENCE_SECONDS) == -signal.SIGKILL
    async with world.worker("heir"):
        row = await run.ended()
    assert (row["status"], row["step_count"]) == ("SUCCEEDED", ITEMS + 6)
    assert row["output_json"]["event"] == {"n": 1}
    assert await world.executions() == ([1, 1, 2] if point in REPEATED else [1, 1, 1])
    assert len(await world.bench.rows("SELECT 1 FROM inside")) == 1
    children = await world.bench.rows("SELECT 1 FROM workflow_runs WHERE parent_run_id IS NOT NULL")
    assert len(children) == 1
    await world.balance()


async def test_a_worker_that_is_asked_to_stop_finishes_what_it_is_doing(world: World) -> None:
    await world.bench.publish([call("o", "fault.ordinary", seconds=3), call("a", "fault.quick")])
    run = await world.start()
    async with world.worker("first") as first:

        async def begun() -> bool:
            return bool(await run.tries())

        await world.bench.until(begun)
        first.send_signal(signal.SIGTERM)
        assert await first.ended(PATIENCE_SECONDS) == 0
    async with world.worker("second"):
        await run.ended()
    tries = await run.tries()
    assert [(t["status"], t["attempt"]) for t in tries] == [("SUCCEEDED", 1), ("SUCCEEDED", 1)]
    assert tries[0]["worker_identity"] == "first"
    assert await world.executions() == [1, 1]
    await world.balance()


@pytest.mark.parametrize(
    ("point", "done"), [("after_settle", 1), ("after_action", 5), ("before_commit", 4), ("after_end", 10)]
)
async def test_a_chain_of_ten_whose_worker_dies_in_its_middle(world: World, point: str, done: int) -> None:
    """Once each; ``tests/engine/activities/test_run_chain.py`` dies at every point of every step."""
    kinds = ["fault.quick", "fault.inside"]
    await world.bench.publish([call(f"s{n}", kinds[n % 2]) for n in range(10)])
    run = await world.start()
    # Quick and transactional steps take turns, and only one of both kinds reaches some of the points.
    times = {"after_settle": 1, "after_action": 3, "before_commit": 2, "after_end": 1}[point]
    async with world.worker("doomed", fault=f"run_chain.{point}:{times}") as doomed:
        assert await doomed.ended(PATIENCE_SECONDS) == -signal.SIGKILL
    tried = await run.tries()
    known = [row for row in tried if row["status"] == "SUCCEEDED"]
    assert len(known) == (done if point in ("after_settle", "after_end") else done - 1)
    async with world.worker("heir"):
        row = await run.ended()
    assert (row["status"], row["step_count"]) == ("SUCCEEDED", 10)
    assert await world.executions() == ([1, 1, 1, 1, 2] if point == "after_action" else [1] * 5)
    assert len(await world.bench.rows("SELECT 1 FROM inside")) == 5
    await world.balance()


RUNS = 40


@pytest.mark.timeout(900)
async def test_many_runs_survive_many_deaths(world: World) -> None:
    chance = random.Random(4711)
    steps = [
        call("a", "fault.quick"),
        call("b", "fault.inside"),
        call("o", "fault.ordinary", seconds=0.05),
        for_each("l", "[1,2,3]", [call("q", "fault.quick"), set_state("s")]),
    ]
    await world.bench.publish(steps)
    runs = [await world.start() for _ in range(RUNS)]
    for death in range(4):
        async with world.worker(f"doomed-{death}") as doomed:
            await asyncio.sleep(chance.uniform(0.3, 1.5))
            doomed.kill()
    async with world.worker("heir"):
        await asyncio.gather(*(run.result(END_SECONDS) for run in runs))
    assert len(await world.executions()) == RUNS * 5
    [inside] = await world.bench.rows("SELECT count(*) AS n, count(DISTINCT run_id) AS runs FROM inside")
    assert (inside["n"], inside["runs"]) == (RUNS, RUNS)
    await world.balance()
