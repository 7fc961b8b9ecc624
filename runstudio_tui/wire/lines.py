"""The shortest way from what a line shows to what it is to show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from runstudio_tui.wire.looks import PLAIN, Look, change, of_blank

Cell = tuple[str, Look]
"""The text of a cell, empty behind a wide character, and its look."""
Row = list[Cell | None]
"""The cells of a line; None where it is not known."""
SetsOut = Callable[[int], str]
"""What takes the terminal's cursor to a cell of the line."""

BLANK: Final[Cell] = (" ", PLAIN)
_WORTH_A_LOOK: Final = 100
"""Characters from which it is tried whether moving what stands further right is shorter."""
_FARTHEST: Final = 48
"""Cells by which it is looked for elsewhere."""


def turned(before: Row, row: Row, look: Look, sets_out: SetsOut) -> tuple[str, Look]:
    """What makes a line that shows ``before`` show ``row``, and the look that is set then. Only characters that take one cell."""
    if row == before:
        return "", look
    sent, after = _shorter(row, _differing(before, row), look, sets_out)
    if len(sent) > _WORTH_A_LOOK and len(before) == len(row) and None not in before and None not in row:
        x, edit, moved = _moved(before, row)
        rest, after_rest = _shorter(row, _differing(moved, row), PLAIN, lambda to: "" if to == x else _to_column(to))
        edited = f"{change(look, PLAIN)}{sets_out(x)}{edit}{rest}"
        if len(edited) < len(sent):
            return edited, after_rest
    return sent, after


def written(row: Row, places: Sequence[int], look: Look, sets_out: SetsOut) -> tuple[str, Look]:
    """The cells of a line at some places, in order, and the look that is set then."""
    parts: list[str] = []
    at = -1
    for x in places:
        if row[x] is None:
            continue
        if x == at:
            text, look = _text(row[x : x + 1], look)
        elif at < 0:
            text, look = _text(row[x : x + 1], look)
            text = f"{sets_out(x)}{text}"
        else:
            text, look = _on_to(x, row, at, look)
        parts.append(text)
        at = x + 1
    return "".join(parts), look


def _shorter(row: Row, places: Sequence[int], look: Look, sets_out: SetsOut) -> tuple[str, Look]:
    """The cells of a line at some places in order, or one look after the other where that is shorter."""
    in_order = written(row, places, look, sets_out)
    parts: list[str] = []
    for found in _looks(row, places, look).values():
        part, look = written(row, found, look, _to_column if parts else sets_out)
        parts.append(part)
    by_look = "".join(parts), look
    return min(in_order, by_look, key=lambda one: len(one[0]))


def _to_column(x: int) -> str:
    return f"\x1b[{x + 1}G" if x else "\r"


def _looks(row: Row, places: Sequence[int], look: Look) -> dict[Look, list[int]]:
    """Places by the look they are written in, the one that is set first. A blank goes with what stands before it, if it may."""
    found: dict[Look, list[int]] = {look: []}
    last = look
    for x in places:
        cell = row[x]
        if cell is None:
            continue
        char, wanted = cell
        if not (char == " " and of_blank(last) == wanted):
            last = wanted
        found.setdefault(last, []).append(x)
    return {one: places for one, places in found.items() if places}


def _differing(before: Row, row: Row) -> list[int]:
    had = len(before)
    return [x for x, cell in enumerate(row) if cell is not None and (x >= had or cell != before[x])]


def _moved(before: Row, row: Row) -> tuple[int, str, Row]:
    """The first cell that differs; what moves it and all behind it to where most of them are wanted; and the line after that."""
    x = _differing(before, row)[0]
    best, sequence, after = -1, "", before
    for by in range(1, min(_FARTHEST, len(row) - x) + 1):
        gap: Row = [BLANK] * by
        closer, apart = [*before[:x], *before[x + by :], *gap], [*before[:x], *gap, *before[x:-by]]
        for letter, moved in (("P", closer), ("@", apart)):
            same = sum(one == other for one, other in zip(moved[x:], row[x:], strict=True))
            if same > best:
                best, sequence, after = same, f"\x1b[{by}{letter}", moved
    return x, sequence, after


def _on_to(x: int, row: Row, at: int, look: Look) -> tuple[str, Look]:
    """The cell at ``x``, coming from ``at`` on the same line: past what is between, or over it."""
    cell, after = _text(row[x : x + 1], look)
    past = f"\x1b[{x - at}C" if x - at > 1 else "\x1b[C"
    if None not in row[at:x]:
        over, after_over = _text(row[at : x + 1], look)
        if len(over) <= len(past) + len(cell):
            return over, after_over
    return past + cell, after


def _text(cells: Row, look: Look) -> tuple[str, Look]:
    """Cells written one after the other, and the look that is set then."""
    parts: list[str] = []
    for cell in cells:
        if cell is None:
            continue
        char, wanted = cell
        if wanted is not look and not (char == " " and of_blank(look) == wanted):
            parts.append(change(look, wanted))
            look = wanted
        parts.append(char)
    return "".join(parts), look
