"""Running a path: steps map over what the step before found, filters select, sequences flatten by one level."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.expression import grouping
from engine.expression.operators import is_number, truthy
from engine.expression.values import CURRENT, MISSING, Code, Constructed, Frame, Root, Run, Sequence, Value, settled


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


@dataclass(frozen=True, slots=True)
class PathPlan:
    """A compiled path."""

    steps: tuple[Step | SortStep, ...]
    absolute: bool
    """It begins with a variable: the current value is one item even when it is an array."""
    constructed: bool
    """It begins with an array constructor, which is evaluated once, not for each item."""
    keep_singleton: bool
    pairs: grouping.Pairs | None
    as_tuples: bool
    """The path around it needs the bindings: give tuples, not values."""


def run_path(plan: PathPlan, value: Value, frame: Frame) -> Value:
    """All steps in turn; a list that is not a Sequence is an array somebody wrote."""
    items: list[Value] = value if isinstance(value, list) and not plan.absolute else Sequence((value,))
    result: list[Value] = items
    tuples: Sequence | None = None
    last = len(plan.steps) - 1
    for number, step in enumerate(plan.steps):
        if tuples is not None or step.tuples:
            tuples = run_tuple_step(step, items, tuples, frame)
        elif number == 0 and plan.constructed and isinstance(step, Step):
            result = step.code(items, frame)
            if not result:
                break
        else:
            result = run_step(step, items, frame, last=number == last)
            if not result:
                result = result if number == last else Sequence()
                break
        if step.focus is None:
            items = result
    if tuples is not None:
        result = tuples if plan.as_tuples else Sequence([bindings[CURRENT] for bindings in tuples])
    if plan.keep_singleton:
        result = _kept(result)
    if plan.pairs is not None:
        return grouping.group(plan.pairs, result if tuples is None else tuples, frame)
    return result


def _kept(result: list[Value]) -> list[Value]:
    if isinstance(result, Constructed):
        result = Sequence((result,))
    if isinstance(result, Sequence):
        result.keep_singleton = True
    return result


def lookup(value: Value, name: str, run: Run, position: int) -> Value:
    """A field of an object, or of every object in an array and in the arrays inside it."""
    if isinstance(value, dict):
        return value.get(name, MISSING)
    if isinstance(value, list):
        return settled(_lookup_each(value, name, run, position))
    if isinstance(value, Root):
        return value.mapping.get(name, MISSING)
    return MISSING


def _lookup_each(items: list[Value], name: str, run: Run, position: int) -> Sequence:
    found = Sequence()
    pending = [iter(items)]
    run.spend(len(items), position)
    while pending:
        for item in pending[-1]:
            if isinstance(item, list):
                run.spend(len(item), position)
                pending.append(iter(item))
                break
            member = item.get(name, MISSING) if isinstance(item, dict) else lookup(item, name, run, position)
            if isinstance(member, list):
                run.spend(len(member), position)
                found.extend(member)
            elif member is not MISSING:
                found.append(member)
        else:
            pending.pop()
    return found


def wildcard(value: Value, run: Run, position: int) -> Value:
    """``*``: the values of all fields, arrays among them flattened to the bottom."""
    if isinstance(value, Root):
        value = dict(value.mapping)
    found: list[Value] = Sequence()
    if isinstance(value, dict):
        run.spend(len(value), position)
        for member in value.values():
            if isinstance(member, list):
                # As in JSONata, an array among the values makes the whole an array, even of one value.
                found = list(found) if isinstance(found, Sequence) else found
                found += _flattened(member, run, position)
            else:
                found.append(member)
    return settled(found)


def _flattened(items: list[Value], run: Run, position: int) -> list[Value]:
    flat: list[Value] = []
    pending = [iter(items)]
    run.spend(len(items), position)
    while pending:
        for item in pending[-1]:
            if isinstance(item, list):
                run.spend(len(item), position)
                pending.append(iter(item))
                break
            flat.append(item)
        else:
            pending.pop()
    return flat


def descendants(value: Value, run: Run, position: int) -> Value:
    """``**``: the value and everything below it, except that arrays are only passed through."""
    if value is MISSING:
        return MISSING
    found = Sequence()
    pending = [value]
    while pending:
        item = pending.pop()
        run.spend(1, position)
        if isinstance(item, list):
            pending.extend(reversed(item))
            continue
        found.append(item)
        if isinstance(item, Root):
            pending.extend(reversed(list(item.mapping.values())))
        elif isinstance(item, dict):
            pending.extend(reversed(item.values()))
    return settled(found)


def run_step(step: Step | SortStep, items: list[Value], frame: Frame, *, last: bool) -> list[Value]:
    """Map ``items`` through one step and flatten what it gives."""
    if isinstance(step, SortStep):
        return _run_sort(step, items, frame)
    run = frame.run
    run.spend(len(items) * step.weight, step.position)
    results: list[Value] = []
    for item in items:
        value = step.code(item, frame)
        for stage in step.stages:
            value = apply_stage(stage, value, frame)
        if value is not MISSING:
            results.append(value)
    if len(results) == 1 and isinstance(results[0], list):
        only: list[Value] = results[0]
        # An array somebody wrote stays that array at the end of a path; before the end nobody can tell the difference.
        if not last or not isinstance(only, Sequence):
            return Sequence(results) if isinstance(only, Constructed) and not last else only
    return _flattened_once(results, run, step.position)


def _flattened_once(results: list[Value], run: Run, position: int) -> Sequence:
    flat = Sequence()
    for value in results:
        if isinstance(value, list) and not isinstance(value, Constructed):
            run.spend(len(value), position)
            flat.extend(value)
        else:
            flat.append(value)
    return flat


def _run_sort(step: SortStep, items: list[Value], frame: Frame) -> list[Value]:
    if len(items) > 1:
        value: list[Value] = grouping.sort(step.order, items, frame)
    else:
        value = items if isinstance(items, Constructed) else Sequence(items)
    for stage in step.stages:
        value = apply_stage(stage, value, frame)
    return value


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
