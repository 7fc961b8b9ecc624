"""Dialogs that only show: help, messages, why a run is not moving."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from runstudio_tui.screens.dialogs.base import Dialog
from runstudio_tui.widgets.line_list import LineList, Make


class ListingDialog(Dialog[None]):
    """Lines in a frame; esc or q closes, ctrl+y copies them all."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "act('dialog.close')", "close", show=False)]
    DEFAULT_CSS = """
    ListingDialog LineList { height: auto; max-height: 100%; }
    ListingDialog #buttons { display: none; }
    """

    def __init__(
        self, title: str, make: Make, copy: Callable[[str, str], str], *, at_end: bool = False, text: str | None = None
    ) -> None:
        """``text``: what is copied, where that is not what is shown."""
        super().__init__()
        self._text = text
        self._heading = title
        self._make = make
        self._copy = copy
        self._at_end = at_end
        self._list = LineList()

    def keys(self) -> Sequence[str]:
        """See Dialog."""
        return ("dialog.copy", "dialog.close")

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        yield self._list

    def on_mount(self) -> None:
        """Show the lines."""
        self.set_title(self._heading)
        self._list.focus()
        self.refresh_rows()
        if self._at_end:
            self.call_after_refresh(self._list.action_act, "list.end")

    def on_resize(self) -> None:
        """The number of lines may depend on the width."""
        self.refresh_rows()

    def refresh_rows(self) -> None:
        """Make the lines anew."""
        cells = min(self.size.width, 96) - 5
        self._list.styles.height = min(len(self._make(cells)), max(self.size.height - 4, 3)) or 1
        self._list.show_rows(self._make)

    def copy(self) -> None:
        """See Dialog."""
        self.tell(self._copy(self._list.all_text if self._text is None else self._text, "text"))
