"""Compiled steps of a path."""

from __future__ import annotations

from dataclasses import dataclass

from engine.expression import grouping
from engine.expression.filters import Stage
from engine.expression.values import Code


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
