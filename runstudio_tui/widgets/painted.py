"""The base of widgets that draw lines of tones, and draw again only what differs from what is on the screen."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from runstudio_tui.widgets.cells import width
from runstudio_tui.widgets.line import Line, changed_cells, fill, plain
from runstudio_tui.widgets.tones import tone_style


class Painted(Widget):
    """Shows lines. ``put_lines`` compares with what was drawn before: equal lines cost no byte on the wire."""

    auto_links = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = []
        self._cursor_at = -1
        self._strips: dict[int, Strip] = {}
        self._tones: dict[str, Style] = {}

    def put_lines(self, lines: list[Line], cursor_at: int = -1) -> bool:
        """Show ``lines`` from the top, the one at ``cursor_at`` as the cursor's; True when anything looks different now."""
        before, cursor_before = self._lines, self._cursor_at
        self._lines, self._cursor_at = lines, cursor_at
        changed = False
        for y in range(max(len(before), len(lines))):
            old = before[y] if y < len(before) else ()
            new = lines[y] if y < len(lines) else ()
            cursor_came_or_went = (y == cursor_at) != (y == cursor_before)
            if old != new or cursor_came_or_went:
                changed = True
                self._strips.pop(y, None)
                cells = self.size.width
                first, end = (0, cells) if cursor_came_or_went else changed_cells(old, new, cells)
                self.refresh(Region(first, y, end - first, 1))
        return changed

    def text_line(self, y: int) -> str:
        """The text on one line of the widget, for tests and copying."""
        return plain(self._lines[y]).rstrip() if 0 <= y < len(self._lines) else ""

    @property
    def text(self) -> str:
        """All lines as text."""
        return "\n".join(self.text_line(y) for y in range(len(self._lines)))

    def link_at(self, x: int, y: int) -> str:
        """The link of the span at a cell; empty for none."""
        if 0 <= y < len(self._lines):
            right = 0
            for span in fill(self._lines[y], self.size.width):
                right += width(span.text)
                if x < right:
                    return span.link
        return ""

    def render_line(self, y: int) -> Strip:
        """See Widget: one line of the screen."""
        strip = self._strips.get(y)
        if strip is None or strip.cell_length != self.size.width:  # the size changes before anybody is told
            strip = self._strips[y] = self._paint(self._lines[y] if y < len(self._lines) else (), y == self._cursor_at)
        return strip

    def _paint(self, spans: Line, is_cursor: bool) -> Strip:
        cells = self.size.width
        cursor = self._tone("cursor") if is_cursor else None
        segments: list[Segment] = []
        text, style = "", self._tone("text")
        for span in fill(spans, cells):
            tone = self._tone(span.tone)
            if cursor is not None:
                tone += cursor
            blank = span.tone not in ("match", "focus") and span.text.isspace()
            if tone == style or (blank and text):
                text += span.text  # a colour on blanks would only cost bytes
                continue
            if text:
                segments.append(Segment(text, style))
            text, style = span.text, tone
        segments.append(Segment(text, style))
        return Strip(segments, cells)

    def _tone(self, name: str) -> Style:
        style = self._tones.get(name)
        if style is None:
            partial = tone_style(name, self.app.theme_variables)
            style = self._tones[name] = partial if name == "cursor" else self.rich_style + partial
        return style

    def notify_style_update(self) -> None:
        """See Widget: colours changed."""
        self._tones.clear()
        self._strips.clear()
        super().notify_style_update()

    def watch_has_focus(self, has_focus: bool) -> None:
        """See Widget: the keyboard came or went."""
        super().watch_has_focus(has_focus)
        self.focus_changed()

    def focus_changed(self) -> None:
        """The keyboard came or went; widgets that show it override this."""

    def on_resize(self, event: events.Resize) -> None:
        """Other width: every line is drawn anew."""
        self._strips.clear()
        self.resized()

    def resized(self) -> None:
        """The size changed; widgets that lay out by it override this."""
