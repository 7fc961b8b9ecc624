"""Values as text: what ``&`` joins (JSON, numbers to 15 digits) and what ``toString`` gives (JavaScript's String)."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal
from json.encoder import encode_basestring
from typing import Final

from engine.expression.errors import CHARACTERS_PER_STEP, TYPE, Fault
from engine.expression.values import MISSING, FunctionValue, Root, Run, Value
from engine.values.javascript import number_text

_FIFTEEN_DIGITS: Final = Context(prec=15, rounding=ROUND_HALF_UP)
_LONGEST_INTEGER_BITS: Final = 3300
"""Integers up to here, about a thousand digits, are printed in full; Python refuses to print much longer ones."""


class TextBuilder:
    """Collects pieces of a text, and joins them after their evaluation steps were counted."""

    __slots__ = ("_length", "_pieces", "_position", "_run")

    def __init__(self, run: Run, position: int) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._run = run
        self._position = position

    def add(self, piece: str) -> None:
        """Append."""
        self._pieces.append(piece)
        self._length += len(piece)

    def text(self) -> str:
        """The whole text, after counting its evaluation steps. Raises ``Fault`` of kind too-large."""
        self._run.spend(self._length // CHARACTERS_PER_STEP, self._position)
        return "".join(self._pieces)


def add_operand(value: Value, builder: TextBuilder, run: Run, position: int) -> None:
    """Append an operand of ``&``: nothing for what is missing, a text as it is, everything else as JSON."""
    if isinstance(value, str):
        builder.add(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Fault(TYPE, "A number that is not finite has no text.", position)
    elif value is not MISSING and not isinstance(value, FunctionValue):
        _add_json(value, builder, run, position)


def _add_json(value: Value, builder: TextBuilder, run: Run, position: int) -> None:
    # A stack of what is still to be written: (True, text as it is) or (False, value). Nothing recurses, however deep.
    pending: list[tuple[bool, Value]] = [(False, value)]
    while pending:
        done, item = pending.pop()
        if done:
            builder.add(item)
            continue
        if isinstance(item, Root):
            item = dict(item.mapping)
        if isinstance(item, list):
            run.spend(len(item), position)
            builder.add("[")
            pending.append((True, "]"))
            for index in range(len(item) - 1, -1, -1):
                pending.append((False, item[index]))
                if index:
                    pending.append((True, ","))
        elif isinstance(item, dict):
            run.spend(len(item), position)
            builder.add("{")
            pending.append((True, "}"))
            fields = list(item.items())
            for index in range(len(fields) - 1, -1, -1):
                key, member = fields[index]
                pending.append((False, member))
                pending.append((True, f"{',' if index else ''}{encode_basestring(key)}:"))
        else:
            builder.add(_scalar_json(item, position))


def _scalar_json(value: Value, position: int) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if isinstance(value, float) and not math.isfinite(value):
            if math.isnan(value):
                return "null"
            raise Fault(TYPE, "A number that is not finite has no text.", position)
        return _number(_to_fifteen_digits(value))
    return '""' if isinstance(value, FunctionValue) else "null"


def _to_fifteen_digits(value: int | float) -> int | float:
    if isinstance(value, int) or value.is_integer():
        return value
    return float(_FIFTEEN_DIGITS.create_decimal(Decimal(value)))


def _number(value: int | float) -> str:
    if isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER_BITS:
        return "-Infinity" if value < 0 else "Infinity"
    return number_text(value)


def text_from_javascript(value: Value, run: Run, position: int) -> str:
    """JavaScript's String(value), with null and what is missing as nothing: ``[1,[2,null]]`` is ``1,2,``."""
    if isinstance(value, str):
        return value
    builder = TextBuilder(run, position)
    pending: list[Value] = [value]
    first = True
    while pending:
        item = pending.pop()
        if isinstance(item, list) and item:
            run.spend(len(item), position)
            pending.extend(reversed(item))
            continue
        if not first:
            builder.add(",")
        first = False
        builder.add(_javascript_scalar(item, position))
    return builder.text()


def _javascript_scalar(value: Value, position: int) -> str:
    if value is MISSING or value is None or isinstance(value, list):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, FunctionValue):
        raise Fault(TYPE, "A function has no text.", position)
    return "[object Object]"


def utf16_length(text: str) -> int:
    """How many UTF-16 units the text has: JavaScript's length."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
