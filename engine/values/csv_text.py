"""Rows of a CSV file that a spreadsheet shows and does not obey."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from engine.values.terminal_text import visible
from engine.values.timestamps import iso_milliseconds

Cell = str | int | datetime | None

_FORMULA: Final = re.compile(r"[\t\r]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""How a text begins that a spreadsheet takes for a formula; the last four are the full-width forms of the same signs."""


def csv_lines(rows: Iterable[Sequence[Cell]]) -> str:
    """Rows as lines, each of them one line whatever its texts hold: comma, ``"`` only where needed, nothing for None, UTC times.

    A text that would be taken for a formula has ``'`` before it, and control characters are replaced by signs.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[_cell(value) for value in row] for row in rows])
    return text.getvalue()


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return iso_milliseconds(value)
    if isinstance(value, int):
        return str(value)
    return f"'{visible(value)}" if _FORMULA.match(value) else visible(value)
