"""The right half of a run's screen: one pane at a time, chosen by letter, and a document opened from one."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from textual.app import ComposeResult
from textual.widget import Widget

from runstudio_tui.domain.models import Document, LogLevel, LogLine
from runstudio_tui.domain.present import moment
from runstudio_tui.screens.run.pane_rows import Frame
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import pad, wrap
from runstudio_tui.widgets.json_pane import JsonPane
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.line_list import LineList, Row
from runstudio_tui.widgets.virtual_list import VirtualList


class Pane(StrEnum):
    """What the right half shows."""

    OUTCOME = "outcome"
    TRIES = "tries"
    PAYLOAD = "payload"
    WAITS = "waits"
    LOGS = "logs"
    MORE = "more"


_LETTERS: Final = {
    Pane.OUTCOME: ("o", "Outcome"),
    Pane.TRIES: ("i", "Tries"),
    Pane.PAYLOAD: ("p", "Payload"),
    Pane.WAITS: ("x", "Waits"),
    Pane.LOGS: ("l", "Logs"),
    Pane.MORE: ("v", "More"),
}
_LEVEL_TONES: Final = {
    LogLevel.DEBUG: "dim",
    LogLevel.INFO: "text",
    LogLevel.WARN: "attention",
    LogLevel.ERROR: "failed",
}


class Panes(Widget):
    """Tabs, a list of rows, and a JSON pane in its place when a document is shown."""

    DEFAULT_CSS = """
    Panes { layout: vertical; height: 1fr; }
    Panes > #document { display: none; }
    Panes.-document > #document { display: block; }
    Panes.-document > #rows { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.pane = Pane.OUTCOME
        self.rows = LineList(with_cursor=True, id="rows")
        self.document = JsonPane(id="document")
        self._opened = ""
        """Title of a document opened from the pane; esc goes back to the pane."""

    def compose(self) -> ComposeResult:
        """The parts."""
        yield Bar(id="tabs")
        yield self.rows
        yield self.document

    @property
    def shown(self) -> VirtualList:
        """The list that is shown: rows or document."""
        return self.document if self.has_class("-document") else self.rows

    @property
    def opened(self) -> str:
        """Title of the document opened from the pane; empty for none."""
        return self._opened

    def choose(self, pane: Pane) -> None:
        """Show another pane."""
        self.pane = pane
        self._opened = ""
        self.set_class(pane is Pane.PAYLOAD, "-document")
        self.show_tabs()

    def open(self, title: str) -> None:
        """Put a document in the place of the pane's rows."""
        self._opened = title
        self.add_class("-document")
        self.show_tabs()

    def show_document(self, document: Document | None, instead: str) -> None:
        """Show the opened document, or the one the pane is about."""
        self.document.show_document(document, instead)

    def close_document(self) -> bool:
        """Back from an opened document to the pane; False when none was open."""
        if not self._opened:
            return False
        self.choose(self.pane)
        return True

    def show_rows(self, make: Callable[[int], list[Row]]) -> None:
        """Show the rows of the pane."""
        self.rows.show_rows(make)

    def show_tabs(self) -> None:
        """Draw the line of panes."""
        self.query_one("#tabs", Bar).show(self._tabs)

    def _tabs(self, _: int) -> list[Line]:
        if self._opened:
            name = _LETTERS[self.pane][1]
            return [
                line(
                    Span(f" {name} ▸ ", "dim"),
                    Span(self._opened, "strong"),
                    Span("   esc", "key"),
                    Span(" back", "dim"),
                )
            ]
        spans: list[Span] = [Span(" ")]
        for pane, (letter, name) in _LETTERS.items():
            chosen = pane is self.pane
            spans.append(Span(letter, "key", pane.value))
            spans.append(Span(f" {name}", "strong" if chosen else "dim", pane.value))
            spans.append(Span("  "))
        return [tuple(spans)]


def log_rows(entries: tuple[LogLine, ...], has_older: bool, frame: Frame) -> list[Row]:
    """Log lines, oldest first; the message is wrapped, the context stands below it."""
    rows: list[Row] = [Row(line(Span(" older lines: enter", "dim")), link="older", key="older")] if has_older else []
    for entry in entries:
        head = f" {pad(moment(entry.at, frame.now, frame.zone), 9)} "
        level = Span(f"{pad(entry.level.value.lower(), 6)}", _LEVEL_TONES[entry.level])
        copied = f"{entry.at.isoformat()} {entry.level.value} {entry.message}"
        for place, part in enumerate(wrap(safe(entry.message), max(frame.cells - 18, 16))):
            begin = (Span(head, "dim"), level) if place == 0 else (Span(" " * 17),)
            rows.append(Row(line(*begin, part), copied, key=f"{entry.log_id}/{place}"))
        if entry.context not in (None, {}, []):
            text = safe(json.dumps(entry.context, ensure_ascii=False))
            for place, part in enumerate(wrap(text, max(frame.cells - 18, 16))[:4]):
                rows.append(Row(line(" " * 17, Span(part, "dim")), text, key=f"{entry.log_id}/c{place}"))
    return rows
