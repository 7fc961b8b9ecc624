"""transform.round_number and transform.sum_numbers."""

from __future__ import annotations

from typing import Any

import pytest

from engine.actions.pure import PURE_ACTIONS, run_pure
from engine.errors import StepFailure


def play(name: str, **action_input: Any) -> Any:
    output = run_pure(name, 1, action_input, step_config={}, context={}, now_iso=lambda: "not asked for")
    PURE_ACTIONS[name, 1].output_model.model_validate(output)
    return output


@pytest.mark.parametrize(
    ("action_input", "value"),
    [
        ({"value": 2.5}, 3),
        ({"value": -2.5}, -3),
        ({"value": 1.005, "digits": 2}, 1.01),
        ({"value": 1.005, "digits": 2.0, "mode": "half_even"}, 1),
        ({"value": 2.675, "digits": 2, "mode": "half_even"}, 2.68),
        ({"value": 1.001, "digits": 2, "mode": "up"}, 1.01),
        ({"value": -1.009, "digits": 2, "mode": "down"}, -1),
        ({"value": -1.5, "mode": "ceiling"}, -1),
        ({"value": -1.5, "mode": "floor"}, -2),
        ({"value": 1250, "digits": -2}, 1300),
        ({"value": 7, "digits": 3}, 7),
        ({"value": 1e-300, "digits": 15}, 0),
    ],
)
def test_numbers_are_rounded_by_their_decimal_digits(action_input: dict[str, Any], value: float) -> None:
    output = play("transform.round_number", **action_input)["value"]
    assert (output, type(output)) == (value, type(value))


@pytest.mark.parametrize(
    ("numbers", "total", "count"),
    [
        ([0.1, 0.2], 0.3, 2),
        ([19.99, 5, 0.01], 25, 3),
        ([1e16, 1, -1e16], 1, 3),
        ([], 0, 0),
        (None, 0, 0),
        (4.5, 4.5, 1),
    ],
)
def test_sums_are_decimal(numbers: Any, total: float, count: int) -> None:
    output = play("transform.sum_numbers", numbers=numbers)
    assert output == {"sum": total, "count": count}
    assert type(output["sum"]) is type(total)


@pytest.mark.parametrize(
    ("name", "action_input", "code"),
    [
        ("transform.sum_numbers", {"numbers": [2**53, 1]}, "NUMBER_NOT_EXACT"),
        ("transform.sum_numbers", {"numbers": [9007199254740991, 0.5]}, "NUMBER_NOT_EXACT"),
        ("transform.round_number", {"value": 1e300}, "NUMBER_NOT_EXACT"),
        ("transform.round_number", {"value": 2**60}, "NUMBER_NOT_EXACT"),
        ("transform.round_number", {"value": 10**1200}, "NUMBER_NOT_EXACT"),
        ("transform.sum_numbers", {"numbers": [10**1200, 0.5]}, "NUMBER_NOT_EXACT"),
        ("transform.round_number", {"value": "1"}, "ACTION_INPUT_INVALID"),
        ("transform.round_number", {"value": 1, "digits": 16}, "ACTION_INPUT_INVALID"),
        ("transform.sum_numbers", {"numbers": [1, "2"]}, "ACTION_INPUT_INVALID"),
        ("transform.sum_numbers", {"numbers": [True]}, "ACTION_INPUT_INVALID"),
        ("transform.sum_numbers", {}, "ACTION_INPUT_INVALID"),
    ],
)
def test_what_cannot_be_told_exactly_is_refused(name: str, action_input: dict[str, Any], code: str) -> None:
    with pytest.raises(StepFailure) as failed:
        play(name, **action_input)
    assert failed.value.code == code
