"""The key order and the numbers of jsonb: whatever enters a run has them, but the payload, whose text is kept beside it.

Order can be seen (by ``toString``, by wildcards), and so can what a number is: 1e+22 comes back as an integer, which is text of
other digits and no operand of arithmetic. So a run that sees an answer for the first time, a repeat that reads it from its row,
and whoever computes the run again from its rows must see the same.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, Final

_WITH_EXPONENT: Final = 1e16
"""From here on a whole double is written with an exponent; Postgres writes out all its digits."""


def text_in_order(value: Any) -> str | None:
    """The JSON text of ``value`` where jsonb would change the order of its keys; None where the stored value says the same."""
    if _is_as_stored(value):
        return None
    numbered = _rebuilt(value, in_order=False, numbers=True)
    return json.dumps(numbered, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def as_stored(value: Any, *, numbers: bool = True) -> Any:
    """``value`` with the keys of all its objects as jsonb keeps them, by their length in bytes, then by their bytes; and with
    its numbers as they come back, unless ``numbers`` is False, as in earlier semantics.
    """
    return _rebuilt(value, in_order=True, numbers=numbers)


def _rebuilt(value: Any, *, in_order: bool, numbers: bool) -> Any:
    """However deep it is, it takes no stack: of that a workflow has less left than the activity that made the value."""
    result = [value]
    pending: list[Any] = [result]
    while pending:
        container = pending.pop()
        for place, item in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(item, dict):
                inner: Any = dict(sorted(item.items(), key=_place) if in_order else item)
            elif isinstance(item, list):
                inner = list(item)
            else:
                if numbers and type(item) is float:
                    container[place] = _number(item)
                continue
            container[place] = inner
            pending.append(inner)
    return result[0]


def _number(value: float) -> int | float:
    if abs(value) < _WITH_EXPONENT or not math.isfinite(value):
        return value + 0.0  # there is no -0
    return int(Decimal(repr(value)))


def _is_as_stored(value: Any) -> bool:
    if isinstance(value, dict):
        places = [_place(item) for item in value.items()]
        return places == sorted(places) and all(map(_is_as_stored, value.values()))
    return not isinstance(value, list) or all(map(_is_as_stored, value))


def _place(item: tuple[str, Any]) -> tuple[int, bytes]:
    spelled = item[0].encode("utf-8", "surrogatepass")
    return len(spelled), spelled
