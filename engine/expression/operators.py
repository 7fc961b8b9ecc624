"""The operators, on values that may be missing. Types are JSONata's, never Python's: true is not 1, 1.0 is 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from engine.expression.errors import TYPE, Fault
from engine.expression.values import MISSING, SAFE_INTEGER, FunctionValue, Root, Run, Sequence, Value, normal

Operator = Callable[[Value, Value, Run, int], Value]
"""Left, right, run and position of the operator to the result."""


def is_number(value: Value, position: int) -> bool:
    """Whether arithmetic works on it. Raises ``Fault`` for an infinite number, as JSONata does."""
    kind = type(value)
    if kind is int:
        return True
    if kind is not float:
        return False
    if math.isinf(value):
        raise Fault(TYPE, "A number is too large to go on with.", position)
    return not math.isnan(value)


def double(value: int | float, position: int) -> float:
    """A number as the double that arithmetic is done in."""
    try:
        return float(value)
    except OverflowError:
        raise Fault(TYPE, "A number is too large to go on with.", position) from None


def negated(value: Value, position: int) -> Value:
    """``-value``."""
    if value is MISSING:
        return MISSING
    if not is_number(value, position):
        raise Fault(TYPE, f"Only a number can be negated, not {described(value)}.", position)
    return -value if value else 0


def _arithmetic(symbol: str, compute: Callable[[Any, Any], Any]) -> Operator:
    def operate(left: Value, right: Value, run: Run, position: int) -> Value:
        if left is not MISSING and not is_number(left, position):
            raise Fault(TYPE, f"The left side of {symbol} must be a number, not {described(left)}.", position)
        if right is not MISSING and not is_number(right, position):
            raise Fault(TYPE, f"The right side of {symbol} must be a number, not {described(right)}.", position)
        if left is MISSING or right is MISSING:
            return MISSING
        safe = _is_safe(left) and _is_safe(right)
        if safe and type(left) is int and type(right) is int:
            exact = compute(left, right)
            safe = _is_safe(exact)
            if safe and type(exact) is int:
                return exact
        # Integers are exact or refused: what a double cannot hold would be another number without a word.
        if not safe and not run.rounds:
            message = f"{symbol} works on integers up to 2^53; keep longer numbers, such as ids, as text."
            raise Fault(TYPE, message, position)
        return normal(compute(double(left, position), double(right, position)))

    return operate


def _is_safe(number: int | float) -> bool:
    return type(number) is not int or -SAFE_INTEGER <= number <= SAFE_INTEGER


def _quotient(left: float, right: float) -> float:
    if right:
        return left / right
    return math.copysign(math.inf, left) if left else math.nan


def _remainder(left: float, right: float) -> float:
    return math.fmod(left, right) if right else math.nan


def _sum(left: float, right: float) -> float:
    return left + right


def _difference(left: float, right: float) -> float:
    return left - right


def _product(left: float, right: float) -> float:
    return left * right


def described(value: Value) -> str:
    """The type of a value, for messages."""
    if value is MISSING:
        return "something missing"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list):
        return "an array"
    return "a function" if isinstance(value, FunctionValue) else "an object"


# --- comparison ---


def same_scalar(left: Value, right: Value) -> bool:
    """Equality of two values of which at least one is neither an array nor an object."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def equal(left: Value, right: Value, run: Run, position: int) -> bool:
    """Deep equality, without conversion; a missing side is equal to nothing."""
    if left is MISSING or right is MISSING:
        return False
    if not isinstance(left, list | dict) or not isinstance(right, list | dict):
        return same_scalar(left, right)
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        if one is other:
            continue
        if isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            run.spend(len(one), position)
            pairs.extend(zip(one, other, strict=True))
        elif isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            run.spend(len(one), position)
            pairs.extend((value, other[key]) for key, value in one.items())
        elif not same_scalar(one, other):
            return False
    return True


def unequal(left: Value, right: Value, run: Run, position: int) -> bool:
    """Not equal, but false when a side is missing."""
    if left is MISSING or right is MISSING:
        return False
    return not equal(left, right, run, position)


def contains(left: Value, right: Value, run: Run, position: int) -> bool:
    """``left in right``. Arrays and objects are in an array only as the very same value."""
    if left is MISSING or right is MISSING:
        return False
    if not isinstance(right, list):
        right = (right,)
    run.spend(len(right), position)
    if isinstance(left, list | dict):
        return any(item is left for item in right)
    return any(not isinstance(item, list | dict) and same_scalar(left, item) for item in right)


def _comparison(symbol: str, compare: Callable[[Any, Any], bool]) -> Operator:
    def operate(left: Value, right: Value, run: Run, position: int) -> Value:
        for side in (left, right):
            if side is not MISSING and not _is_comparable(side):
                raise Fault(TYPE, f"{symbol} compares numbers or texts, not {described(side)}.", position)
        if left is MISSING or right is MISSING:
            return MISSING
        if isinstance(left, str) and isinstance(right, str):
            return compare(*comparable_texts(left, right))
        if isinstance(left, str) or isinstance(right, str):
            raise Fault(TYPE, f"{symbol} cannot compare {described(left)} with {described(right)}.", position)
        return compare(left, right)

    return operate


def _is_comparable(value: Value) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def comparable_texts(left: str, right: str) -> tuple[Any, Any]:
    """The two texts as things Python orders by UTF-16 unit, as JSONata does."""
    if left.isascii() or right.isascii():
        return left, right
    return left.encode("utf-16-be", "surrogatepass"), right.encode("utf-16-be", "surrogatepass")


# --- truth ---


def truthy(value: Value, run: Run, position: int) -> bool:
    """JSONata's truth: empty texts, arrays and objects, 0, null, what is missing and functions are false."""
    if value is True or value is False:
        return bool(value)
    if not isinstance(value, list):
        return _truthy_single(value, position)
    pending: list[Value] = [value]
    found = False
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            run.spend(len(item), position)
            pending += item
        else:
            found = _truthy_single(item, position) or found
    return found


def _truthy_single(value: Value, position: int) -> bool:
    if isinstance(value, str | dict | bool):
        return bool(value)
    if isinstance(value, int | float):
        return is_number(value, position) and value != 0
    return isinstance(value, Root) and len(value.mapping) > 0


# --- ranges ---


def integers(first: Value, last: Value, run: Run, position: int) -> Value:
    """``first..last``, both included; missing when it would be empty."""
    for side in (first, last):
        if side is not MISSING and not _is_integer(side):
            raise Fault(TYPE, f"A range goes from integer to integer, not {described(side)}.", position)
    if first is MISSING or last is MISSING or first > last:
        return MISSING
    first, last = int(first), int(last)
    run.spend(last - first + 1, position)
    return Sequence(range(first, last + 1))


def _is_integer(value: Value) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


OPERATORS: Final[dict[str, Operator]] = {
    "+": _arithmetic("+", _sum),
    "-": _arithmetic("-", _difference),
    "*": _arithmetic("*", _product),
    "/": _arithmetic("/", _quotient),
    "%": _arithmetic("%", _remainder),
    "=": equal,
    "!=": unequal,
    "<": _comparison("<", lambda left, right: left < right),
    "<=": _comparison("<=", lambda left, right: left <= right),
    ">": _comparison(">", lambda left, right: left > right),
    ">=": _comparison(">=", lambda left, right: left >= right),
    "in": contains,
}
"""The operators that need both their sides; ``and``, ``or``, ``&`` and ``~>`` are compiled."""
