"""Columns of a list: which fit into a width, how wide each is, and a row or header laid out in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runstudio_tui.widgets.cells import pad
from runstudio_tui.widgets.line import Line, Span


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Columns with the highest ``drop`` leave first when the list is narrow; 0 never leaves."""

    name: str
    title: str
    width: int
    drop: int = 0
    grows: int = 0
    """Share of the cells left over."""
    right: bool = False
    gap: int = 2
    """Blank cells after it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a column."""

    text: str
    tone: str = "text"


def fit(columns: Sequence[Column], cells: int) -> tuple[tuple[Column, int], ...]:
    """The columns that fit into ``cells`` and their widths; what is left over goes to the growing ones."""
    kept = list(columns)

    def needed() -> int:
        return sum(column.width + column.gap for column in kept) - kept[-1].gap

    while needed() > cells:
        leaving = max(kept, key=lambda column: column.drop)
        if leaving.drop == 0:
            break
        kept.remove(leaving)
    spare = max(cells - needed(), 0)
    shares = sum(column.grows for column in kept)
    placed: list[tuple[Column, int]] = []
    for column in kept:
        extra = spare * column.grows // shares if shares else 0
        placed.append((column, column.width + extra))
    return tuple(placed)


def lay_out(placed: Sequence[tuple[Column, int]], cells: Mapping[str, Cell]) -> Line:
    """One row."""
    spans: list[Span] = []
    for place, (column, width) in enumerate(placed):
        cell = cells.get(column.name, Cell(""))
        gap = " " * column.gap if place < len(placed) - 1 else ""
        spans.append(Span(pad(cell.text, width, right=column.right) + gap, cell.tone))
    return tuple(spans)


def heading(placed: Sequence[tuple[Column, int]]) -> Line:
    """The line of titles."""
    return lay_out(placed, {column.name: Cell(column.title, "dim") for column, _ in placed})
