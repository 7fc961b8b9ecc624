"""Times as text: ISO-8601 as it is read everywhere, and UTC with milliseconds, as rows, events and answers have them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_ISO: Final = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?"
    r"(?:[Tt ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r"(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def iso_milliseconds(moment: datetime) -> str:
    """``2026-01-01T00:00:00.000Z`` of an aware time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def time_of(text: str) -> datetime:
    """An ISO-8601 time in UTC; of a fraction of a second the digits beyond the sixth are left out.

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
    try:
        return moment - _offset(part["zone"])
    except OverflowError:
        raise ValueError(f'"{text[:80]}" is outside the years 1 to 9999 in UTC') from None


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise ValueError(f'"{zone}" is not a time zone offset')
    return timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
