"""A fixed number of lines: titles, counters, the line of keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual import events
from textual.message import Message

from runstudio_tui.widgets.line import Line
from runstudio_tui.widgets.painted import Painted


class Bar(Painted):
    """Lines made for the width there is. A click on a span with a link tells the screen."""

    DEFAULT_CSS = """
    Bar { height: 1; width: 1fr; }
    """

    @dataclass
    class LinkClicked(Message):
        """A span with a link was clicked."""

        bar: Bar
        link: str

        @property
        def control(self) -> Bar:
            """The bar, for ``@on`` selectors."""
            return self.bar

    def __init__(self, *, fits: bool = False, id: str | None = None, classes: str | None = None) -> None:
        """``fits``: as high as it has lines, and no line high without any."""
        super().__init__(id=id, classes=classes)
        self._make: Callable[[int], list[Line]] = lambda _: []
        self._fits = fits

    def show(self, make: Callable[[int], list[Line]]) -> bool:
        """Draw what ``make`` returns for the width in cells, now and after every change of size; True when it looks different."""
        self._make = make
        if self.size.width:
            return self._draw()
        if self._fits:
            self.styles.height = 1  # of no height it would be told no width
        return False

    def resized(self) -> None:
        """See Painted."""
        self._draw()

    def _draw(self) -> bool:
        lines = self._make(self.size.width)
        if self._fits:
            self.styles.height = len(lines)
        return self.put_lines(lines)

    def on_click(self, event: events.Click) -> None:
        """See Widget."""
        link = self.link_at(event.x, event.y)
        if link:
            event.stop()
            self.post_message(self.LinkClicked(self, link))
