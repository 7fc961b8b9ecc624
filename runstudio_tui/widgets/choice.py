"""One of several, on one line: ``(•) 3, published  ( ) 2  4 more``. Left and right choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from runstudio_tui.widgets.line import Line, Span, line_width
from runstudio_tui.widgets.painted import Painted


class Choice(Painted, can_focus=True):
    """Shows the options around the chosen one where not all fit, each of them whole, and how many are before and after."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", show=False),
        Binding("right,space", "move(1)", show=False),
    ]
    DEFAULT_CSS = """
    Choice { height: 1; width: 1fr; }
    """

    @dataclass
    class Chosen(Message):
        """Another option was chosen."""

        choice: Choice
        place: int

        @property
        def control(self) -> Choice:
            """The widget, for ``@on`` selectors."""
            return self.choice

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._options: tuple[str, ...] = ()
        self.chosen = 0

    def set_options(self, options: Sequence[str], chosen: int = 0) -> None:
        """Offer other options; posts nothing."""
        self._options = tuple(options)
        self.chosen = chosen
        self._redraw()

    def action_move(self, by: int) -> None:
        """To the neighbour, around the ends."""
        if self._options:
            self._choose((self.chosen + by) % len(self._options))

    def _choose(self, place: int) -> None:
        if place != self.chosen:
            self.chosen = place
            self._redraw()
            self.post_message(self.Chosen(self, place))

    def _redraw(self) -> None:
        if not self.size.width:
            return
        count = len(self._options)
        first, end = 0, min(self.chosen + 1, count)
        while first < self.chosen and not self._fits(first, end):
            first += 1
        last = next((place for place in range(count, end, -1) if self._fits(first, place)), end)
        self.put_lines([self._spans(first, last)])

    def _fits(self, first: int, end: int) -> bool:
        return line_width(self._spans(first, end)) <= self.size.width

    def _spans(self, first: int, end: int) -> Line:
        """The options from ``first`` on that are before ``end``."""
        spans = [Span(f"{first} before  ", "dim")] if first else []
        for place in range(first, end):
            chosen = place == self.chosen
            tone = ("key" if self.has_focus else "strong") if chosen else "dim"
            between = "  " if place > first else ""
            spans += [Span(between), Span(f"{'(•)' if chosen else '( )'} {self._options[place]}", tone, str(place))]
        after = len(self._options) - end
        return (*spans, Span(f"  {after} more" if after else "", "dim"))

    def resized(self) -> None:
        """See Painted."""
        self._redraw()

    def focus_changed(self) -> None:
        """See Painted."""
        self._redraw()

    def on_click(self, event: events.Click) -> None:
        """See Widget."""
        link = self.link_at(event.x, event.y)
        if link:
            event.stop()
            self._choose(int(link))
