"""The log of a run, in the order its lines were written: keyset pages from any line, to newer and to older ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.records import LogLevel, LogLine, LogPage, LogQuery
from engine.store.database.keyset import Keyset, decode_cursor, encode_cursor, fingerprint
from engine.store.database.reader import Reader, open_reader, run_id_text
from engine.store.runs.listing import check_limit
from engine.store.tables import LOG_LEVELS, workflow_run_logs

MAX_LINES: Final = 500
SCANNED_LINES: Final = 5_000
"""Lines one call looks through for a text; a page with fewer rows than asked for then has a cursor to go on from."""

logs = workflow_run_logs.c
_OLDEST: Final = Keyset((logs.line_no, logs.created_at, logs.log_id), descending=False)
"""Lines from before the cutover have no number, and come first, in the order of their time."""
_NEWEST: Final = Keyset(_OLDEST.columns)
_BEFORE_ALL: Final = (-1, datetime.fromtimestamp(0, UTC), str(UUID(int=0)))


async def run_logs(
    engine: AsyncEngine,
    tenant: str,
    run_id: str,
    query: LogQuery = LogQuery(),
    *,
    cursor: str | None = None,
    older: bool = False,
    limit: int = MAX_LINES,
) -> LogPage:
    """Lines after a cursor, or with ``older`` before it; without a cursor the newest. ``limit`` 1..500, oldest first.

    ``query.text`` is looked for, without case, in the message and in the context as it is shown: what is masked cannot be probed.
    Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID), ``NotFound``, ``Unavailable``.
    """
    check_limit(limit, MAX_LINES)
    run_id = run_id_text(run_id)
    belongs = fingerprint("logs", tenant, run_id)
    position = None if cursor is None else decode_cursor(belongs, cursor, (int, datetime, UUID))
    backwards = older or position is None
    levels = LOG_LEVELS[LOG_LEVELS.index(query.minimum) :]
    async with open_reader(engine, tenant, run_id) as reader:
        scan = _Scan(reader, run_id, levels, query.text.casefold(), _NEWEST if backwards else _OLDEST)
        await scan.collect(position, limit)
        now = reader.server_now
    rows = scan.matches[::-1] if backwards else scan.matches

    def cursor_of(place: tuple[Any, ...] | None) -> str | None:
        return None if place is None else encode_cursor(belongs, place)

    nothing_yet = encode_cursor(belongs, _BEFORE_ALL)
    if backwards:
        older_cursor = cursor_of(scan.last) if scan.more else None
        newer_cursor = cursor_of(scan.first) or cursor or nothing_yet
    else:
        older_cursor = cursor_of(scan.first) or cursor
        newer_cursor = cursor_of(scan.last) or cursor or nothing_yet
    return LogPage(tuple(view for view, _ in rows), older_cursor, newer_cursor, now)


def before_the_first(tenant: str, run_id: str) -> str:
    """The cursor after which all lines of a run follow. Raises ``NotFound`` for what is no id."""
    return encode_cursor(fingerprint("logs", tenant, run_id_text(run_id)), _BEFORE_ALL)


class _Scan:
    """Reads lines in one direction until enough of them match."""

    def __init__(self, reader: Reader, run_id: str, levels: tuple[str, ...], text: str, keyset: Keyset) -> None:
        self.reader = reader
        self.run_id = run_id
        self.levels = levels
        self.text = text
        self.keyset = keyset
        self.matches: list[tuple[LogLine, tuple[Any, ...]]] = []
        self.first: tuple[Any, ...] | None = None
        """Place of the first line looked at."""
        self.last: tuple[Any, ...] | None = None
        """Place of the last line looked at."""
        self.more = False
        """Whether there are lines beyond ``last``."""

    async def collect(self, position: tuple[Any, ...] | None, limit: int) -> None:
        """Fills ``matches`` with at most ``limit`` lines beyond ``position``."""
        scanned = 0
        while scanned < SCANNED_LINES:
            found = await self._lines(position)
            for row in found[:MAX_LINES]:
                place = (row.line_no, row.created_at, row.log_id)
                self.first = self.first or place
                if len(self.matches) == limit:
                    self.more = True
                    return
                self.last = position = place
                view = _view(self.reader, row)
                if not self.text or self.text in _searchable(view):
                    self.matches.append((view, place))
            scanned += len(found)
            self.more = len(found) > MAX_LINES
            if not self.more:
                return

    async def _lines(self, position: tuple[Any, ...] | None) -> list[Row[Any]]:
        where = [logs.run_id == self.run_id, logs.tenant == self.reader.tenant]
        if self.levels != LOG_LEVELS:
            where.append(logs.level.in_(self.levels))
        if position is not None:
            where.append(self.keyset.beyond(position))
        lines = select(workflow_run_logs).where(*where).order_by(*self.keyset.order())
        return await self.reader.rows(lines.limit(MAX_LINES + 1))


def _searchable(view: LogLine) -> str:
    context = "" if view.context is None else json.dumps(view.context, ensure_ascii=False)
    return f"{view.message}\n{context}".casefold()


def _view(reader: Reader, row: Row[Any]) -> LogLine:
    return LogLine(
        log_id=row.log_id,
        at=row.created_at,
        level=LogLevel.stored(row.level),
        message=reader.hide_text(row.message) or "",
        path=row.step_path,
        iteration=row.iteration,
        source=row.source,
        context=reader.hide(row.context_json),
    )
