"""A run goes on in a new execution when the replay of its history would cost too much, whatever it is that costs."""

from __future__ import annotations

from typing import Any

import pytest

from engine.activities import chain
from engine.contract import REPLAY_COST, ReplayCost
from engine.operations.runs import starting
from engine.workflow import continuation
from tests.engine.workflow.executions import executions
from tests.engine.workflow.harness import Bench, Steps
from tests.engine.workflow.steps import Step, assign, call, call_workflow, for_each, ordinary, quick

FREE: ReplayCost = {"event": 0, "byte": 0, "step": 0, "evaluation": 0, "most": 1_000}
ITEMS = {"items": [{"n": n} for n in range(3_000)]}
FILTER = assign("f", n="len(payload.items[n > 10])")
"""More than ten thousand evaluation steps."""


def unsaved(step: Step) -> Step:
    config = {name: value for name, value in step["config"].items() if name != "saveAs"}
    return {**step, "config": config}


@pytest.mark.parametrize(
    ("cost", "body"),
    [
        ({"event": 1_000 // 20}, [ordinary("o", value="=item")]),
        ({"step": 1_000 // 3}, [ordinary("o", value="=item")]),
        ({"evaluation": 1, "most": 50_000}, [FILTER, ordinary("o", value="=item")]),
        # An outcome that goes by reference is not in the history.
        (
            {"byte": 1, "most": 800_000},
            [unsaved(call("b", "test.sized", characters=300_000)), ordinary("o", value="=item")],
        ),
        # The state that every chain is handed, and that both machines take the digest of.
        ({"byte": 1, "most": 250_000}, [quick("c", value="=payload.items"), ordinary("o", value="=item")]),
    ],
    ids=["events", "steps", "evaluation", "outcomes by reference", "state"],
)
async def test_what_costs_more_than_it_may_is_split(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, cost: dict[str, int], body: Steps
) -> None:
    monkeypatch.setattr(starting, "REPLAY_COST", {**FREE, **cost})
    run = await bench.play([for_each("l", "[1..10]", body)], ITEMS)
    row = await run.row()
    assert (row["status"], row["output_json"]["o"]) == ("SUCCEEDED", {"value": 10})
    assert bench.counts.ran["o"] == 10
    assert await executions(run) >= 3


async def test_what_costs_nothing_is_not(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "REPLAY_COST", FREE)
    run = await bench.play([for_each("l", "[1..20]", [FILTER, ordinary("o")])], ITEMS)
    assert await executions(run) == 1


async def test_a_run_from_before_the_estimate_goes_by_its_events(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    start = starting.RunInput

    def as_before(**given: Any) -> Any:
        del given["replay_cost"]
        return start(**given, history_events=40)  # type: ignore[typeddict-item] # the others are in given

    monkeypatch.setattr(starting, "RunInput", as_before)
    run = await bench.play([for_each("l", "[1..20]", [ordinary("o")])])
    assert await executions(run) >= 3


async def test_a_child_goes_by_what_its_parent_was_started_with(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "REPLAY_COST", {**FREE, "step": 1_000 // 5})
    await bench.publish([for_each("l", "[1..10]", [ordinary("o")])], "wf.child")
    run = await bench.play([call_workflow("c", "wf.child")])
    assert (await run.row())["status"] == "SUCCEEDED"
    [child] = await bench.rows("SELECT run_id FROM workflow_runs WHERE parent_run_id IS NOT NULL")
    assert await executions(type(run)(bench, str(child["run_id"]))) >= 2


async def test_a_few_events_that_take_a_second_are_split_in_a_real_run(bench: Bench) -> None:
    """Three million evaluation steps, in chains: a dozen events in one history before the estimate was."""
    run = await bench.play([for_each("l", "[1..200]", [FILTER, quick("q")])], ITEMS)
    assert (await run.row())["status"] == "SUCCEEDED"
    assert bench.counts.ran["q"] == 200
    assert await executions(run) >= 2
    assert (await run.history()).events[-1].event_id < continuation.MAX_EVENTS // 2


async def test_a_chain_is_no_longer_than_a_workflow_may_compute_in_one_go(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a chain does is taken in by the workflow without a pause; the more it evaluates, the fewer steps it has."""
    monkeypatch.setattr(chain, "MAX_COST", 10_000 * REPLAY_COST["evaluation"])
    run = await bench.play([for_each("l", "[1..10]", [FILTER, quick("q")])], ITEMS)
    assert (await run.row())["status"] == "SUCCEEDED"
    loading, last = 1, 1
    assert (await run.events())["MARKER_RECORDED"] in (loading + 10, loading + 10 + last)
