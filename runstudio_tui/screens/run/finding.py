"""A search in one of the lists of a screen: where it looks, what it found, where it is."""

from __future__ import annotations

from typing import Protocol


class Searchable(Protocol):
    """A list that can be searched."""

    def find(self, wanted: str) -> list[str]:
        """Ids of the rows containing a text, in order."""
        ...

    def move_to(self, key: str) -> bool:
        """Put the cursor on an id."""
        ...

    def focus(self) -> object:
        """Take the keyboard."""
        ...


class Finder:
    """At most one search at a time."""

    def __init__(self) -> None:
        self.list: Searchable | None = None
        self.wanted = ""
        self._found: list[str] = []
        self._at = 0

    def begin(self, searched: Searchable) -> None:
        """Search in another list."""
        self.end()
        self.list = searched

    def end(self) -> None:
        """Forget the search."""
        self.list, self.wanted, self._found, self._at = None, "", [], 0

    def search(self, wanted: str) -> None:
        """Look for a text."""
        self.wanted = wanted
        self._found = self.list.find(wanted) if self.list is not None else []
        self._at = 0

    def step(self, by: int) -> str | None:
        """The id of the match ``by`` after the present one, around the ends; None when there is none."""
        if self.list is not None and by:
            self._found = self.list.find(self.wanted)
        if not self._found:
            return None
        self._at = (self._at + by) % len(self._found)
        return self._found[self._at]

    @property
    def place_text(self) -> str:
        """``2 of 14 “text”``."""
        if not self._found:
            return f'nothing contains "{self.wanted}"'
        return f'{self._at + 1} of {len(self._found)} "{self.wanted}"'
