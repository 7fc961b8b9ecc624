"""Instants as whole milliseconds since 1970 UTC, and as the ISO-8601 text we read and write."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.values.timestamps import iso_milliseconds

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
EARLIEST: Final = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
"""The first instant we name; earlier ones are refused."""
LATEST: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MILLISECOND
"""The last instant we name; later ones are refused."""
_ISO: Final = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?"
    r"(?:[Tt ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def milliseconds_of(moment: datetime) -> int:
    """Whole milliseconds since 1970 of an aware datetime, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


def iso_of(milliseconds: int) -> str:
    """``2026-01-01T00:00:00.000Z``."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return iso_milliseconds(moment)


def parse_instant(text: str) -> int:
    """Milliseconds since 1970 of an ISO-8601 time.

    A date alone means midnight UTC, and a time without a zone is UTC. Raises ValueError for anything else, numbers included, and
    for what is outside the years 1 to 9999 in UTC.
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text[:80]}" is not an ISO-8601 time')
    part = match.groupdict()
    moment = datetime(
        int(part["year"]),
        int(part["month"] or 1),
        int(part["day"] or 1),
        int(part["hour"] or 0),
        int(part["minute"] or 0),
        int(part["second"] or 0),
        int((part["fraction"] or "0").ljust(6, "0")[:6]),
        tzinfo=UTC,
    )
    instant = milliseconds_of(moment) - _offset_minutes(part["zone"]) * 60_000
    if not EARLIEST <= instant <= LATEST:
        raise ValueError(f'"{text[:80]}" is outside the years 1 to 9999 in UTC')
    return instant


def _offset_minutes(zone: str | None) -> int:
    if zone is None or zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise ValueError(f'"{zone}" is not a time zone offset')
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)
