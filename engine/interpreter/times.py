"""Instants as whole milliseconds since 1970 UTC, and as the ISO-8601 text we read and write."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.values.timestamps import iso_milliseconds, time_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
EARLIEST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
"""The first instant we name; earlier ones are refused."""
LATEST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
"""The last instant we name; later ones are refused."""
EARLIER_LATEST: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MILLISECOND
"""The last one in earlier semantics, which refused the rest of that day."""
_LONG_FRACTION: Final = re.compile(r"[.,]\d{10}", re.ASCII)


def milliseconds_of(moment: datetime) -> int:
    """Whole milliseconds since 1970 of an aware datetime, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


def iso_of(milliseconds: int) -> str:
    """``2026-01-01T00:00:00.000Z``."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return iso_milliseconds(moment)


def parse_instant(text: str, *, earlier: bool = False) -> int:
    """Milliseconds since 1970 of an ISO-8601 time, as ``time_of`` reads it, rounded down. Raises ValueError as it does.

    ``earlier``: in earlier semantics the last day of the year 9999 and more than nine digits of a fraction are refused too.
    """
    instant = milliseconds_of(time_of(text))
    if earlier and (instant > EARLIER_LATEST or _LONG_FRACTION.search(text)):
        raise ValueError(f'"{text[:80]}" is not an ISO-8601 time, or outside the years 1 to 9999 in UTC')
    return instant
