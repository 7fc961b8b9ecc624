"""JSON as somebody types it: parsed strictly, with the place of the first mistake."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

from runstudio_tui.domain.jsonview import pointer_step
from runstudio_tui.domain.models import PLACEHOLDER, Json


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
    """The value of a JSON text, or the first mistake in it. NaN, infinities and repeated names are mistakes; so is no text."""
    if not text.strip():
        return Mistake("there is nothing here", 1, 1)
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_no_repeats)
    except json.JSONDecodeError as error:
        return Mistake(error.msg.lower(), error.lineno, error.colno)
    except _NotAllowed as error:
        return _locate(text, error)
    except RecursionError:
        return Mistake("nested too deeply", 1, 1)


def placeholders(value: Json) -> tuple[str, ...]:
    """JSON pointers of the texts that are redaction placeholders: they must not be submitted as if they were values."""
    return tuple(_find(value, ""))


class _NotAllowed(Exception):
    def __init__(self, message: str, token: str) -> None:
        super().__init__(message)
        self.message = message
        self.token = token


def _refuse(token: str) -> Json:
    raise _NotAllowed(f"{token} is not JSON", token)


def _finite(token: str) -> float:
    value = float(token)
    if math.isinf(value):
        raise _NotAllowed(f"{token} is too large a number", token)
    return value


def _no_repeats(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, value in pairs:
        if name in found:
            raise _NotAllowed(f"the name {name!r} is given twice", json.dumps(name, ensure_ascii=False))
        found[name] = value
    return found


def _locate(text: str, error: _NotAllowed) -> Mistake:
    place = max(text.rfind(error.token), 0)
    before = text[:place]
    return Mistake(error.message, before.count("\n") + 1, place - (before.rfind("\n") + 1) + 1)


def _find(value: Json, pointer: str) -> Iterator[str]:
    if value == PLACEHOLDER:
        yield pointer
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _find(member, f"{pointer}/{pointer_step(name)}")
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from _find(member, f"{pointer}/{place}")
