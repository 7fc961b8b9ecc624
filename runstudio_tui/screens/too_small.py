"""What stands on the screen while the terminal is too small for anything else."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import wrap
from runstudio_tui.widgets.line import Line, line


class TooSmallScreen(ModalScreen[None]):
    """One sentence in the middle. It goes away by itself when there is room."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,ctrl+q,ctrl+c", "app.exit", "leave", show=False)]
    DEFAULT_CSS = """
    TooSmallScreen { background: $background; }
    TooSmallScreen #sentence { height: 1fr; }
    """

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        self._needed = (width, height)

    def compose(self) -> ComposeResult:
        """The sentence."""
        yield Bar(id="sentence")

    def on_mount(self) -> None:
        """Draw it."""
        self.query_one(Bar).show(self._lines)

    def on_resize(self, event: events.Resize) -> None:
        """It names the size."""
        self.query_one(Bar).show(self._lines)

    def _lines(self, cells: int) -> list[Line]:
        width, height = self._needed
        now = self.app.size
        text = f"Run Studio needs {width}x{height}; this terminal is {now.width}x{now.height}."
        parts = wrap(text, max(cells, 1))
        above = max((now.height - len(parts)) // 2, 0)
        return [*[()] * above, *(line(" " * ((cells - len(part)) // 2) + part) for part in parts)]
