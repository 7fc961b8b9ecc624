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


def fit(
    columns: Sequence[Column], cells: int, needs: Mapping[str, int] | None = None
) -> tuple[tuple[Column, int], ...]:
    """The columns that fit into ``cells`` and their widths.

    ``needs``: cells the rows need in growing columns, by name. Each of these gets what it needs, or its part of what there is;
    what nobody needs goes to the one with the largest share. Without it, all is given by shares.
    """
    kept = list(columns)
    wanted = dict(needs or {})
    least = {
        column.name: max(min(column.width, wanted[column.name]), len(column.title))
        if column.grows and column.name in wanted
        else column.width
        for column in columns
    }

    def needed() -> int:
        return sum(least[column.name] + column.gap for column in kept) - kept[-1].gap

    while needed() > cells:
        leaving = max(kept, key=lambda column: column.drop)
        if leaving.drop == 0:
            break
        kept.remove(leaving)
    spare = max(cells - needed(), 0)
    growing = [column for column in kept if column.grows]
    missing = {
        column.name: max(wanted[column.name] - least[column.name], 0) for column in growing if column.name in wanted
    }
    if missing:
        given = {name: min(cells, spare * cells // max(sum(missing.values()), 1)) for name, cells in missing.items()}
        last = max(growing, key=lambda column: column.grows).name
        given[last] = given.get(last, 0) + spare - sum(given.values())
    else:
        shares = sum(column.grows for column in growing)
        given = {column.name: spare * column.grows // shares for column in growing}
    return tuple((column, least[column.name] + given.get(column.name, 0)) for column in kept)


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
