"""A list of the lines of JSON values, whose objects and lists fold."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from runstudio_tui.actions import Scope
from runstudio_tui.bindings import bindings_of
from runstudio_tui.widgets.virtual_list import VirtualList


class FoldingPane(VirtualList):
    """Has the keys; a subclass has the values."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Scope.JSON)

    def action_act(self, action: str) -> None:
        """Fold and unfold, or see VirtualList; the actions of scope ``values`` and ``lists``."""
        match action:
            case "json.fold":
                self.fold(close=True)
            case "json.unfold":
                self.fold(close=False)
            case "json.open":
                self.open_or_fold()
            case "json.fold_all":
                self.fold_all(close=True)
            case "json.unfold_all":
                self.fold_all(close=False)
            case _:
                super().action_act(action)

    def fold(self, *, close: bool) -> None:
        """Fold what is under the cursor, or go to what holds it; or unfold it."""
        raise NotImplementedError

    def open_or_fold(self) -> None:
        """Fold or unfold what is under the cursor; any other value is to be seen whole."""
        raise NotImplementedError

    def fold_all(self, *, close: bool) -> None:
        """Fold everything below the top, or unfold everything."""
        raise NotImplementedError
