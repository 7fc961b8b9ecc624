"""The five functions, and the names of those an expression may mention but never call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from engine.expression.text import text_from_javascript, utf16_length
from engine.expression.values import MISSING, FunctionValue, Run, Value

Function = Callable[[Sequence[Value], Run, int], Value]
"""Arguments, run and position to the result."""


def now_iso(arguments: Sequence[Value], run: Run, position: int) -> Value:
    """The time of the run's clock, ISO-8601 in UTC with milliseconds and ``Z``."""
    return run.now_iso()


def coalesce(arguments: Sequence[Value], run: Run, position: int) -> Value:
    """The first argument that is there and not null; null when there is none."""
    for argument in arguments:
        if argument is not MISSING and argument is not None:
            return argument
    return None


def length(arguments: Sequence[Value], run: Run, position: int) -> Value:
    """How many items an array has, how many UTF-16 units a text; 0 for everything else."""
    value = arguments[0] if arguments else MISSING
    if isinstance(value, list):
        return len(value)
    return utf16_length(value) if isinstance(value, str) else 0


def to_string(arguments: Sequence[Value], run: Run, position: int) -> Value:
    """The value as JavaScript's String() gives it; empty for null and for what is missing."""
    return text_from_javascript(arguments[0] if arguments else MISSING, run, position)


def append(arguments: Sequence[Value], run: Run, position: int) -> Value:
    """The first argument as an array, then the second, or its items when it is an array."""
    first, second = (*arguments, MISSING, MISSING)[:2]
    if first is MISSING or first is None:
        first = []
    items = first if isinstance(first, list) else [first]
    more = second if isinstance(second, list) else [second]
    run.spend(len(items) + len(more), position)
    return [*items, *more]


FUNCTIONS: Final[dict[str, Function]] = {
    "nowIso": now_iso,
    "coalesce": coalesce,
    "len": length,
    "toString": to_string,
    "append": append,
}
"""The functions an expression may call, with or without ``$``."""

_JSONATA: Final = (
    "sum count max min average string substring substringBefore substringAfter lowercase uppercase length trim pad match "
    "contains replace split join formatNumber formatBase formatInteger parseInteger number floor ceil round abs sqrt power "
    "random boolean not map zip filter single reduce sift keys lookup append exists spread merge reverse each error assert "
    "type sort shuffle distinct base64encode base64decode encodeUrlComponent encodeUrl decodeUrlComponent decodeUrl eval "
    "toMillis fromMillis clone now millis"
)
FUNCTION_VALUES: Final = {name: FunctionValue(name) for name in (*_JSONATA.split(), *FUNCTIONS)}
"""What ``$name`` is when nobody bound it: a value that makes any result holding it fail, as in JSONata."""
