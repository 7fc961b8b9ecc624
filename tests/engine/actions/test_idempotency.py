"""Which key names an execution."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from engine.actions.context import StepIdentity
from engine.actions.declaration import RegisteredAction, action, declarations_of
from engine.actions.idempotency import engine_key, idempotency_key
from engine.errors import StepFailure
from engine.ids import new_id
from engine.settings import DEFAULT_TENANT
from engine.values.javascript import text

CASES = Path(__file__).parents[2] / "conformance" / "cases" / "workflows.json"

STEP = StepIdentity(
    tenant=DEFAULT_TENANT, run_id="run", workflow_id="wf.main", workflow_version=1, step_path="root.steps[0]"
)


class Charge(BaseModel):
    order: str
    amount: int = 0


def charge(own_key: Any = None) -> RegisteredAction:
    return declarations_of(
        action("pay.charge", input=Charge, output=Charge, idempotency_key=own_key)(lambda call, ctx: call)
    )[0]


def test_the_explicit_key_wins_then_the_actions_own_then_the_engines() -> None:
    own = charge(lambda call, step: f"order:{call.order}:{step.run_id}")
    call = {"order": "o-1"}
    assert idempotency_key(own, STEP, call, "mine") == "mine"
    assert idempotency_key(own, STEP, call) == "order:o-1:run"
    assert idempotency_key(charge(), STEP, call).startswith("run:run:root.steps[0]::1:")


@pytest.mark.parametrize("blank", ["", "  ", None])
def test_a_blank_key_is_no_key(blank: str | None) -> None:
    engines = engine_key(STEP, "pay.charge", 1, {"order": "o"})
    assert idempotency_key(charge(), STEP, {"order": "o"}, blank) == engines
    assert idempotency_key(charge(lambda call, step: blank), STEP, {"order": "o"}) == engines


@pytest.mark.parametrize(
    "change",
    [{"run_id": "other"}, {"step_path": "root.steps[1]"}, {"iteration": "1"}, {"visit": 2}],
)
def test_executions_have_keys_of_their_own(change: dict[str, Any]) -> None:
    """Equal inputs in two iterations of a loop are two executions."""
    other = dataclasses.replace(STEP, **change)
    assert engine_key(other, "pay.charge", 1, {}) != engine_key(STEP, "pay.charge", 1, {})


def test_every_try_has_the_same_key() -> None:
    again = dataclasses.replace(STEP, attempt=5)
    assert engine_key(again, "pay.charge", 1, {"a": 1, "b": 2}) == engine_key(STEP, "pay.charge", 1, {"b": 2, "a": 1})


def test_an_input_the_action_refuses_has_the_engines_key() -> None:
    assert idempotency_key(charge(lambda call, step: "own"), STEP, {}) == engine_key(STEP, "pay.charge", 1, {})


def test_a_key_that_cannot_be_stored_is_refused() -> None:
    for key in ("k" * 513, "\U0001f600" * 251, "a\0b", text({"order": 1}), f"order:{text([1, {}])}"):
        with pytest.raises(StepFailure) as failed:
            idempotency_key(charge(), STEP, {}, key)
        assert (failed.value.category, failed.value.code) == ("ValidationError", "IDEMPOTENCY_KEY_INVALID")


def test_a_key_that_the_engine_gave_another_run_is_refused() -> None:
    """Else whoever may choose a key took the outcome of that run's step, or took its key away before it ran."""
    mine = dataclasses.replace(STEP, run_id=new_id())
    others = engine_key(dataclasses.replace(mine, run_id=new_id(), iteration="0.3"), "pay.charge", 1, {"order": "o"})
    for own, explicit in ((None, others), (lambda call, step: others, None), (None, others.rpartition(":")[0])):
        with pytest.raises(StepFailure) as failed:
            idempotency_key(charge(own), mine, {"order": "o"}, explicit)
        assert (failed.value.category, failed.value.code) == ("ValidationError", "IDEMPOTENCY_KEY_INVALID")
    for key in (engine_key(mine, "pay.charge", 1, {}), f"run:{new_id()}:charge", "run:17"):
        assert idempotency_key(charge(), mine, {"order": "o"}, key) == key


def test_a_key_function_that_fails_fails_the_step() -> None:
    with pytest.raises(StepFailure, match="division") as failed:
        idempotency_key(charge(lambda call, step: str(1 // call.amount)), STEP, {"order": "o"})
    assert failed.value.code == "IDEMPOTENCY_KEY_FAILED"
    with pytest.raises(StepFailure, match="text or None, not int") as failed:
        idempotency_key(charge(lambda call, step: call.amount), STEP, {"order": "o"})
    assert failed.value.code == "IDEMPOTENCY_KEY_FAILED"


def test_the_conformance_case_holds() -> None:
    (case,) = [case for case in json.loads(CASES.read_text()) if case["id"] == "idempotency-key-stability"]
    run, path, name, version, value = case["input"]["base"]
    step = dataclasses.replace(STEP, run_id=run, step_path=path)
    base = engine_key(step, name, version, value)
    assert case["expect"]["output"] == {
        "sameAgain": engine_key(step, name, version, value) == base,
        "otherInputEqual": engine_key(step, name, version, {"value": 2}) == base,
        "otherRunEqual": engine_key(dataclasses.replace(step, run_id="run-2"), name, version, value) == base,
    }
