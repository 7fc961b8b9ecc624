"""Keyset pages over rows that are all in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from engine.errors import Invalid
from engine.records import Page

Row = TypeVar("Row")


def page_of(
    rows: Sequence[Row], key_of: Callable[[Row], str], after: str | None, limit: int, now: datetime
) -> Page[Row]:
    """The rows after the one whose id is the cursor. Raises Invalid (CURSOR_INVALID)."""
    start = 0
    if after is not None:
        places = [place for place, row in enumerate(rows) if key_of(row) == after]
        if not places:
            raise Invalid("CURSOR_INVALID", "The cursor does not belong to this list.", "Read it from its beginning.")
        start = places[0] + 1
    chosen = tuple(rows[start : start + limit])
    more = start + limit < len(rows)
    return Page(chosen, key_of(chosen[-1]) if more else None, now)
