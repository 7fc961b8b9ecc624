"""The runs list: pages in the backend's order, kept current without losing what was loaded.

Every poll reads the head page, re-reads the rows on screen below it, and the counts. Rows are merged by id; the operator's
place in the list never moves because of it.
"""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final, TypeAlias

from engine.records import Page, RunCounts, RunFilter, RunOrder, RunRow
from runstudio_tui.clock import ServerTime
from runstudio_tui.domain.filter_text import FilterLine
from runstudio_tui.ports import RunsPort

PAGE_SIZE: Final = 100
MOST_A_PAGE: Final = 500
"""Rows of a page on the way to the end of a list."""
_REREAD: Final = 200

SortKey: TypeAlias = tuple[datetime, str]
"""What a row is ordered by: a time, and its id where times are equal."""


@dataclass(frozen=True, slots=True)
class RunsAnswer:
    """One poll of the list."""

    query: RunFilter
    page: Page[RunRow]
    asked: tuple[str, ...]
    """Rows below the head page that were re-read."""
    matching: tuple[RunRow, ...] | None
    counts: RunCounts


class RunsStore:
    """Rows of the current filter. A source for a virtual list: length, id at a place, place of an id."""

    def __init__(self, port: RunsPort, time: ServerTime, zone: tzinfo) -> None:
        self._port = port
        self._time = time
        self._zone = zone
        self.filter = FilterLine()
        self.counts: RunCounts | None = None
        self.loaded = False
        """True once the current filter was answered."""
        self.loading_more = False
        self._rows: dict[str, RunRow] = {}
        self._order: list[str] = []
        """Sorted by ``_placed``, always: places are found by bisection, and no poll costs what the list has."""
        self._placed: dict[str, SortKey] = {}
        """What each row was ordered by when it got its place. A row re-read since then can be newer."""
        self._sort = RunOrder.STARTED_DESC
        self._next: str | None = None
        self._query: RunFilter | None = None
        self._last_page: str | None = None
        """Cursor by which the last page was read."""
        self._shown: tuple[str, ...] = ()
        self._generation = 0

    def __len__(self) -> int:
        return len(self._order)

    @property
    def more(self) -> bool:
        """True while the backend has rows after the last loaded one."""
        return self._next is not None

    def id_at(self, place: int) -> str:
        """The id at a place (0 is the top)."""
        return self._order[place]

    def index_of(self, key: str) -> int | None:
        """The place of an id, None when it is not loaded."""
        placed = self._placed.get(key)
        return self._place(placed) if placed is not None else None

    def head(self) -> list[RunRow]:
        """The rows of about the first page."""
        return [self._rows[key] for key in self._order[:PAGE_SIZE]]

    def get(self, key: str | None) -> RunRow | None:
        """The row with that id, None when it is not loaded."""
        return self._rows.get(key) if key is not None else None

    def set_filter(self, filter_: FilterLine) -> None:
        """Show another selection: everything loaded is forgotten."""
        self._generation += 1
        self.filter = filter_
        self.loaded = False
        self._sort = filter_.query.order
        self._next = self._last_page = None
        self._query = None
        self._rows, self._order, self._placed = {}, [], {}

    def on_screen(self, ids: Sequence[str]) -> None:
        """Tell which rows are looked at, so that polls re-read them even far down the list."""
        self._shown = tuple(key for key in ids[:_REREAD])

    def _asked(self) -> RunFilter:
        """The question, with the times it had when it was first asked: cursors belong to them."""
        if self._query is None:
            self._query = self.meant_now()
        return self._query

    def meant_now(self) -> RunFilter:
        """The question with the times it would have if it were asked now."""
        return self.filter.resolve(self._time.now(), self._zone)

    async def fetch(self) -> RunsAnswer:
        """Ask the backend. Raises EngineError."""
        query = self._asked()
        page = await self._port.list(query, limit=PAGE_SIZE)
        head = {row.run_id for row in page.rows}
        asked = tuple(key for key in self._shown if key not in head and self._may_change(key))
        matching = await self._port.matching(query, asked) if asked and page.next is not None else None
        counts = await self._port.counts(self.meant_now())
        return RunsAnswer(query, page, asked, matching, counts)

    def apply(self, answer: RunsAnswer) -> int:
        """Take over one poll; returns how many rows are new at the top."""
        self._time.observe(answer.counts.server_now)
        self.counts = answer.counts
        first = not self.loaded
        self.loaded = True
        rows = answer.page.rows
        new = 0 if first else sum(1 for row in rows if row.run_id not in self._rows)
        if self._replace_head(rows, self._tail_start(answer)) == 0:
            self._next = answer.page.next
            self._last_page = None
        elif self._next is None and not self._sort.descending:
            self._next = self._last_page  # in these orders the list grows at its end: its last page is read again
        if answer.matching is not None:
            still = {row.run_id: row for row in answer.matching}
            self._rows.update((key, row) for key, row in still.items() if key in self._rows)
            self._remove([key for key in answer.asked if key not in still])
        self._age_out()
        return new

    def _age_out(self) -> None:
        """Take out what a relative time no longer means, although the question still has it."""
        since = self.meant_now().started_from
        if since is not None:
            self._remove([key for key in self._order if self._rows[key].started_at < since])

    def _replace_head(self, rows: Sequence[RunRow], start: int) -> int:
        """Put ``rows`` in the place of everything before ``start``; returns how many loaded rows follow them."""
        self._remove([row.run_id for row in rows if (self.index_of(row.run_id) or 0) >= start])
        self._forget(self._order[:start])
        self._order[:start] = [row.run_id for row in rows]
        self._take(rows)
        return len(self._order) - len(rows)

    async def load_more(self, *, to_end: bool = False) -> bool:
        """Read the page after the last loaded row, a large one on the way ``to_end``; False when there was nothing to do. Raises
        EngineError."""
        if self._next is None or self.loading_more or not self.loaded:
            return False
        generation, cursor = self._generation, self._next
        query = self._asked()
        self.loading_more = True
        try:
            page = await self._port.list(query, after=cursor, limit=MOST_A_PAGE if to_end else PAGE_SIZE)
        finally:
            self.loading_more = False
        if generation != self._generation or cursor != self._next:
            return False  # asked for a list that has begun anew since
        self._last_page, self._next = cursor, page.next
        for row in page.rows:
            place = self._sort_key(row)
            if self._placed.get(row.run_id) != place:
                self._remove((row.run_id,))
                self._order.insert(self._place(place), row.run_id)
            self._take((row,))
        return True

    def _may_change(self, key: str) -> bool:
        row = self._rows.get(key)
        return row is not None and not row.status.ended

    def _tail_start(self, answer: RunsAnswer) -> int:
        """Place of the first loaded row that comes after the head page. The end, when the page is all there is, or does not
        join what was loaded."""
        if answer.page.next is None:
            return len(self._order)
        last = self._sort_key(answer.page.rows[-1])
        start = self._place(last)
        if start < len(self._order) and self._placed[self._order[start]] == last:
            start += 1
        # none: more arrived than one page holds, between it and what was loaded there are rows unknown
        return start or len(self._order)

    def _sort_key(self, row: RunRow) -> SortKey:
        at = row.started_at if self._sort.by_start else row.updated_at
        return (at or datetime.min.replace(tzinfo=UTC), row.run_id)

    def _place(self, wanted: SortKey) -> int:
        """How many loaded rows come before ``wanted``."""
        before = operator.gt if self._sort.descending else operator.lt
        return bisect_left(self._order, True, key=lambda key: not before(self._placed[key], wanted))

    def _take(self, rows: Iterable[RunRow]) -> None:
        self._rows.update((row.run_id, row) for row in rows)
        self._placed.update((row.run_id, self._sort_key(row)) for row in rows)

    def _remove(self, keys: Iterable[str]) -> None:
        """Take those out of the list that are in it."""
        for key in keys:
            place = self.index_of(key)
            if place is not None:
                self._forget(self._order[place : place + 1])
                del self._order[place]

    def _forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            del self._rows[key]
            del self._placed[key]
