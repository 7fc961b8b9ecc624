"""Cases made fit for a clock that runs: moved to the present, or slowed down. What they say stays the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from engine.interpreter.times import milliseconds_of, parse_instant
from tests.conformance.case_time import CASE_START, DATE
from tests.conformance.observed import Json

_DEFINITIONS = ("definition", "definitions", "workflows")
_INPUTS = (*_DEFINITIONS, "payload", "script")
"""Parts of a case in which its author may name a date."""
_WAITS = ("time.wait", "event.wait")
_DURATIONS = {"config": ("durationMs", "timeoutMs"), "retry": ("backoffMs", "maxDelayMs")}
"""Where a step says how long something takes."""


# --- slow motion --------------------------------------------------------------------------------------------------------


def slowed(case: Json, factor: int) -> Json:
    """The case with everything that takes time taking ``factor`` times as long: waits, deadlines, back-offs, ``advance``."""
    changed = {name: _slowed(value, factor) if name in _DEFINITIONS else value for name, value in case.items()}
    script = [_with_longer(operation, ("ms",), factor) for operation in case.get("script", ())]
    return {**changed, "script": script}


def durations(case: Json) -> list[int]:
    """How long, in milliseconds, its steps say that something takes; only what takes time at all."""
    return [found for name, value in case.items() if name in _DEFINITIONS for found in _durations(value) if found > 0]


def _durations(value: Any) -> Iterator[int]:
    inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    for item in inner:
        yield from _durations(item)
    if isinstance(value, dict):
        for name, fields in _DURATIONS.items():
            if isinstance(value.get(name), dict) and (name == "retry" or value.get("type") in _WAITS):
                yield from (value[name][field] for field in fields if type(value[name].get(field)) is int)


def _slowed(value: Any, factor: int) -> Any:
    if isinstance(value, list):
        return [_slowed(item, factor) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {name: _slowed(item, factor) for name, item in value.items()}
    for name, durations in _DURATIONS.items():
        if isinstance(value.get(name), dict) and (name == "retry" or value.get("type") in _WAITS):
            changed[name] = _with_longer(changed[name], durations, factor)
    return changed


def _with_longer(value: Json, names: tuple[str, ...], factor: int) -> Json:
    return {name: item * factor if name in names and type(item) is int else item for name, item in value.items()}


# --- dates that the author of a case wrote ------------------------------------------------------------------------------


def waits_for_a_date(case: Json) -> bool:
    """Whether a step of the case waits until a date that is not over when the case starts."""
    inputs = [case[name] for name in _INPUTS if name in case]
    return _contains(inputs, "mode", "until") and any(
        parse_instant(token) > milliseconds_of(CASE_START) for token in _dates(inputs)
    )


def moved(case: Json, start: datetime) -> tuple[Json, dict[str, str]]:
    """The case as if it were written for ``start``, a midnight; and for each of its dates what the author had written."""
    days = start - CASE_START
    written: dict[str, str] = {}

    def move(value: Any) -> Any:
        if isinstance(value, str):
            return DATE.sub(lambda found: move_token(found.group()), value)
        if isinstance(value, list):
            return [move(item) for item in value]
        if isinstance(value, dict):
            return {name: move(item) for name, item in value.items()}
        return value

    def move_token(token: str) -> str:
        if not _is_instant(token):
            return token
        later = (date.fromisoformat(token[:10]) + timedelta(days=days.days)).isoformat() + token[10:]
        written[later] = token
        return later

    return {name: move(value) if name in _INPUTS else value for name, value in case.items()}, written


def _dates(value: Any) -> list[str]:
    if isinstance(value, str):
        return [token for token in DATE.findall(value) if _is_instant(token)]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [token for item in items for token in _dates(item)]


def _is_instant(token: str) -> bool:
    try:
        parse_instant(token)
    except ValueError:
        return False
    return True


def _contains(value: Any, name: str, wanted: str) -> bool:
    if isinstance(value, dict):
        return value.get(name) == wanted or any(_contains(item, name, wanted) for item in value.values())
    return isinstance(value, list) and any(_contains(item, name, wanted) for item in value)
