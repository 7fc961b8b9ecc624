"""The one assignment grammar: where a value may be written, and how it is written without changing anything in place.

``vars.a.b`` · ``payload.a`` · ``meta.a`` · ``local.a`` (the innermost loop's scope; vars outside loops) · ``/a/b`` (JSON
pointer into payload). Where bare names are allowed, ``a.b`` means ``vars.a.b``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from engine.errors import ACTION, StepFailure
from engine.values.json_pointer import names_of

INVALID_TARGET: Final = "INVALID_ASSIGN_PATH"
FORBIDDEN_SEGMENTS: Final = frozenset(("__proto__", "prototype", "constructor"))
"""Names with a meaning in other runtimes that read the same documents."""

_WRITABLE: Final = frozenset(("payload", "vars", "meta", "local"))
_READ_ONLY: Final = frozenset(("error", "system"))


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed assignment target."""

    text: str
    """As the author wrote it."""
    root: str
    """payload, vars, meta or local."""
    segments: tuple[str, ...]
    """At least one."""


def parse_target(text: str, *, bare: bool) -> Target:
    """Read an assignment target. ``bare`` allows unscoped names, which mean vars.

    Raises StepFailure (ActionError, ``INVALID_ASSIGN_PATH``) that says what is wrong with it.
    """
    trimmed = text.strip()
    if trimmed.startswith("/"):
        root, segments = "payload", names_of(trimmed)
    else:
        parts = trimmed.split(".")
        scoped = len(parts) > 1 and parts[0] in _WRITABLE
        if not scoped and len(parts) > 1 and parts[0] in _READ_ONLY:
            raise _refused(text, f"{parts[0]} cannot be written")
        if not scoped and not bare:
            raise _refused(text, "it must be scoped: vars.name, payload.name, meta.name, local.name or /name")
        root, segments = (parts[0], parts[1:]) if scoped else ("vars", parts)
    if any(segment == "" for segment in segments):
        raise _refused(text, "a name in it is empty")
    forbidden = [segment for segment in segments if segment in FORBIDDEN_SEGMENTS]
    if forbidden:
        raise _refused(text, f"{forbidden[0]} is not allowed as a name")
    return Target(text, root, tuple(segments))


def _refused(text: str, reason: str) -> StepFailure:
    return StepFailure(ACTION, f'Assignment target "{text}" is not valid: {reason}', code=INVALID_TARGET)


def written(container: dict[str, Any], segments: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of ``container`` with ``value`` at ``segments``; everything not on the way is shared with the original.

    A list on the way is entered where the segment is an index it has; any other value that is no object is replaced by one.
    """
    copy = dict(container)
    name = segments[0]
    copy[name] = value if len(segments) == 1 else _entered(copy.get(name), segments[1:], value)
    return copy


def _entered(current: Any, segments: tuple[str, ...], value: Any) -> Any:
    if isinstance(current, list) and segments[0].isdecimal() and int(segments[0]) < len(current):
        items = list(current)
        index = int(segments[0])
        items[index] = value if len(segments) == 1 else _entered(items[index], segments[1:], value)
        return items
    return written(current if isinstance(current, dict) else {}, segments, value)
