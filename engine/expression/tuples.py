"""Compiled steps of a path, and how they run when the path carries bindings: ``@$x``, ``#$i``, and the parent operator."""

from __future__ import annotations

from dataclasses import dataclass

from engine.expression import grouping
from engine.expression.filters import Stage, apply_stage
from engine.expression.values import CURRENT, MISSING, Code, Frame, Sequence, Value


@dataclass(frozen=True, slots=True)
class Step:
    """A compiled step that finds something in each item."""

    code: Code
    stages: tuple[Stage, ...]
    weight: int
    """Steps one item costs."""
    position: int
    tuples: bool
    """From here on the path carries bindings along."""
    focus: str | None
    index: str | None
    ancestor: str | None
    """Label under which the step's input is carried along, for a parent operator further right."""


@dataclass(frozen=True, slots=True)
class SortStep:
    """A compiled ``^(...)``, which orders what came so far."""

    order: grouping.Order
    stages: tuple[Stage, ...]
    tuples: bool
    focus: str | None
    index: str | None


def run_tuple_step(step: Step | SortStep, items: list[Value], tuples: Sequence | None, frame: Frame) -> Sequence:
    """One step of a path that carries bindings: each tuple gives the tuples of what the step finds in its value."""
    if isinstance(step, SortStep):
        return _sort_tuples(step, items, tuples, frame)
    run = frame.run
    if tuples is None:
        tuples = Sequence(({CURRENT: item} for item in items), tuple_stream=True)
    run.spend(len(tuples) * step.weight, step.position)
    result = Sequence(tuple_stream=True)
    for bindings in tuples:
        value = step.code(bindings[CURRENT], Frame(dict(bindings), frame, run))
        if value is MISSING:
            continue
        found = value if isinstance(value, list) else [value]
        run.spend(len(found), step.position)
        streamed = isinstance(value, Sequence) and value.tuple_stream
        for number, item in enumerate(found):
            result.append({**bindings, **item} if streamed else _bound(step, bindings, number, item))
    for stage in step.stages:
        result = _as_stream(apply_stage(stage, result, frame))
    return result


def _bound(step: Step, bindings: dict[str, Value], number: int, item: Value) -> dict[str, Value]:
    extended = dict(bindings)
    if step.focus is not None:
        extended[step.focus] = item
    else:
        extended[CURRENT] = item
    if step.index is not None:
        extended[step.index] = number
    if step.ancestor is not None:
        extended[step.ancestor] = bindings[CURRENT]
    return extended


def _sort_tuples(step: SortStep, items: list[Value], tuples: Sequence | None, frame: Frame) -> Sequence:
    if tuples is not None:
        result = Sequence(grouping.sort(step.order, tuples, frame), tuple_stream=True)
    else:
        ordered = grouping.sort(step.order, items, frame)
        result = Sequence(tuple_stream=True)
        for number, item in enumerate(ordered):
            result.append({CURRENT: item} if step.index is None else {CURRENT: item, step.index: number})
    for stage in step.stages:
        result = _as_stream(apply_stage(stage, result, frame))
    return result


def _as_stream(value: Value) -> Sequence:
    return value if isinstance(value, Sequence) else Sequence([value], tuple_stream=True)
