"""A keyset-paged list kept current: the head page is read again at every poll, what was loaded below it stays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from engine.records import Page
from runstudio_tui.clock import ServerTime

Row = TypeVar("Row")

PAGE_SIZE: Final = 100
MOST_A_PAGE: Final = 500
"""Rows of a page on the way to the end of a list."""

Fetch = Callable[[str | None, int], Awaitable[Page[Row]]]
"""Reads the page after a cursor (None: the first), of at most so many rows."""


@dataclass(frozen=True, slots=True)
class PagedAnswer(Generic[Row]):
    """One poll of a list."""

    generation: int
    page: Page[Row]


class PagedStore(Generic[Row]):
    """Rows of one question in the backend's order. A source for a virtual list: length, id at a place, place of an id."""

    def __init__(self, fetch: Fetch[Row], key_of: Callable[[Row], str], time: ServerTime) -> None:
        self._fetch = fetch
        self._key_of = key_of
        self._time = time
        self._rows: dict[str, Row] = {}
        self._order: list[str] = []
        self._places: dict[str, int] = {}
        self._head = 0
        """Rows of the last head page; what follows was loaded as later pages."""
        self._next: str | None = None
        self._generation = 0
        self.loaded = False
        """True once the question was answered."""
        self._loading_more = False
        self.asked_at: datetime | None = None
        """When the question was first asked, by the server's clock: relative times count from there, on every page."""

    def __len__(self) -> int:
        return len(self._order)

    @property
    def more(self) -> bool:
        """See RowSource."""
        return self._next is not None

    def id_at(self, place: int, /) -> str:
        """See RowSource."""
        return self._order[place]

    def index_of(self, key: str, /) -> int | None:
        """See RowSource."""
        return self._places.get(key)

    def get(self, key: str | None) -> Row | None:
        """The row with that id; None when it is not loaded."""
        return self._rows.get(key) if key is not None else None

    def forget(self) -> None:
        """The question changed: everything loaded is forgotten."""
        self._generation += 1
        self.loaded = False
        self._next = None
        self._head = 0
        self.asked_at = None
        self._set([])

    async def fetch(self) -> PagedAnswer[Row]:
        """Ask for the head page. Raises EngineError."""
        generation = self._generation
        self.asked_at = self.asked_at or self._time.now()
        return PagedAnswer(generation, await self._fetch(None, PAGE_SIZE))

    def apply(self, answer: PagedAnswer[Row]) -> None:
        """Take over one poll: the head page takes the place of the one before it."""
        if answer.generation != self._generation:
            return
        self._time.observe(answer.page.server_now)
        self.loaded = True
        rows = list(answer.page.rows)
        keys = {self._key_of(row) for row in rows}
        overlaps = any(key in keys for key in self._order[: self._head])
        kept = [self._rows[key] for key in self._order[self._head :] if key not in keys]
        if answer.page.next is None or not (overlaps and kept):
            # Everything there is, or so much is new that what was loaded no longer joins it.
            kept, self._next = [], answer.page.next
        self._head = len(rows)
        self._set([*rows, *kept])

    def keep(self, wanted: Callable[[Row], bool]) -> None:
        """Take out rows that are not meant any more although the question still has them."""
        kept = [row for row in self._rows.values() if wanted(row)]
        if len(kept) < len(self._rows):
            self._head = sum(1 for key in self._order[: self._head] if wanted(self._rows[key]))
            self._set(kept)

    async def load_more(self, *, to_end: bool = False) -> bool:
        """Read the page after the last loaded row, a large one on the way ``to_end``; False when there was nothing to do. Raises
        EngineError."""
        cursor, generation = self._next, self._generation
        if cursor is None or self._loading_more:
            return False
        self._loading_more = True
        try:
            page = await self._fetch(cursor, MOST_A_PAGE if to_end else PAGE_SIZE)
        finally:
            self._loading_more = False
        if generation != self._generation or cursor != self._next:
            return False
        self._next = page.next
        known = set(self._order)
        self._set([*(self._rows[key] for key in self._order), *(r for r in page.rows if self._key_of(r) not in known)])
        return True

    def _set(self, rows: list[Row]) -> None:
        self._rows = {self._key_of(row): row for row in rows}
        self._order = list(self._rows)
        self._places = {key: place for place, key in enumerate(self._order)}
