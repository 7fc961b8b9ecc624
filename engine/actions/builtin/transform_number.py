"""``transform.round_number`` and ``transform.sum_numbers``: decimal arithmetic on JSON numbers, exact or refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Decimal,
    InvalidOperation,
    localcontext,
)
from typing import Annotated, Any, Final, Literal

from pydantic import Field, FiniteFloat

from engine.actions.pure_action import PureAction, PureScope
from engine.actions.schema import WHOLE, ActionModel, CamelModel
from engine.errors import VALIDATION, StepFailure

NOT_EXACT: Final = "NUMBER_NOT_EXACT"
MAX_DIGITS: Final = 15
LARGEST_INTEGER: Final = 2**53
"""Beyond it a reader of JSON that counts in doubles takes one integer for another."""
_PRECISION: Final = 1_000
"""Digits of an intermediate result: more than the sum of the largest and the smallest double has."""

Number = int | FiniteFloat
_MODES: Final = {
    "half_up": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
    "up": ROUND_UP,
    "down": ROUND_DOWN,
    "ceiling": ROUND_CEILING,
    "floor": ROUND_FLOOR,
}


class RoundInput(CamelModel):
    value: Number
    digits: Annotated[int, Field(ge=-MAX_DIGITS, le=MAX_DIGITS), WHOLE] = 0
    mode: Literal["half_up", "half_even", "up", "down", "ceiling", "floor"] = "half_up"


class RoundOutput(ActionModel):
    value: Number


class SumInput(CamelModel):
    numbers: list[Number] | Number | None


class SumOutput(ActionModel):
    sum: Number
    count: int


def round_number(call: RoundInput, _scope: PureScope) -> dict[str, Any]:
    """``value`` with ``digits`` decimal places, rounded as its decimal digits say; negative digits round to tens, hundreds, ...

    Raises ``StepFailure`` (``ValidationError``, ``NUMBER_NOT_EXACT``) when a JSON number cannot hold the result.
    """
    return {"value": _exact("transform.round_number", lambda: _rounded(call))}


def sum_numbers(call: SumInput, _scope: PureScope) -> dict[str, Any]:
    """The sum in decimals, and how many numbers there were; null and an empty list give 0, one number is its own sum.

    Raises as ``round_number``.
    """
    given = call.numbers
    numbers = given if isinstance(given, list) else [] if given is None else [given]
    total = _exact("transform.sum_numbers", lambda: sum(map(_decimal, numbers), Decimal(0)))
    return {"sum": total, "count": len(numbers)}


def _rounded(call: RoundInput) -> Decimal:
    value, unit = _decimal(call.value), Decimal(1).scaleb(-call.digits)
    return value.quantize(unit, rounding=_MODES[call.mode])


def _decimal(number: Number) -> Decimal:
    return Decimal(repr(number))


def _exact(label: str, compute: Callable[[], Decimal]) -> Number:
    with localcontext(prec=_PRECISION), suppress(InvalidOperation):
        # An integer of more digits than that is no double either.
        value = compute()
        if value == value.to_integral_value():
            if abs(value) <= LARGEST_INTEGER:
                return int(value)
        elif Decimal(repr(float(value))) == value:
            return float(value)
    message = f"{label}: a JSON number cannot hold the result exactly. Use fewer digits, or keep the value as text."
    raise StepFailure(VALIDATION, message, code=NOT_EXACT)


NUMBER_ACTIONS: Final = (
    PureAction("transform.round_number", 1, RoundInput, RoundOutput, round_number, "Round a number."),
    PureAction("transform.sum_numbers", 1, SumInput, SumOutput, sum_numbers, "Add numbers up, in decimals."),
)
