"""The rows of a list: where they come from, and how one is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from runstudio_tui.widgets.line import Line


class RowSource(Protocol):
    """The rows, by place and by id."""

    def __len__(self) -> int: ...

    def id_at(self, place: int, /) -> str:
        """The id at a place (0 is the top)."""
        ...

    def index_of(self, key: str, /) -> int | None:
        """The place of an id; None when it is not in the list."""
        ...

    @property
    def more(self) -> bool:
        """True while there are rows after the last one that are not loaded."""
        ...


class Keys:
    """A source of rows that are all known."""

    more = False

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._keys = tuple(keys)
        self._places = {key: place for place, key in enumerate(self._keys)}

    def __len__(self) -> int:
        return len(self._keys)

    def id_at(self, place: int, /) -> str:
        """See RowSource."""
        return self._keys[place]

    def index_of(self, key: str, /) -> int | None:
        """See RowSource."""
        return self._places.get(key)


@dataclass(frozen=True, slots=True)
class RowState:
    """What a row's drawing may depend on besides its data."""

    cursor: bool
    marked: bool


Draw = Callable[[str, int, RowState], Line]
"""The line of an id in a width in cells."""
