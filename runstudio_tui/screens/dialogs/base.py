"""Dialogs of one family: a frame with a title, a note line, buttons; esc closes, ctrl+s confirms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen

from runstudio_tui.actions import Scope
from runstudio_tui.bindings import bindings_of
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import cut, width
from runstudio_tui.widgets.line import Line, Span, line

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """Base of the dialogs. Their results are typed; closing without one gives None."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Scope.DIALOG)
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    Dialog { align: center middle; background: transparent; }
    Dialog > #frame {
        width: 100%; max-width: 96; height: auto; max-height: 100%;
        border: solid $tone-accent; border-title-style: bold; border-title-color: $foreground;
        background: $background; padding: 0 1;
    }
    Dialog #said { height: 1; }
    Dialog #buttons { height: 1; align-horizontal: right; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._title = ("", "")

    def compose(self) -> ComposeResult:
        """Frame around body, note line and buttons."""
        with Vertical(id="frame"):
            yield from self.body()
            yield Bar(id="said")
            with Horizontal(id="buttons"):
                yield from self.buttons()

    def body(self) -> Iterable[Any]:
        """The widgets inside the frame."""
        return ()

    def buttons(self) -> Iterable[Any]:
        """The buttons, the harmless one first."""
        return ()

    def set_title(self, title: str, state: str = "") -> None:
        """What the frame says above: the title on the left, the state of what is typed on the right."""
        self._title = (title, state)
        self._draw_title()

    def on_resize(self) -> None:
        """The title spans the frame."""
        self._draw_title()

    def _draw_title(self) -> None:
        title, state = self._title
        frame = self.query_one("#frame")
        room = frame.size.width - width(title) - width(state) - 4
        frame.border_title = Content(
            f"{title} {'─' * max(room, 1)} {state}" if state else cut(title, frame.size.width - 2)
        )

    def tell(self, text: str, tone: str = "dim") -> None:
        """Say something inside the dialog; it stays until something else is said."""
        said: Line = line(Span(text.replace("\n", " "), tone))
        self.query_one("#said", Bar).show(lambda _: [said])

    def action_act(self, action_id: str) -> None:
        """The actions of scope ``dialogs``."""
        match action_id:
            case "dialog.confirm":
                self.confirm()
            case "dialog.close":
                self.close()
            case "dialog.copy":
                self.copy()

    def confirm(self) -> None:
        """ctrl+s."""

    def close(self) -> None:
        """esc."""
        self.dismiss(None)

    def copy(self) -> None:
        """ctrl+y."""
