"""jsonata-python as an oracle: the five functions registered, null kept apart from missing, outcomes in our words."""

from __future__ import annotations

import json
import sys
from typing import Any

_LIMIT = sys.getrecursionlimit()
from jsonata.jexception import JException  # noqa: E402 - importing the port raises the recursion limit, which is put back
from jsonata.jsonata import Jsonata  # noqa: E402 - as above
from jsonata.utils import Utils  # noqa: E402 - as above

from engine.expression.text import text_from_javascript  # noqa: E402 - as above
from engine.expression.values import MISSING, Run  # noqa: E402 - as above
from tests.engine.expression.conftest import NOW  # noqa: E402 - as above

sys.setrecursionlimit(_LIMIT)

NULL = Utils.NULL_VALUE
_NOT_A_FUNCTION = ("T1005", "T1006", "T2006")


class _Undefined:
    """What ``append`` puts for a missing second argument; the port has only None, which its documents use for null."""


UNDEFINED = _Undefined()


def outcome(source: str, context: dict[str, Any]) -> tuple[str, Any]:
    """``("value", value)``, ``(stage, kind)``, or ``("crash", exception)`` when the port itself breaks."""
    try:
        expression = Jsonata(source, stack=300)
    except JException:
        return "compile", "syntax"
    expression.set_output_convert_nulls(False)
    _register(expression)
    try:
        value = expression.evaluate(json.loads(json.dumps(context)))
    except JException as failure:
        code = str(failure.error)
        return "evaluate", "not-a-function" if code in _NOT_A_FUNCTION else "type"
    except Exception as failure:  # noqa: BLE001 - whatever breaks inside the port is its own affair
        return "crash", repr(failure)
    if value is None or _has_undefined(value):
        return "evaluate", "no-json-result"
    return "value", _plain(value)


def _register(expression: Jsonata) -> None:
    expression.register_lambda("nowIso", lambda *_: NOW)
    expression.register_lambda("coalesce", lambda *values: next((v for v in values if not _is_absent(v)), NULL))
    expression.register_lambda("len", _length)
    expression.register_lambda("toString", lambda *values: _to_string(values[0] if values else None))
    expression.register_lambda("append", _append)


def _is_absent(value: Any) -> bool:
    return value is None or value is NULL or value is UNDEFINED


def _length(*values: Any) -> int:
    value = values[0] if values else None
    return len(value) if isinstance(value, list | str) else 0


def _to_string(value: Any) -> str:
    return text_from_javascript(MISSING if _is_absent(value) else _plain(value), Run(lambda: NOW), 0)


def _append(*values: Any) -> list[Any]:
    first, second = (*values, None, None)[:2]
    items = [] if _is_absent(first) else list(first) if isinstance(first, list) else [first]
    if isinstance(second, list):
        return [*items, *second]
    return [*items, UNDEFINED if second is None else second]


def _has_undefined(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_undefined, value.values()))
    if isinstance(value, list):
        return any(map(_has_undefined, value))
    return not (value is NULL or value is None or isinstance(value, str | int | float))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return None if value is NULL or value is UNDEFINED else value
