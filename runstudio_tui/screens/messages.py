"""Texts as rows: the message log, and any other one whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

from runstudio_tui.store.journal import Entry, Weight
from runstudio_tui.text import safe_block
from runstudio_tui.widgets.cells import wrap
from runstudio_tui.widgets.line import Span, line
from runstudio_tui.widgets.line_list import Row

_TONES: Final = {Weight.INFO: "text", Weight.WARNING: "attention", Weight.ERROR: "failed"}


def text_rows(text: str, cells: int) -> list[Row]:
    """A text, wrapped."""
    return [Row(line(f" {part}")) for part in wrap(safe_block(text), max(cells - 2, 20))]


def message_rows(entries: Sequence[Entry], zone: tzinfo, cells: int) -> list[Row]:
    """Messages, oldest first."""
    if not entries:
        return [Row(line(Span(" Nothing was said yet.", "dim")))]
    rows: list[Row] = []
    for entry in entries:
        at = entry.at.astimezone(zone).strftime("%H:%M:%S")
        for place, part in enumerate(wrap(entry.text, max(cells - 12, 20))):
            rows.append(Row(line(Span(f" {at if place == 0 else '':8}  ", "dim"), Span(part, _TONES[entry.weight]))))
    return rows
