"""Lines that details of records have in common: facts, links, JSON documents."""

from __future__ import annotations

import json
from typing import Final

from engine.records import Document, Json
from engine.wording import counted
from runstudio_tui.domain.jsonview import JsonKind, flatten, value_at
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import pad, wrap
from runstudio_tui.widgets.line import Span, line
from runstudio_tui.widgets.line_list import Row

MAX_LINES: Final = 1_000
"""Lines of one document in a detail."""
_TONES: Final = {JsonKind.MASKED: "dim", JsonKind.NUMBER: "accent", JsonKind.WORD: "accent"}
_LABEL: Final = 11


def heading(text: str) -> Row:
    """A line above a group."""
    return Row(line(Span(f" {text}", "dim")))


def told(text: str, cells: int, tone: str = "text", indent: int = 2) -> list[Row]:
    """A text of somebody's, on as many lines as it takes."""
    return [
        Row(line(" " * indent, Span(part, tone)), copy=text) for part in wrap(safe(text), max(cells - indent - 1, 10))
    ]


def fact(
    label: str, text: str, cells: int, tone: str = "text", *, copy: str | None = None, link: str = ""
) -> list[Row]:
    """``label  text``, on as many lines as the text takes; ``link`` is what enter opens."""
    parts = wrap(safe(text), max(cells - _LABEL - 3, 10)) or [""]
    rows = []
    for place, part in enumerate(parts):
        begin = Span(f"  {pad(label if not place else '', _LABEL)}", "dim")
        rows.append(Row(line(begin, Span(part, "key" if link else tone)), copy=copy or text, link=link))
    return rows


def json_rows(document: Document) -> list[Row]:
    """A document, its masked values with a lock; a long one is cut and says so."""
    lines = flatten(document)
    rows = [
        Row(
            line("  " * (one.depth + 1), Span(one.key, "dim"), Span(one.text, _TONES.get(one.kind, "text"))),
            copy=_copied(document.value, one.pointer),
        )
        for one in lines[:MAX_LINES]
    ]
    if len(lines) > MAX_LINES:
        rows.append(
            Row(line(Span(f"  {counted(len(lines) - MAX_LINES, 'more line')}: the command shows them", "attention")))
        )
    return rows


def _copied(value: Json, pointer: str) -> str:
    found = value_at(value, pointer)
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
