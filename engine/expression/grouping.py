"""Group-by, object constructors, and order-by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cmp_to_key

from engine.expression.errors import TYPE, Fault
from engine.expression.operators import comparable_texts, described
from engine.expression.values import CURRENT, MISSING, Code, Frame, Run, Sequence, Value


@dataclass(frozen=True, slots=True)
class Pairs:
    """The compiled pairs of a grouping or of an object constructor."""

    pairs: tuple[tuple[Code, Code], ...]
    weight: int
    position: int


class _Collected:
    """Values that came one after the other: none, one as it is, or all of them in an array of their own."""

    __slots__ = ("_owned", "value")

    def __init__(self, value: Value) -> None:
        self.value = value
        self._owned = False

    def add(self, value: Value, run: Run, position: int) -> None:
        """One more; an array gives all its items, what is missing nothing."""
        if value is MISSING:
            return
        if self.value is MISSING:
            self.value = value
            return
        if not self._owned:
            items = self.value if isinstance(self.value, list) else [self.value]
            run.spend(len(items), position)
            self.value = list(items)
            self._owned = True
        more = value if isinstance(value, list) else (value,)
        run.spend(len(more), position)
        self.value.extend(more)


class _Slot(_Collected):
    """One key of the object being made: what its value is computed from, and by which pair."""

    __slots__ = ("pair",)

    def __init__(self, value: Value, pair: int) -> None:
        super().__init__(value)
        self.pair = pair


def group(pairs: Pairs, value: Value, frame: Frame) -> dict[str, Value]:
    """One object: each item goes to its key, and each key's value is computed from the items that went there."""
    run, position = frame.run, pairs.position
    streamed = isinstance(value, Sequence) and value.tuple_stream
    items = value if isinstance(value, list) else [value]
    slots: dict[str, _Slot] = {}
    run.spend(len(items) * pairs.weight, position)
    # A literal object on nothing at all is still an object.
    for item in items or [MISSING]:
        inner, current = _entered(item, frame) if streamed and item is not MISSING else (frame, item)
        for number, (key_code, _) in enumerate(pairs.pairs):
            key = key_code(current, inner)
            if key is MISSING:
                continue
            if not isinstance(key, str):
                raise Fault(TYPE, f"The key of an object must be a text, not {described(key)}.", position)
            slot = slots.get(key)
            if slot is None:
                slots[key] = _Slot(item, number)
            elif slot.pair != number:
                raise Fault(TYPE, "Two pairs of an object give the same key.", position)
            else:
                slot.add(item, run, position)
    result: dict[str, Value] = {}
    for key, slot in slots.items():
        if streamed and slot.value is not MISSING:
            inner, current = _entered(_reduced(slot.value, run, position), frame)
        else:
            inner, current = frame, slot.value
        member = pairs.pairs[slot.pair][1](current, inner)
        if member is not MISSING:
            result[key] = member
    return result


def _entered(bindings: dict[str, Value], frame: Frame) -> tuple[Frame, Value]:
    return Frame(dict(bindings), frame, frame.run), bindings[CURRENT]


def _reduced(tuples: Value, run: Run, position: int) -> dict[str, Value]:
    """Many tuples as one: every binding holds all their values."""
    if isinstance(tuples, dict):
        return tuples
    collected: dict[str, _Collected] = {}
    for bindings in tuples:
        for name, value in bindings.items():
            if name in collected:
                collected[name].add(value, run, position)
            else:
                collected[name] = _Collected(value)
    return {name: entry.value for name, entry in collected.items()}


@dataclass(frozen=True, slots=True)
class Order:
    """A compiled order-by."""

    terms: tuple[tuple[Code, bool], ...]
    """What to compare, and whether descending."""
    weight: int
    position: int


class _Sorted:
    """An item with the values of its sort terms, computed when a comparison first asks."""

    __slots__ = ("frame", "item", "values")

    def __init__(self, item: Value, frame: Frame) -> None:
        self.item = item
        self.frame = frame
        self.values: list[Value] = []


def sort(order: Order, items: list[Value], frame: Frame) -> list[Value]:
    """``items`` in order, equal ones as they were; an item whose term is missing comes last."""
    run, position = frame.run, order.position
    streamed = isinstance(items, Sequence) and items.tuple_stream
    run.spend(len(items) * (order.weight + len(items).bit_length()), position)

    def value(entry: _Sorted, number: int) -> Value:
        if number == len(entry.values):
            if streamed:
                inner, current = _entered(entry.item, frame)
            else:
                inner, current = frame, entry.item
            entry.values.append(order.terms[number][0](current, inner))
        return entry.values[number]

    def compare(left: _Sorted, right: _Sorted) -> int:
        for number, (_, descending) in enumerate(order.terms):
            verdict = _compared(value(left, number), value(right, number), descending, position)
            if verdict:
                return verdict
        return 0

    entries = sorted((_Sorted(item, frame) for item in items), key=cmp_to_key(compare))
    return [entry.item for entry in entries]


def _compared(left: Value, right: Value, descending: bool, position: int) -> int:
    if left is MISSING or right is MISSING:
        return (left is MISSING) - (right is MISSING)
    for side in (left, right):
        if not isinstance(side, str | int | float) or isinstance(side, bool):
            raise Fault(TYPE, f"Order is among numbers or among texts, not {described(side)}.", position)
    if isinstance(left, str) and isinstance(right, str):
        left, right = comparable_texts(left, right)
    elif isinstance(left, str) or isinstance(right, str):
        raise Fault(TYPE, "Numbers and texts have no order among each other.", position)
    verdict = int(left > right) - int(left < right)
    return -verdict if descending else verdict
