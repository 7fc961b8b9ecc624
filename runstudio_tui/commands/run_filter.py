"""The filter of a command, and the moment that a list of several pages is of.

``since:24h`` means another time a second later, and a cursor belongs to one question. So the cursor of a filter with times
carries the moment at which the first page was read: the same words with the cursor ask the same question again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from engine.errors import Invalid

if TYPE_CHECKING:
    from runstudio_tui.domain.filter_text import FilterLine

_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST: Final = 20


def read_filter(text: str) -> FilterLine:
    """The filter. Raises ``Invalid`` (FILTER_INVALID), naming every word that is not understood."""
    from runstudio_tui.domain.filter_text import parse_filter

    wanted = parse_filter(text)
    if wanted.problems:
        said = " ".join(f"{problem.token}: {problem.message}" for problem in wanted.problems)
        raise Invalid("FILTER_INVALID", said, "The words of the filter are in docs/cli.md.")
    return wanted


def split_cursor(after: str | None) -> tuple[datetime | None, str | None]:
    """The moment of a list, where its cursor carries one, and the engine's cursor. Raises ``Invalid`` (CURSOR_INVALID)."""
    moment, dot, cursor = (after or "").partition(".")
    if not dot:
        return None, after
    try:
        if not moment.isascii() or not moment.isdigit() or len(moment) > _LONGEST:
            raise ValueError("no moment of ours")
        return _START + int(moment) * _MICROSECOND, cursor
    except (ValueError, OverflowError):
        raise Invalid(
            "CURSOR_INVALID", "The cursor does not belong to this query.", "Start again from the first page."
        ) from None


def next_cursor(wanted: FilterLine, moment: datetime, cursor: str | None) -> str | None:
    """The cursor to give out, of a list as of ``moment``; None on the last page."""
    if cursor is None or not (wanted.since or wanted.until):
        return cursor
    return f"{(moment - _START) // _MICROSECOND}.{cursor}"
