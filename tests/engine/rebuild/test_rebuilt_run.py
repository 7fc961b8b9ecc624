"""Several states of one run: the same whatever was asked before, and computed from the last checkpoint before the step."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from engine.interpreter.ledger import StepKey
from engine.interpreter.recorded_run import RecordedRun
from engine.rebuild import state
from engine.rebuild.state import RebuiltRun
from tests.engine.rebuild.recording import assign, echo, expr, played

ITEMS = 30
FLAKY: dict[str, Any] = {
    "id": "f",
    "type": "action.call",
    "retry": {"maxAttempts": 3, "backoffMs": 70, "jitter": False},
    "config": {
        "actionId": "test.flaky",
        "version": 1,
        "inputMapping": {"key": expr("'k' & x"), "failures": 1},
        "saveAs": "f",
    },
}
FAILING: dict[str, Any] = {
    "id": "fails",
    "type": "action.call",
    "config": {"actionId": "test.flaky", "version": 1, "inputMapping": {"key": "never", "failures": 9999}},
}


def loop(step_id: str, items: str, variable: str, *body: dict[str, Any]) -> dict[str, Any]:
    return {"id": step_id, "type": "control.forEach", "items": expr(items), "itemVar": variable, "body": list(body)}


STEPS = [
    assign("begin", total="0"),
    loop(
        "outer",
        "payload.items",
        "x",
        assign("sum", total="total + x", at="nowIso()"),
        echo("e", "x"),
        loop("inner", "[1, 2]", "y", assign("in", last="y")),
        {
            "id": "try",
            "type": "control.tryCatch",
            "captureErrorAs": "err",
            "try": [FAILING],
            "catch": [assign("c", c="x")],
        },
    ),
    {"id": "w", "type": "time.wait", "config": {"mode": "duration", "durationMs": 500}},
    assign("end", done="true"),
]


async def recorded(steps: list[dict[str, Any]] = STEPS, items: int = ITEMS) -> RecordedRun:
    run = await played(steps, {"op": "advance", "ms": 900_000}, payload={"items": list(range(items))})
    return run.recorded()


@pytest.fixture(autouse=True)
def _close_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "LEAST_STEPS_BETWEEN", 7)
    monkeypatch.setattr(state, "MOST_CHECKPOINTS", 1000)


class Steps:
    """Counts the steps that are computed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> bool:
        self.count += 1
        return False


@pytest.mark.parametrize("seed", range(5))
async def test_every_state_is_the_same_in_whatever_order_they_are_asked_for(seed: int) -> None:
    run = await recorded(items=6)
    asked: list[StepKey] = list(run.steps)
    random.Random(seed).shuffle(asked)
    rebuilt = RebuiltRun(run)
    for key in asked + asked[:10]:
        found = rebuilt.at(key)
        assert found == RebuiltRun(run).at(key), key
        assert found.after is not None


async def test_retries_go_on_from_a_checkpoint_with_the_times_they_had() -> None:
    steps = [loop("l", "payload.items", "x", FLAKY, assign("t", at="nowIso()"))]
    run = await recorded(steps, items=12)
    rebuilt = RebuiltRun(run)
    assert rebuilt.at(list(run.steps)[-1]).stop is None
    times = [rebuilt.at(("root.steps[0].body.steps[1]", str(item), 1)).after["vars"]["at"] for item in range(12)]  # type: ignore[index]  # all are known
    assert len(set(times)) == 12
    assert times == sorted(times)


async def test_a_step_that_was_passed_costs_the_way_from_the_checkpoint_before_it() -> None:
    run = await recorded()
    keys, counted, rebuilt = list(run.steps), Steps(), RebuiltRun(run)
    rebuilt.at(keys[-1], counted)
    assert counted.count == len(keys) > 200
    for place in (0, 1, len(keys) // 2, len(keys) - 1):
        counted.count = 0
        assert rebuilt.at(keys[place], counted).stop is None
        assert counted.count <= 8


async def test_going_forward_computes_every_step_once_and_no_more() -> None:
    run = await recorded()
    keys, counted, rebuilt = list(run.steps), Steps(), RebuiltRun(run)
    rebuilt.at(keys[len(keys) // 2], counted)
    first = counted.count
    rebuilt.at(keys[-1], counted)
    assert counted.count <= len(keys) + 8
    assert first < len(keys)


async def test_checkpoints_keep_no_more_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [loop("l", "payload.items", "x", assign("grow", text="text & 'thousands of characters, all of them new'"))]
    begin = assign("begin", text="'x'")
    run = await recorded([begin, *steps], items=100)
    monkeypatch.setattr(state, "CHECKPOINT_BYTES", 3_000)
    rebuilt, counted = RebuiltRun(run), Steps()
    keys = list(run.steps)
    rebuilt.at(keys[-1])
    assert 1 < len(rebuilt._checkpoints) < len(keys) // 7 - 5
    assert rebuilt.at(keys[-1], counted) == RebuiltRun(run).at(keys[-1])
    assert counted.count > 8


async def test_what_neighbours_share_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "CHECKPOINT_BYTES", 6_000)
    run = await recorded([loop("l", "payload.items", "x", assign("a", n="x"))], items=100)
    large = replace(run, payload={**run.payload, "text": "x" * 1_000})
    rebuilt = RebuiltRun(large)
    rebuilt.at(list(large.steps)[-1])
    assert len(rebuilt._checkpoints) > 10


async def test_a_computation_that_was_given_up_goes_on_where_it_was() -> None:
    run = await recorded()
    keys, rebuilt = list(run.steps), RebuiltRun(run)
    left = iter([False] * 100 + [True])
    given_up = rebuilt.at(keys[-1], lambda: next(left))
    assert given_up.stop is not None
    assert (given_up.before, given_up.stop.code) == (None, "TOO_LONG")
    counted = Steps()
    assert rebuilt.at(keys[-1], counted).stop is None
    assert counted.count <= len(keys) - 100 + 8


async def test_a_step_the_run_never_took_is_said_whatever_was_asked_before() -> None:
    run = await recorded(items=4)
    rebuilt = RebuiltRun(run)
    rebuilt.at(list(run.steps)[-1])
    stop = rebuilt.at(("root.steps[70]", "", 1)).stop
    assert stop is not None
    assert stop.code == "NOT_RECORDED"
