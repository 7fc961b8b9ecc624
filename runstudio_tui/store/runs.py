"""The runs list: pages in the backend's order, kept current without losing what was loaded.

Every poll reads the head page, re-reads the rows on screen below it, and the counts. Rows are merged by id; the operator's
place in the list never moves because of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

from runstudio_tui.clock import ServerTime
from runstudio_tui.domain.filter_text import RunFilter
from runstudio_tui.domain.models import RunCounts, RunId, RunRow
from runstudio_tui.domain.query import RunQuery, Sort
from runstudio_tui.ports import Page, Reply, RunsPort

PAGE_SIZE: Final = 100
_REREAD: Final = 200


@dataclass(frozen=True, slots=True)
class RunsAnswer:
    """One poll of the list."""

    query: RunQuery
    page: Page[RunRow]
    asked: tuple[RunId, ...]
    """Rows below the head page that were re-read."""
    matching: Reply[tuple[RunRow, ...]] | None
    counts: Reply[RunCounts]


class RunsStore:
    """Rows of the current filter. A source for a virtual list: length, id at a place, place of an id."""

    def __init__(self, port: RunsPort, time: ServerTime, zone: tzinfo) -> None:
        self._port = port
        self._time = time
        self._zone = zone
        self.filter = RunFilter()
        self.counts: RunCounts | None = None
        self.loaded = False
        """True once the current filter was answered."""
        self.loading_more = False
        self._rows: dict[RunId, RunRow] = {}
        self._order: list[RunId] = []
        self._places: dict[RunId, int] = {}
        self._next: str | None = None
        self._shown: tuple[RunId, ...] = ()
        self._generation = 0

    def __len__(self) -> int:
        return len(self._order)

    @property
    def more(self) -> bool:
        """True while the backend has rows after the last loaded one."""
        return self._next is not None

    def id_at(self, place: int) -> RunId:
        """The id at a place (0 is the top)."""
        return self._order[place]

    def index_of(self, key: str) -> int | None:
        """The place of an id, None when it is not loaded."""
        return self._places.get(RunId(key))

    def get(self, key: str | None) -> RunRow | None:
        """The row with that id, None when it is not loaded."""
        return self._rows.get(RunId(key)) if key is not None else None

    def set_filter(self, filter_: RunFilter) -> None:
        """Show another selection: everything loaded is forgotten."""
        self._generation += 1
        self.filter = filter_
        self.loaded = False
        self._rows, self._next = {}, None
        self._reorder([])

    def on_screen(self, ids: Sequence[str]) -> None:
        """Tell which rows are looked at, so that polls re-read them even far down the list."""
        self._shown = tuple(RunId(key) for key in ids[:_REREAD])

    async def fetch(self) -> RunsAnswer:
        """Ask the backend. Raises PortError."""
        query = self.filter.resolve(self._time.now(), self._zone)
        page = await self._port.page(query, None, PAGE_SIZE)
        head = {row.run_id for row in page.rows}
        asked = tuple(key for key in self._shown if key not in head and self._may_change(key))
        matching = await self._port.matching(query, asked) if asked and page.next is not None else None
        counts = await self._port.counts(query)
        return RunsAnswer(query, page, asked, matching, counts)

    def apply(self, answer: RunsAnswer) -> int:
        """Take over one poll; returns how many rows are new at the top."""
        self._time.observe(answer.counts.server_now)
        self.counts = answer.counts.value
        first = not self.loaded
        self.loaded = True
        head = [row.run_id for row in answer.page.rows]
        tail = self._tail_after(answer, set(head))
        if not tail:
            self._next = answer.page.next
        new = 0 if first else sum(1 for key in head if key not in self._rows)
        rows = {row.run_id: row for row in answer.page.rows}
        rows.update((key, self._rows[key]) for key in tail)
        if answer.matching is not None:
            still = {row.run_id: row for row in answer.matching.value}
            gone = {key for key in answer.asked if key not in still}
            tail = [key for key in tail if key not in gone]
            rows.update((key, row) for key, row in still.items() if key in rows)
        self._rows = {key: rows[key] for key in (*head, *tail)}
        self._reorder([*head, *tail])
        return new

    async def load_more(self) -> bool:
        """Read the page after the last loaded row; False when there was nothing to do. Raises PortError."""
        if self._next is None or self.loading_more or not self.loaded:
            return False
        generation = self._generation
        query = self.filter.resolve(self._time.now(), self._zone)
        self.loading_more = True
        try:
            page = await self._port.page(query, self._next, PAGE_SIZE)
        finally:
            self.loading_more = False
        if generation != self._generation:
            return False
        self._next = page.next
        added = [row for row in page.rows if row.run_id not in self._rows]
        self._rows.update((row.run_id, row) for row in added)
        self._reorder([*self._order, *(row.run_id for row in added)])
        return True

    def _may_change(self, key: RunId) -> bool:
        row = self._rows.get(key)
        return row is not None and not row.status.ended

    def _tail_after(self, answer: RunsAnswer, head: set[RunId]) -> list[RunId]:
        """Loaded rows that come after the head page. Empty when the page is all there is, or does not join what was loaded."""
        rows = answer.page.rows
        if answer.page.next is None or not self._order:
            return []
        sort = answer.query.sort
        last = _sort_key(rows[-1], sort)
        descending = sort in (Sort.STARTED_DESC, Sort.UPDATED_DESC)

        def after(key: RunId) -> bool:
            mine = _sort_key(self._rows[key], sort)
            return mine < last if descending else mine > last

        if after(self._order[0]):
            return []  # more arrived than one page holds: between the page and what was loaded there are rows unknown
        return [key for key in self._order if key not in head and after(key)]

    def _reorder(self, order: list[RunId]) -> None:
        if order != self._order:
            self._order = order
            self._places = {key: place for place, key in enumerate(order)}


def _sort_key(row: RunRow, sort: Sort) -> tuple[datetime, str]:
    at = row.started_at if sort in (Sort.STARTED_DESC, Sort.STARTED_ASC) else row.updated_at
    return (at or datetime.min.replace(tzinfo=UTC), row.run_id)
