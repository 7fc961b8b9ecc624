"""The result of an expression: plain JSON of bounded size."""

from __future__ import annotations

import math
from json.encoder import encode_basestring
from typing import Any, Final

from engine.expression.errors import NO_JSON_RESULT, RESULT_CHARACTERS, RESULT_NESTING, TOO_LARGE, Fault
from engine.expression.values import MISSING, SAFE_INTEGER, FunctionValue, Root, Value

_NOT_OVER_ANYWAY: Final = RESULT_CHARACTERS // 6 - 2
"""A text so short fits even when each of its characters is escaped."""


def plain(value: Value) -> Any:
    """``value`` as JSON, sharing its parts with the context where it can; a number that is not finite is null.

    Raises ``Fault`` of kind no-json-result or too-large. A scalar costs the same whatever the context holds, and a
    container is looked at no further than to the limit.
    """
    if isinstance(value, str):
        if len(value) > _NOT_OVER_ANYWAY and _text_size(value) > RESULT_CHARACTERS:
            raise _too_large()
        return value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _rebuilt(value) if _measured(value) else value


def _measured(value: Value) -> bool:
    """Whether the container holds anything that must be replaced to make it plain JSON. Raises as ``plain``."""
    size = depth = 0
    replace = False
    level: list[Value] = [value]
    while level:
        depth += 1
        if depth > RESULT_NESTING:
            raise Fault(TOO_LARGE, f"The result is nested more than {RESULT_NESTING} levels deep.", 0)
        below: list[Value] = []
        for container in level:
            kind = type(container)
            if kind is list:
                members = container
            elif isinstance(container, list):
                members, replace = container, True
            elif isinstance(container, Root):
                members, replace = container.mapping, True
            elif isinstance(container, dict):
                members = container
            else:
                raise _no_json(container)
            size += len(members) + 1 if members else 2
            if size > RESULT_CHARACTERS:
                raise _too_large()
            if not isinstance(members, list):
                for key in members:
                    size += _text_size(key) + 1
                members = members.values()
            for member in members:
                kind = type(member)
                if kind is str:
                    size += _text_size(member)
                    if size > RESULT_CHARACTERS:
                        raise _too_large()
                elif kind is int:
                    size += _integer_size(member)
                elif kind is float:
                    size += len(repr(member))
                    replace = replace or not math.isfinite(member)
                elif member is None or kind is bool:
                    size += 5 if member is False else 4
                else:
                    below.append(member)
        level = below
    if size > RESULT_CHARACTERS:
        raise _too_large()
    return replace


def _text_size(text: str) -> int:
    size = len(text) + 2
    return size if size > RESULT_CHARACTERS else len(encode_basestring(text))


def _integer_size(number: int) -> int:
    return len(repr(number)) if -SAFE_INTEGER < number < SAFE_INTEGER else number.bit_length() * 3 // 10 + 2


def _rebuilt(value: Value) -> Any:
    if isinstance(value, list):
        return [_rebuilt(member) for member in value]
    if isinstance(value, Root):
        value = value.mapping
    if isinstance(value, str) or value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return {key: _rebuilt(member) for key, member in value.items()}


def _no_json(value: Value) -> Fault:
    if value is MISSING:
        message = (
            "The result, or something in it, is missing; use coalesce(value, default) for a field that may be absent."
        )
    elif isinstance(value, FunctionValue):
        message = "The result is, or contains, a function; a function must be called."
    else:
        message = "The result is not a JSON value."
    return Fault(NO_JSON_RESULT, message, 0)


def _too_large() -> Fault:
    return Fault(TOO_LARGE, f"The result has more than {RESULT_CHARACTERS} characters of JSON.", 0)
