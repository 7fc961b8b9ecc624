"""The panes of a run's screen: one at a time, chosen by letter, and a document opened from one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from textual.app import ComposeResult
from textual.widget import Widget

from engine.records import Document
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.compare_pane import ComparePane
from runstudio_tui.widgets.json_pane import JsonPane
from runstudio_tui.widgets.line import Line, Span, line, line_width
from runstudio_tui.widgets.line_list import LineList, Row


class Pane(StrEnum):
    """What the panes show."""

    OUTCOME = "outcome"
    TRIES = "tries"
    PAYLOAD = "payload"
    STATE = "state"
    SNAPSHOTS = "snapshots"
    WAITS = "waits"
    LOGS = "logs"
    MORE = "more"
    AUDIT = "audit"
    DEFINITION = "definition"


_LETTERS: Final = {
    Pane.OUTCOME: ("o", "Outcome"),
    Pane.TRIES: ("i", "Tries"),
    Pane.PAYLOAD: ("p", "Payload"),
    Pane.STATE: ("a", "State"),
    Pane.SNAPSHOTS: ("s", "Snapshots"),
    Pane.WAITS: ("x", "Waits"),
    Pane.LOGS: ("l", "Logs"),
    Pane.MORE: ("v", "More"),
    Pane.AUDIT: ("u", "Audit"),
    Pane.DEFINITION: ("D", "Definition"),
}
_FROM_MORE: Final = (Pane.AUDIT, Pane.DEFINITION)
"""Reached from More, which names them; without a tab of their own while another is shown."""
_DOCUMENTS: Final = (Pane.PAYLOAD, Pane.DEFINITION)


class Panes(Widget):
    """Tabs, what the pane is about, and its content: rows, a document, two documents compared, or snapshots above those."""

    DEFAULT_CSS = """
    Panes { layout: vertical; height: 1fr; }
    Panes > #about { height: 0; }
    Panes > #snapshots, Panes > #document, Panes > #compared { display: none; }
    Panes > #snapshots { height: 2fr; }
    Panes > #compared { height: 3fr; }
    Panes.-document > #document, Panes.-compared > #compared, Panes.-snapshots > #snapshots { display: block; }
    Panes.-document > #rows, Panes.-compared > #rows { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.pane = Pane.OUTCOME
        self.snapshots = LineList(with_cursor=True, id="snapshots")
        self.rows = LineList(with_cursor=True, id="rows")
        self.document = JsonPane(id="document")
        self.compared = ComparePane(id="compared")
        self.before_cutover = False
        """Whether the run has snapshots, and no state that can be computed."""
        self._opened = ""
        """Title of a document opened from the pane; esc goes back to the pane."""

    def compose(self) -> ComposeResult:
        """The parts."""
        yield Bar(id="tabs")
        yield self.snapshots
        yield Bar(fits=True, id="about")
        yield self.rows
        yield self.document
        yield self.compared

    @property
    def shown(self) -> LineList | JsonPane | ComparePane:
        """What has the keyboard, or gets it first."""
        shown = (self.snapshots, *((self.content,) if self.content is not self.snapshots else ()))
        return next((part for part in shown if part.has_focus), self.lists[0])

    @property
    def content(self) -> LineList | JsonPane | ComparePane:
        """What shows the content: rows, the document, or the comparison."""
        if self.has_class("-document"):
            return self.document
        return self.compared if self.has_class("-compared") else self.rows

    @property
    def lists(self) -> tuple[LineList | JsonPane | ComparePane, ...]:
        """What can have the keyboard now, from the top."""
        return (self.snapshots, self.content) if self.has_class("-snapshots") else (self.content,)

    @property
    def focused(self) -> bool:
        """Whether any part has the keyboard."""
        return any(part.has_focus for part in (self.snapshots, self.rows, self.document, self.compared))

    @property
    def can_open(self) -> bool:
        """Whether enter opens what is under the cursor."""
        shown = self.shown
        if isinstance(shown, LineList):
            return shown is self.snapshots or (shown.current is not None and bool(shown.current.link or shown.cut_text))
        return shown.can_open

    @property
    def opened(self) -> str:
        """Title of the document opened from the pane; empty for none."""
        return self._opened

    def choose(self, pane: Pane) -> None:
        """Show another pane."""
        self.pane = pane
        self._opened = ""
        self.set_class(pane in _DOCUMENTS, "-document")
        self.set_class(pane is Pane.SNAPSHOTS, "-snapshots")
        self.remove_class("-compared")
        self.say_about()
        self.show_tabs()

    def open(self, title: str) -> None:
        """Put a document in the place of the pane's rows."""
        self._opened = title
        self.add_class("-document")
        self.show_tabs()

    def close_document(self) -> bool:
        """Back from an opened document to the pane; False when none was open."""
        if not self._opened:
            return False
        self.choose(self.pane)
        return True

    # --- content ------------------------------------------------------------------------------------------------------

    def show_document(self, document: Document | None, instead: str) -> None:
        """Show the opened document, or the one the pane is about."""
        self.document.show_document(document, instead)

    def show_rows(self, make: Callable[[int], list[Row]]) -> None:
        """Show rows in the place of everything else."""
        self._put(self.rows, "-compared", on=False)
        self.rows.show_rows(make)

    def show_compared(
        self,
        before: Document | None,
        after: Document | None,
        *,
        open_depth: int = 1,
        opened: frozenset[str] = frozenset(),
    ) -> None:
        """Show two documents laid over each other; see ``ComparePane.show_both``."""
        self._put(self.compared, "-compared", on=True)
        self.compared.show_both(before, after, open_depth=open_depth, opened=opened)

    def say_about(self, make: Callable[[int], list[Line]] = lambda _: []) -> None:
        """What stands above the content, made for the cells there are; nothing takes no room."""
        self.query_one("#about", Bar).show(make)

    def _put(self, instead: Widget, name: str, *, on: bool) -> None:
        """Change what shows the content, and take the keyboard along."""
        if self.has_class(name) == on:
            return
        had_focus = self.content.has_focus
        self.set_class(on, name)
        if had_focus:
            instead.focus()

    # --- tabs ---------------------------------------------------------------------------------------------------------

    def show_tabs(self) -> None:
        """Draw the line of panes."""
        self.query_one("#tabs", Bar).show(self._tabs)

    def _tabs(self, cells: int) -> list[Line]:
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
        hidden = {Pane.STATE if self.before_cutover else Pane.SNAPSHOTS, *_FROM_MORE} - {self.pane}
        panes = [pane for pane in _LETTERS if pane not in hidden]
        wide = self._tab_spans(panes, panes, "  ")
        if line_width(wide) <= cells:
            return [wide]
        # Where not all names fit, those further to the right are told by their letter.
        named = list(panes)
        while len(named) > 1 and line_width(self._tab_spans(panes, named, " ")) > cells:
            named.remove(next(pane for pane in reversed(named) if pane is not self.pane))
        return [self._tab_spans(panes, named, " ")]

    def _tab_spans(self, panes: Sequence[Pane], named: Sequence[Pane], between: str) -> Line:
        spans: list[Span] = [Span(" ")]
        for pane in panes:
            letter, name = _LETTERS[pane]
            spans.append(Span(letter, "key", pane.value))
            if pane in named:
                spans.append(Span(f" {name}", "strong" if pane is self.pane else "dim", pane.value))
            if pane is not panes[-1]:
                spans.append(Span(between))
        return tuple(spans)
