"""Evaluation of a path: each step maps over what the one before found, filters select, sequences flatten by one level."""

from __future__ import annotations

from dataclasses import dataclass

from engine.expression import grouping
from engine.expression.filters import apply_stage
from engine.expression.tuples import SortStep, Step, run_tuple_step
from engine.expression.values import CURRENT, MISSING, Constructed, Frame, Run, Sequence, Value


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
            value = step.code(items, frame)
            result = value if isinstance(value, list) else Sequence(() if value is MISSING else (value,))
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
