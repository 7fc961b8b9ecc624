"""What a replay in another version would do: recorded answers count only for steps that are as they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from engine.interpreter.recorded_run import RecordedRun
from engine.rebuild.other_version import laid_under
from engine.rebuild.preview import Preview, preview_of_version, preview_replay
from engine.records import Difference
from tests.engine.rebuild.recording import assign, echo, expr, played


def in_version(run: RecordedRun, steps: Sequence[Any], payload: Any = None) -> Preview:
    """As version 2, with the input as it was unless another is given."""
    definition = {**run.definition, "version": 2, "steps": list(steps)}
    return preview_of_version(laid_under(run, 2, definition), run.payload if payload is None else payload)


async def recorded(*steps: Any, payload: Any = None) -> RecordedRun:
    return (await played(list(steps), payload=payload or {})).recorded()


STEPS = (echo("a", "1"), assign("b", n="2"), echo("c", "n"))


async def test_the_same_definition_goes_the_same_way() -> None:
    run = await recorded(*STEPS)
    assert in_version(run, STEPS) == preview_replay(run, run.payload)


async def test_what_only_handles_an_answer_otherwise_keeps_it() -> None:
    run = await recorded(*STEPS)
    first = echo("a", "1")
    first["config"] = {**first["config"], "saveAs": "elsewhere"}
    preview = in_version(run, [first, *STEPS[1:]])
    assert (preview.status, preview.stop, preview.differences) == ("SUCCEEDED", None, [])
    assert preview.scopes["vars"]["elsewhere"] == {"value": 1}


async def test_a_mapping_that_gives_the_same_keeps_the_answer_and_another_stops() -> None:
    run = await recorded(*STEPS)
    assert in_version(run, [echo("a", "2 - 1"), *STEPS[1:]]).status == "SUCCEEDED"
    stop = in_version(run, [echo("a", "7"), *STEPS[1:]]).stop
    assert stop is not None
    assert (stop.code, stop.recorded, stop.now) == ("INPUT_CHANGED", {"value": 1}, {"value": 7})


@pytest.mark.parametrize("what", ["actionId", "version", "id"])
async def test_another_action_in_the_place_of_one_has_no_answer_though_it_is_given_the_same(what: str) -> None:
    run = await recorded(*STEPS)
    other = echo("a", "1")
    if what == "id":
        other["id"] = "z"
    else:
        other["config"] = {**other["config"], what: {"actionId": "test.other", "version": 9}[what]}
    preview = in_version(run, [other, *STEPS[1:]])
    assert preview.stop is not None
    assert preview.stop.code == "STEP_CHANGED"
    assert preview.stop.message == f"Step {other['id']} of version 2 is not one that the run executed."
    assert (preview.status, preview.differences) == (None, [])


async def test_an_inserted_step_is_told_and_what_stands_elsewhere_now_has_no_answer() -> None:
    run = await recorded(*STEPS)
    preview = in_version(run, [assign("new", x="1"), *STEPS])
    assert preview.stop is not None
    assert preview.stop.step is not None
    assert (preview.stop.code, preview.stop.step.step_id) == ("STEP_CHANGED", "a")
    assert Difference("root.steps[0]", "", "new", "added", None, "SUCCEEDED") in preview.differences


async def test_a_step_that_is_gone_is_told() -> None:
    run = await recorded(*STEPS)
    preview = in_version(run, STEPS[:2])
    assert preview.status == "SUCCEEDED"
    assert preview.differences == [Difference("root.steps[2]", "", "c", "dropped", "SUCCEEDED", None)]


async def test_a_condition_that_decides_otherwise_is_told() -> None:
    branch = {"id": "i", "type": "control.if", "condition": expr("true"), "then": [assign("t", x="1")], "else": []}
    run = await recorded(branch)
    preview = in_version(run, [{**branch, "condition": expr("false")}])
    assert preview.status == "SUCCEEDED"
    assert [(change.kind, change.now) for change in preview.differences] == [("branch", "else"), ("dropped", None)]


async def test_a_wait_of_another_length_has_no_end() -> None:
    wait = {"id": "w", "type": "time.wait", "config": {"mode": "duration", "durationMs": 5}}
    run = (await played([wait], {"op": "advance", "ms": 5}, payload={})).recorded()
    assert in_version(run, [wait]).status == "SUCCEEDED"
    stop = in_version(run, [{**wait, "config": {"mode": "duration", "durationMs": 6}}]).stop
    assert stop is not None
    assert stop.code == "STEP_CHANGED"
