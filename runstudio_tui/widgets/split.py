"""Two widgets side by side with a thin line between, or one over the other's place where it is narrow."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.message import Message
from textual.widget import Widget


class Split(Widget):
    """Left takes five parts of the width, right four."""

    DEFAULT_CSS = """
    Split { layout: horizontal; height: 1fr; }
    Split > .-left { width: 13fr; }
    Split > .-right { width: 8fr; border-left: solid $tone-rule; }
    """

    class Resized(Message):
        """The two have another room to share."""

    def __init__(self, left: Widget, right: Widget) -> None:
        super().__init__()
        self._left = left
        self._right = right
        left.add_class("-left")
        right.add_class("-right")

    def compose(self) -> ComposeResult:
        """The two."""
        yield self._left
        yield self._right

    def on_resize(self) -> None:
        """See Widget."""
        self.post_message(self.Resized())
