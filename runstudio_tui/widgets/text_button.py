"""A button of one line, drawn as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from runstudio_tui.widgets.cells import width
from runstudio_tui.widgets.line import Span, line
from runstudio_tui.widgets.painted import Painted


class TextButton(Painted, can_focus=True):
    """``[ Keep them ]``; enter, blank or a click press it. A disabled one is dim and cannot be pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "press", "press", show=False)]
    DEFAULT_CSS = """
    TextButton { height: 1; margin-left: 2; }
    """

    @dataclass
    class Pressed(Message):
        """The button was pressed."""

        button: TextButton

        @property
        def control(self) -> TextButton:
            """The button, for ``@on`` selectors."""
            return self.button

    def __init__(self, label: str, *, key: str = "", id: str | None = None) -> None:
        super().__init__(id=id)
        self._label = label
        self._key = key
        self._enabled = True
        self._fit()

    def set_label(self, label: str, *, enabled: bool = True) -> None:
        """Change what it says and whether it can be pressed."""
        if (label, enabled) != (self._label, self._enabled):
            self._label, self._enabled = label, enabled
            self._fit()
            self.redraw()

    def _fit(self) -> None:
        self.styles.width = width(self._label) + 4 + (width(self._key) + 1 if self._key else 0)

    def redraw(self) -> None:
        """Draw it as it stands."""
        key = Span(f"{self._key} ", "dim") if self._key else Span("")
        tone = "dim" if not self._enabled else "focus" if self.has_focus else "strong"
        self.put_lines([line(key, Span(f"[ {self._label} ]", tone))])

    def resized(self) -> None:
        """See Painted."""
        self.redraw()

    def focus_changed(self) -> None:
        """See Painted."""
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        """See Widget."""
        event.stop()
        self.action_press()

    def action_press(self) -> None:
        """Press it."""
        if self._enabled:
            self.post_message(self.Pressed(self))
