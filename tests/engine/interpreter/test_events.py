"""Filters on event payloads, and the order of the buffer."""

from __future__ import annotations

from typing import Any

import pytest

from engine.definition.models import Filter
from engine.interpreter.effects import EventArrived
from engine.interpreter.events import EventBuffer, passes

PAYLOAD = {"s": "abc", "n": 5, "f": 5.0, "t": True, "z": None, "l": ["abc", 5], "o": {"a": {"b": 1}}}


@pytest.mark.parametrize(
    ("path", "op", "value", "expected"),
    [
        ("s", "=", "abc", True),
        ("s", "=", "ABC", False),
        ("n", "=", "5", False),
        ("n", "=", 5.0, True),
        ("t", "=", 1, False),
        ("t", "=", True, True),
        ("z", "=", None, True),
        ("missing", "=", None, False),
        ("o", "=", None, False),
        ("s", "!=", "x", True),
        ("s", "!=", "abc", False),
        ("missing", "!=", "x", True),
        ("n", "in", [4, 5], True),
        ("n", "in", ["5"], False),
        ("missing", "in", [None], False),
        ("n", "not_in", [4], True),
        ("n", "not_in", [5], False),
        ("missing", "not_in", [4], True),
        ("n", ">", 4, True),
        ("n", ">", 5, False),
        ("n", ">=", 5, True),
        ("n", "<", 6, True),
        ("n", "<=", 4, False),
        ("s", ">", "abb", False),
        ("t", ">", 0, False),
        ("missing", "<", 9, False),
        ("s", "contains", "bc", True),
        ("l", "contains", "abc", False),
        ("n", "contains", "5", False),
        ("s", "starts_with", "ab", True),
        ("s", "starts_with", "b", False),
        ("s", "ends_with", "bc", True),
        ("s", "ends_with", "b", False),
        ("o.a.b", "=", 1, True),
        ("$.o.a.b", "=", 1, True),
        (".o.a.b", "=", 1, True),
        ("l.0", "=", "abc", False),
    ],
)
def test_operators(path: str, op: str, value: Any, expected: bool) -> None:
    condition = Filter.model_validate({"path": path, "op": op, "value": value})
    assert passes([condition], PAYLOAD) is expected


@pytest.mark.parametrize(
    ("path", "present"), [("s", True), ("z", True), ("o", True), ("o.x", False), ("s.x", False), ("l.0", False)]
)
def test_presence(path: str, present: bool) -> None:
    assert passes([Filter.model_validate({"path": path, "op": "exists"})], PAYLOAD) is present
    assert passes([Filter.model_validate({"path": path, "op": "not_exists"})], PAYLOAD) is not present


@pytest.mark.parametrize("payload", [None, 5, [], "x"])
def test_a_payload_that_is_no_object_has_no_fields(payload: Any) -> None:
    assert not passes([Filter.model_validate({"path": "a", "op": "exists"})], payload)


def test_every_filter_must_hold() -> None:
    both = [Filter.model_validate({"path": "n", "op": ">", "value": limit}) for limit in (4, 5)]
    assert passes(both[:1], PAYLOAD)
    assert not passes(both, PAYLOAD)
    assert passes([], PAYLOAD)


def arrived(event_id: str | None, second: int, key: str | None = "k") -> EventArrived:
    return EventArrived(event_id, "E", key, {}, f"2026-01-01T00:00:{second:02d}.000Z")


def take(buffer: EventBuffer, key: str | None = "k") -> EventArrived | None:
    event = buffer.match("E", key, ())
    if event is not None:
        buffer.use(event)
    return event


def test_events_are_taken_by_age_and_of_equal_age_by_arrival() -> None:
    buffer = EventBuffer()
    for event in (arrived("late", 9), arrived("b", 5), arrived("a", 5), arrived("early", 1)):
        assert buffer.add(event)
    taken = [take(buffer) for _ in range(5)]
    assert [event.event_id if event else None for event in taken] == ["early", "b", "a", "late", None]


def test_events_without_an_id_are_never_duplicates() -> None:
    buffer = EventBuffer()
    assert [buffer.add(arrived(None, 1)) for _ in range(2)] == [True, True]


def test_the_buffer_survives_as_json() -> None:
    buffer = EventBuffer()
    buffer.add(arrived("a", 1))
    buffer.add(arrived("b", 2, key=None))
    take(buffer)
    again = EventBuffer.from_json(buffer.to_json())
    assert not again.add(arrived("a", 1))
    assert take(again, None) == arrived("b", 2, key=None)


def test_an_event_that_is_not_here_can_be_used_and_never_comes_again() -> None:
    buffer = EventBuffer()
    buffer.use(arrived("a", 1))
    assert not buffer.add(arrived("a", 1))


def test_an_event_without_an_id_is_used_once() -> None:
    buffer = EventBuffer()
    for _ in range(2):
        buffer.add(arrived(None, 1))
    buffer.use(arrived(None, 1))
    assert take(buffer) == arrived(None, 1)
    assert take(buffer) is None
