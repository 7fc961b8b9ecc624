"""Search in what a screen shows: a field at its foot, the matches in colour, going from one to the next."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType

from runstudio_tui.screens.base import Handlers, StudioScreen
from runstudio_tui.screens.run.finding import Finder
from runstudio_tui.store.session import Studio
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.virtual_list import VirtualList


class Searching(StudioScreen):
    """A subclass composes a ``LineInput`` named ``find`` and says what is searched."""

    BINDINGS: ClassVar[list[BindingType]] = []
    DEFAULT_CSS = """
    Searching #find { display: none; }
    Searching.-finding #find { display: block; }
    """

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self.finder = Finder()

    def searched(self) -> Any:
        """The list that a search looks in now: a Searchable."""
        raise NotImplementedError

    def searchable(self) -> tuple[VirtualList, ...]:
        """Every list that may show matches."""
        raise NotImplementedError

    def finding_handlers(self) -> Handlers:
        """What the actions of a search do, by the last part of their names."""
        name = self.SCOPE.value
        return {
            f"{name}.find": self._find,
            f"{name}.find_next": lambda: self._go_to_match(1),
            f"{name}.find_previous": lambda: self._go_to_match(-1),
        }

    def typing(self) -> str:
        """See StudioScreen."""
        return "find" if self.query_one("#find", LineInput).has_focus else ""

    def found_one(self) -> None:
        """The cursor is about to go to a match."""

    def end_search(self) -> None:
        """Forget the search, and take its colour away."""
        self.finder.end()
        self._seek("")

    def end_find(self) -> None:
        """Close the field; the matches stay."""
        self.remove_class("-finding")
        found = self.finder.list
        if found is not None:
            found.focus()
        self.show_chrome()

    def _find(self) -> None:
        self.finder.begin(self.searched())
        self.add_class("-finding")
        field = self.query_one("#find", LineInput)
        field.value = ""
        field.focus()

    @on(LineInput.Changed, "#find")
    def _find_typed(self, event: LineInput.Changed) -> None:
        if self.finder.list is not None:
            self._seek(event.value)
            self.finder.search(event.value)
            self._go_to_match(0)

    @on(LineInput.Submitted, "#find")
    def _find_done(self) -> None:
        self.end_find()

    def _seek(self, wanted: str) -> None:
        sought: object = self.finder.list
        for found in self.searchable():
            found.seek(wanted if sought is found else "")

    def _go_to_match(self, by: int) -> None:
        key = self.finder.step(by)
        if key is not None and self.finder.list is not None:
            self.found_one()
            self.finder.list.move_to(key)
        self.show_chrome()
