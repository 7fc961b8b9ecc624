"""JSON as somebody types it: parsed strictly, with the place of the first mistake."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engine.records import MAX_INTEGER_DIGITS, MAX_JSON_DEPTH, PLACEHOLDER, Json
from runstudio_tui.domain.json_places import Found, line_and_column, values
from runstudio_tui.domain.jsonview import pointer_step


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why a text is not JSON, and where."""

    message: str
    line: int
    """From 1."""
    column: int
    """From 1."""

    def __str__(self) -> str:
        return f"not valid JSON: line {self.line}, column {self.column}: {self.message}"


def parse_json(text: str) -> Json | Mistake:
    """The value of a JSON text, or the first mistake in it.

    Mistakes are also what the engine would refuse: no text, NaN and infinities, repeated names, integers and nesting beyond its
    limits. Integers and other numbers stay apart: ``1`` is an int, ``1.0`` a float.
    """
    if not text.strip():
        return Mistake("there is nothing here", 1, 1)
    try:
        value = json.loads(
            text,
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=_short_enough,
            object_pairs_hook=_no_repeats,
        )
    except json.JSONDecodeError as error:
        return Mistake(error.msg.lower(), error.lineno, error.colno)
    except _NotAllowed as error:
        return _located(text, error.message, error.where)
    except RecursionError:
        return _too_deep(text)
    # Only a text with that many opening brackets can be nested so deep.
    if text.count("{") + text.count("[") > MAX_JSON_DEPTH and _depth(value) > MAX_JSON_DEPTH:
        return _too_deep(text)
    return value


def placeholders(value: Json, at: str = "") -> Iterator[str]:
    """JSON pointers, below ``at``, of the texts and names that hold the redaction placeholder: it must not be submitted as if it
    were a value."""
    if isinstance(value, str):
        if PLACEHOLDER in value:
            yield at
    elif isinstance(value, dict):
        for name, member in value.items():
            below = f"{at}/{pointer_step(name)}"
            if PLACEHOLDER in name:
                yield below
            else:
                yield from placeholders(member, below)
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from placeholders(member, f"{at}/{place}")


class _NotAllowed(Exception):
    def __init__(self, message: str, where: Callable[[Found], int | None]) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        """The offset of what is meant, for that value; None for every other."""


def _no_number(token: str) -> Json:
    raise _NotAllowed(f"{token} is not JSON", _value(token))


def _finite(token: str) -> float:
    value = float(token)
    if math.isinf(value):
        raise _NotAllowed(f"{token} is too large a number", _value(token))
    return value


def _short_enough(token: str) -> int:
    if len(token) > MAX_INTEGER_DIGITS:
        raise _NotAllowed(f"an integer of more than {MAX_INTEGER_DIGITS:,} digits", _value(token))
    return int(token)


def _no_repeats(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members: dict[str, Json] = {}
    for name, value in pairs:
        if name in members:
            raise _NotAllowed(f"the name {name!r} is given twice", _second_of(name))
        members[name] = value
    return members


def _second_of(name: str) -> Callable[[Found], int | None]:
    """Finds the second member of that name in one object."""
    seen: set[str] = set()

    def where(found: Found) -> int | None:
        again = found.pointer in seen
        seen.add(found.pointer)
        return found.at if again and found.pointer.endswith(f"/{pointer_step(name)}") else None

    return where


def _value(token: str) -> Callable[[Found], int | None]:
    """Finds the first value that is written so."""
    return lambda found: found.begin if found.written == token else None


def _located(text: str, message: str, where: Callable[[Found], int | None]) -> Mistake:
    offsets = (where(found) for found in values(text))
    return Mistake(message, *line_and_column(text, next((offset for offset in offsets if offset is not None), 0)))


def _too_deep(text: str) -> Mistake:
    def where(found: Found) -> int | None:
        return found.begin if found.depth >= MAX_JSON_DEPTH and found.written in ("{", "[") else None

    return _located(text, f"nested deeper than {MAX_JSON_DEPTH} levels", where)


def _depth(value: Json) -> int:
    """Containers around the innermost one, itself included, counted up to one more than is allowed."""
    depth = 0
    containers = [value] if isinstance(value, dict | list) else []
    while containers and depth <= MAX_JSON_DEPTH:
        depth += 1
        members = (member for item in containers for member in (item.values() if isinstance(item, dict) else item))
        containers = [member for member in members if isinstance(member, dict | list)]
    return depth
