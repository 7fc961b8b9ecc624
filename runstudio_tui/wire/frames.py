"""What the terminal shows, cell for cell, and how a frame is sent to it: only cells that differ, lines that moved by scrolling.

Frames come as Textual renders them: places, looks and text. What is not understood is sent as it came, and nothing is known then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from runstudio_tui.widgets.cells import width
from runstudio_tui.wire.lines import BLANK, Cell, Row, turned, written
from runstudio_tui.wire.looks import PLAIN, Look, change, look_of, of_blank

Run = tuple[int, int, list[Cell]]
"""Line, first cell and cells of something drawn."""

_PARTS: Final = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[([\d;]*)m|(\n)|([^\x1b\n]+)|(.)", re.DOTALL)
_FARTHEST: Final = 3
"""Lines by which rows are looked for elsewhere: a step of the cursor, a turn of the wheel."""
_WORTH_A_LOOK: Final = 200
"""Characters from which it is tried whether scrolling is shorter."""


class Frames:
    """Knows what was sent."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}

    def send(self, drawn: str, *, everything: bool) -> str:
        """What makes the terminal show ``drawn`` on top of what it shows. ``everything``: also what is there already, for the
        terminal may have been somebody else's meanwhile."""
        if everything:
            self._rows.clear()
        try:
            runs = list(_read(drawn))
        except ValueError:
            self._rows.clear()
            return drawn
        wanted, odd = self._with(runs)
        sent = _shortest(self._rows, wanted, odd)
        if len(sent) > _WORTH_A_LOOK and not odd:
            scrolled = [self._scrolled(wanted, by) for step in range(1, _FARTHEST + 1) for by in (step, -step)]
            sent = min([sent, *(one for one in scrolled if one)], key=len)
        self._rows.update(wanted)
        return sent

    def _with(self, runs: list[Run]) -> tuple[dict[int, Row], dict[int, list[range]]]:
        """The lines with runs laid over them, and what of them is sent whole: where not every character takes one cell, terminals
        differ in how many it takes."""
        wanted: dict[int, Row] = {}
        drawn: dict[int, list[range]] = {}
        for y, x, cells in runs:
            if y not in wanted:
                wanted[y] = list(self._rows.get(y, ()))
            _lay(wanted[y], x, cells)
            drawn.setdefault(y, []).append(range(x, x + len(cells)))
        odd = {
            y: places
            for y, places in drawn.items()
            if any(cell is not None and len(cell[0]) != 1 for cell in (*wanted[y], *self._rows.get(y, ())))
        }
        return wanted, odd

    def _scrolled(self, wanted: dict[int, Row], by: int) -> str:
        """The same by moving lines up by so many (down, where negative) first; empty when none would move."""
        known = self._rows
        moved = [y for y, row in wanted.items() if row != known.get(y) and row == known.get(y + by)]
        if not moved:
            return ""
        top, bottom = min(moved) + min(by, 0), max(moved) + max(by, 0)
        lines = range(top, bottom + 1)
        if any(y not in known or None in known[y] for y in lines):
            return ""
        after = dict(known)
        for y in lines:
            after[y] = known[y + by] if y + by in lines else [BLANK] * len(known[y])
        meant = {y: wanted.get(y, known.get(y, [])) for y in sorted({*wanted, *lines})}
        move = f"\x1b[{bottom + 1}H" + "\n" * by if by > 0 else f"\x1b[{top + 1}H" + "\x1bM" * -by
        return f"\x1b[{top + 1};{bottom + 1}r{move}\x1b[r{_shortest(after, meant, {})}"


def _read(drawn: str) -> Iterator[Run]:
    """What a rendered frame draws, and where. Raises ``ValueError`` for what is not understood."""
    look, place = PLAIN, None
    for found in _PARTS.finditer(drawn):
        line, column, parameters, new_line, text, _ = found.groups()
        if line:
            place = (int(line) - 1, int(column) - 1)
        elif parameters is not None:
            look = look_of(parameters)
        elif new_line:
            place = None
        elif text and place is not None:
            cells = _cells(text, look)
            yield (*place, cells)
            place = (place[0], place[1] + len(cells))
        else:
            raise ValueError("not a frame")


def _cells(text: str, look: Look) -> list[Cell]:
    blank = (" ", of_blank(look))
    if width(text) == len(text):
        return [blank if char == " " else (char, look) for char in text]
    cells: list[Cell] = []
    for char in text:
        taken = width(char)
        if taken:
            cells += [(char, look), *[("", look)] * (taken - 1)]
        elif cells:
            at = max(place for place, cell in enumerate(cells) if cell[0])
            cells[at] = (cells[at][0] + char, look)
        else:
            raise ValueError("a mark without a character")
    return cells


def _lay(row: Row, x: int, cells: list[Cell]) -> None:
    """Lay cells over a line. What is left of a wide character that is cut through, is not known."""
    end = x + len(cells)
    row.extend([None] * (end - len(row)))
    before, after = row[x], row[end] if end < len(row) else None
    if before is not None and not before[0] and x > 0:
        row[x - 1] = None
    if after is not None and not after[0]:
        row[end] = None
    row[x:end] = cells


def _shortest(known: dict[int, Row], wanted: dict[int, Row], whole: dict[int, list[range]]) -> str:
    """What turns known lines into the wanted ones."""
    parts: list[str] = []
    look, before = PLAIN, -1
    for y, row in wanted.items():
        sets_out = partial(_to, before, y)
        if y in whole:
            places = sorted(place for drawn in whole[y] for place in drawn)
            part, look = written(row, places, look, sets_out)
        else:
            part, look = turned(known.get(y, []), row, look, sets_out)
        if part:
            parts.append(part)
            before = -1 if y in whole else y
    return "".join([*parts, change(look, PLAIN)])


def _to(before: int, y: int, x: int) -> str:
    """What takes the terminal's cursor to a cell, from anywhere on line ``before`` (-1: from elsewhere)."""
    return "\r\n" if x == 0 and 0 <= before == y - 1 else f"\x1b[{y + 1};{x + 1}H"
