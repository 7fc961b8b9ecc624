"""Events a run has received and not used yet, and the filters that choose among them."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from typing import Any, Final

from engine.definition.models import Filter
from engine.interpreter.effects import EventArrived
from engine.values.event_key import normal_key

_MISSING: Final = object()


class EventBuffer:
    """Oldest first. An event that no wait wanted stays for a later one; an event id is taken once in the life of a run."""

    __slots__ = ("_consumed", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[EventArrived] = []
        self._consumed: dict[str, None] = {}

    def add(self, event: EventArrived) -> bool:
        """False, and nothing changes, when this event id is buffered or was used before."""
        if event.event_id is not None and (
            event.event_id in self._consumed or any(known.event_id == event.event_id for known in self._waiting)
        ):
            return False
        insort(self._waiting, event, key=_age)
        return True

    def match(self, name: str, key: str | None, filters: Iterable[Filter]) -> EventArrived | None:
        """The oldest event of this name and key (None: any key) that passes every filter."""
        conditions = tuple(filters)
        for event in self._waiting:
            if event.event_name == name and _meets(key, event.key) and passes(conditions, event.payload):
                return event
        return None

    def use(self, event: EventArrived) -> None:
        """Take an event out for good. One without an id is recognised by what it says; one that is not here counts as used."""
        for index, known in enumerate(self._waiting):
            if _same(known, event):
                del self._waiting[index]
                break
        if event.event_id is not None:
            self._consumed[event.event_id] = None

    def to_json(self) -> dict[str, Any]:
        """For ``from_json``."""
        return {
            "waiting": [
                {
                    "eventId": event.event_id,
                    "eventName": event.event_name,
                    "key": event.key,
                    "payload": event.payload,
                    "receivedAt": event.received_at,
                    "stored": event.stored,
                }
                for event in self._waiting
            ],
            "consumed": list(self._consumed),
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> EventBuffer:
        """The inverse of ``to_json``. Raises KeyError or TypeError when it is not such a state."""
        buffer = cls()
        buffer._waiting = [
            EventArrived(
                event_id=event["eventId"],
                event_name=event["eventName"],
                key=event["key"],
                payload=event["payload"],
                received_at=event["receivedAt"],
                stored=event.get("stored", False),
            )
            for event in state["waiting"]
        ]
        buffer._consumed = dict.fromkeys(state["consumed"])
        return buffer


def _same(known: EventArrived, event: EventArrived) -> bool:
    if event.event_id is not None or known.event_id is not None:
        return known.event_id == event.event_id
    return (known.event_name, known.payload) == (event.event_name, event.payload)


def _meets(wanted: str | None, key: str | None) -> bool:
    return wanted is None or (key is not None and normal_key(wanted) == normal_key(key))


def _age(event: EventArrived) -> str:
    return event.received_at


def passes(filters: Iterable[Filter], payload: Any) -> bool:
    """Whether an event payload satisfies every filter."""
    return all(_holds(condition, _field(payload, condition.path)) for condition in filters)


def _field(payload: Any, path: str) -> Any:
    """The value at a dotted path, which may begin with ``$.`` or ``.``; only objects are entered."""
    current = payload
    for name in path.removeprefix("$.").removeprefix(".").split("."):
        if not isinstance(current, dict) or name not in current:
            return _MISSING
        current = current[name]
    return current


def _holds(condition: Filter, field: Any) -> bool:
    return _OPERATORS[condition.op](field, condition.value)


def _equal(left: Any, right: Any) -> bool:
    """Same JSON type and value; objects and lists equal nothing."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    return type(left) is type(right) and (left is None or isinstance(left, str)) and bool(left == right)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda field, value: _number(field) and _number(value) and compare(field, value)


def _textual(compare: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda field, value: isinstance(field, str) and isinstance(value, str) and compare(field, value)


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": _equal,
    "!=": lambda field, value: not _equal(field, value),
    "in": lambda field, value: any(_equal(field, item) for item in value),
    "not_in": lambda field, value: not any(_equal(field, item) for item in value),
    "exists": lambda field, _value: field is not _MISSING,
    "not_exists": lambda field, _value: field is _MISSING,
    ">": _ordered(lambda field, value: field > value),
    ">=": _ordered(lambda field, value: field >= value),
    "<": _ordered(lambda field, value: field < value),
    "<=": _ordered(lambda field, value: field <= value),
    "contains": _textual(lambda field, value: value in field),
    "starts_with": _textual(lambda field, value: field.startswith(value)),
    "ends_with": _textual(lambda field, value: field.endswith(value)),
}
