"""Input mappings compiled to templates: literals, expressions, and the pointers of the author's secret markers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.definition.formula import Formula, Meter
from engine.definition.mappings import is_expression, is_secret
from engine.values.json_pointer import pointer_of

_Fill = Callable[[Mapping[str, Any], Meter], Any]


class Template:
    """A compiled mapping value.

    Literals are shared between runs and with the scopes they are written to: nothing of them is ever changed in place.
    """

    __slots__ = ("_fill", "secret_paths")

    def __init__(self, value: Any, path: str) -> None:
        """``value`` as authored; ``path`` its JSON pointer in the definition."""
        secrets: list[str] = []
        self._fill = _compile(value, path, "", secrets)
        self.secret_paths = tuple(secrets)
        """JSON pointers, in what ``render`` returns, of the ``{"$secret": NAME}`` markers the author wrote."""

    def render(self, context: Mapping[str, Any], meter: Meter) -> Any:
        """The value with every expression evaluated and secret markers left in. Raises StepFailure (ExpressionError)."""
        return self._fill(context, meter)


def _compile(value: Any, path: str, place: str, secrets: list[str]) -> _Fill:
    if is_expression(value):
        return Formula(value["$expr"] or "", f"{path}/$expr").evaluate
    if is_secret(value):
        secrets.append(place)
    elif isinstance(value, dict) and _has_holes(value):
        fields = [(name, _compile(item, *_below(path, place, name), secrets)) for name, item in value.items()]
        return lambda context, meter: {name: fill(context, meter) for name, fill in fields}
    elif isinstance(value, list) and _has_holes(value):
        items = [_compile(item, *_below(path, place, str(index)), secrets) for index, item in enumerate(value)]
        return lambda context, meter: [fill(context, meter) for fill in items]
    return lambda _context, _meter: value


def _below(path: str, place: str, name: str) -> tuple[str, str]:
    step = pointer_of(name)
    return path + step, place + step


def _has_holes(value: Any) -> bool:
    """Whether an expression or a secret is somewhere inside."""
    pending = [value]
    while pending:
        current = pending.pop()
        if is_expression(current) or is_secret(current):
            return True
        if isinstance(current, dict):
            pending.extend(current.values())
        elif isinstance(current, list):
            pending.extend(current)
    return False
