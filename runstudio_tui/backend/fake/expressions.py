"""The few expressions that the fake world understands: paths, literals, ``&``, and one comparison."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.records import Json

UNKNOWN: Final = "(not known)"
"""The value of an expression that is not understood, and of what the fake world does not know."""

_PATH: Final = re.compile(r"(payload|vars)((?:\.\w+)*)")
_COMPARISON: Final = re.compile(r"(.+?) (>=|<=|!=|=|>|<) (.+)")
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}


def evaluated(value: Json, scopes: Mapping[str, Json]) -> Json:
    """A value of a definition: ``{"$expr": ...}`` computed on ``{payload, vars}``, anything else as it is."""
    if not (isinstance(value, dict) and "$expr" in value):
        return value
    return _computed(str(value["$expr"]), scopes)


def _computed(source: str, scopes: Mapping[str, Json]) -> Json:
    comparison = _COMPARISON.fullmatch(source)
    if comparison is not None:
        left, sign, right = _computed(comparison[1], scopes), comparison[2], _computed(comparison[3], scopes)
        try:
            return UNKNOWN if UNKNOWN in (left, right) else _OPERATORS[sign](left, right)
        except TypeError:
            return UNKNOWN
    if " & " in source:
        parts = [_computed(part, scopes) for part in source.split(" & ")]
        return UNKNOWN if UNKNOWN in parts else "".join(str(part) for part in parts)
    path = _PATH.fullmatch(source)
    if path is None:
        return _literal(source)
    found = scopes[path[1]]
    for name in path[2].split(".")[1:]:
        if found == UNKNOWN or not isinstance(found, dict):
            return UNKNOWN if found == UNKNOWN or path[1] == "vars" else None
        found = found.get(name, UNKNOWN if path[1] == "vars" else None)
    return found


def _literal(source: str) -> Json:
    try:
        return json.loads(f'"{source[1:-1]}"' if source[:1] == source[-1:] == "'" else source)
    except json.JSONDecodeError:
        return UNKNOWN
