"""Workflow tasks that are done twice: what the first time wrote stands, and the second time finds it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine import fault_points
from tests.engine.workflow.harness import Bench, Run, tell_first
from tests.engine.workflow.steps import Step, attempt, call, call_workflow, for_each, quick, set_state, wait_event

ALL_IN_ONE_TASK: list[Step] = [
    quick("a", value=1),
    for_each("l", "payload.items", [set_state("s")]),
    wait_event("w"),
    call("t", "test.writes", label="k"),
]


ENDS = ("finish_run.after", "run_chain.after_end")
"""After the end of a run is in its row."""


async def start_with_an_early_event(bench: Bench) -> Run:
    """The event is there before the first workflow task, so nothing in the run waits for the server."""
    await bench.publish(ALL_IN_ONE_TASK)
    run = await bench.start({"items": list(range(250))})
    await bench.execute(
        "INSERT INTO workflow_runtime_events (tenant, event_id, event_name, payload)"
        " VALUES (CAST(:t AS uuid), 'early', 'PING', '{}')",
        t=bench.tenant,
    )
    return run


def at_the_very_end(send: Callable[[], Awaitable[Any]]) -> Callable[[str], None]:
    """When the run's end is written for the first time: send, before Temporal is told of it, and let the activity be repeated."""
    sent: list[str] = []

    def hook(reached: str) -> None:
        if reached in ENDS and not sent:
            sent.append(reached)
            tell_first(send)
            raise ConnectionError("the answer of the database was lost")

    return hook


@pytest.mark.parametrize("limited", [False, True])
async def test_a_signal_at_the_very_end(idle_bench: Bench, limited: bool) -> None:
    if limited:
        await idle_bench.execute(
            "INSERT INTO workflow_settings (tenant, quota_limit) VALUES (CAST(:t AS uuid), 900)", t=idle_bench.tenant
        )
    run = await start_with_an_early_event(idle_bench)
    with fault_points.installed(at_the_very_end(lambda: run.send_event("PING", event_id="too-late"))):
        async with idle_bench.worker():
            assert (await run.result())["scopes"]["vars"]["a"] == {"value": 1}
    assert (await run.events())["WORKFLOW_TASK_STARTED"] >= 2
    row = await run.row()
    assert (row["status"], row["step_count"]) == ("SUCCEEDED", 254)
    assert idle_bench.counts.ran["a"] == 1
    [stored] = await idle_bench.rows("SELECT value FROM workflow_data_store")
    assert stored["value"] == 1
    [usage] = await idle_bench.rows("SELECT used_count FROM workflow_step_usage_periods")
    assert usage["used_count"] == 254
    assert [(w["status"], w["matched_event_id"]) for w in await run.waits() if w["wait_type"] == "event"] == [
        ("RESOLVED", "early")
    ]


async def test_a_run_that_went_on_without_an_event_does_not_turn_back_when_it_comes(idle_bench: Bench) -> None:
    await idle_bench.publish([attempt("t", [wait_event("w", timeoutMs=300), quick("in-time")], [quick("late")])])
    run = await idle_bench.start()
    with fault_points.installed(at_the_very_end(lambda: run.send_event("PING", event_id="too-late"))):
        async with idle_bench.worker():
            row = await run.ended()
            await run.result()
    assert (await run.events())["WORKFLOW_TASK_STARTED"] >= 2
    assert row["status"] == "SUCCEEDED"
    assert (idle_bench.counts.ran["late"], idle_bench.counts.ran["in-time"]) == (1, 0)
    assert [wait["status"] for wait in await run.waits()] == ["TIMED_OUT"]


async def test_a_cancel_at_the_very_end_comes_too_late(idle_bench: Bench) -> None:
    run = await start_with_an_early_event(idle_bench)
    with fault_points.installed(at_the_very_end(run.handle.cancel)):
        async with idle_bench.worker():
            assert (await run.result())["scopes"]["vars"]["a"] == {"value": 1}
    assert (await run.events())["WORKFLOW_TASK_STARTED"] >= 2
    assert (await run.row())["status"] == "SUCCEEDED"
    assert idle_bench.counts.ran["a"] == 1


async def test_a_child_that_ended_twice_gives_its_parent_all_it_had(idle_bench: Bench) -> None:
    await idle_bench.publish([quick("q", value=5)], "wf.child")
    await idle_bench.publish([call_workflow("c", "wf.child", outputs={"vars.got": "childRun.vars.q.value"})])
    run = await idle_bench.start()
    signaled: list[Run] = []

    async def signal_the_child() -> None:
        [child] = (await run.handle.describe()).raw_description.pending_children
        signaled.append(Run(idle_bench, child.workflow_id.rpartition(":")[2]))
        await signaled[0].send_event("PING")

    with fault_points.installed(at_the_very_end(signal_the_child)):
        async with idle_bench.worker():
            row = await run.ended()
    assert (await signaled[0].events())["WORKFLOW_TASK_FAILED"] >= 1
    assert row["status"] == "SUCCEEDED"
    assert row["output_json"]["got"] == 5
