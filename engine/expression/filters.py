"""Filters after a step of a path, by index or by predicate, and the numbering of tuples."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.expression.operators import is_number, truthy
from engine.expression.values import CURRENT, MISSING, Code, Frame, Run, Sequence, Value


@dataclass(frozen=True, slots=True)
class FilterStage:
    """A compiled ``[predicate]``."""

    code: Code
    weight: int
    """Steps one evaluation of the predicate costs."""
    position: int
    index: int | None
    """The predicate is this number."""


@dataclass(frozen=True, slots=True)
class NumberStage:
    """A compiled ``#$name`` after a filter: it numbers the tuples."""

    name: str


Stage = FilterStage | NumberStage


def apply_stage(stage: Stage, value: Value, frame: Frame) -> Value:
    """Filter what a step gave, or number its tuples."""
    if isinstance(stage, NumberStage):
        for number, bindings in enumerate(value):
            bindings[stage.name] = number
        return value
    items = value if isinstance(value, list) else (value,)
    streamed = isinstance(value, Sequence) and value.tuple_stream
    if stage.index is not None:
        found = at(items, stage.index)
        if isinstance(found, list):
            return found
        return Sequence(() if found is MISSING else (found,), tuple_stream=streamed)
    run = frame.run
    run.spend(len(items) * stage.weight, stage.position)
    selected = Sequence(tuple_stream=streamed)
    for number, item in enumerate(items):
        verdict = stage.code(item[CURRENT], Frame(dict(item), frame, run)) if streamed else stage.code(item, frame)
        if verdict is True:
            selected.append(item)
        elif verdict is not False:
            selected.extend([item] * _times_selected(verdict, number, len(items), run, stage.position))
    return selected


def at(items: list[Value] | tuple[Value, ...], index: int) -> Value:
    """The item at ``index``, counted from the end when negative."""
    if index < 0:
        index += len(items)
    return items[index] if 0 <= index < len(items) else MISSING


def _times_selected(verdict: Value, number: int, size: int, run: Run, position: int) -> int:
    """How often an item is in the result: as often as its number is among the verdict's, or once when that is true."""
    if isinstance(verdict, list):
        run.spend(len(verdict), position)
        if all(is_number(index, position) for index in verdict):
            return sum(_is_at(index, number, size) for index in verdict)
    elif is_number(verdict, position):
        return int(_is_at(verdict, number, size))
    return int(truthy(verdict, run, position))


def _is_at(index: float, number: int, size: int) -> bool:
    place = math.floor(index)
    return number == (place + size if place < 0 else place)
