"""Times in filter lines: ``2h``, ``7d``, ``today``, ``2026-01-15``, ``2026-01-15T10:30``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import Final

_SPAN: Final = re.compile(r"(?P<number>\d{1,6})(?P<unit>[smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def check_time(value: str) -> None:
    """Raises ``ValueError``, saying what may be written, when ``value`` is no time."""
    if value.lower() == "today" or _SPAN.fullmatch(value.lower()):
        return
    try:
        _read(value)
    except ValueError:
        raise ValueError(f"{value!r} is no time; write 2h, 7d, today, 2026-01-15 or 2026-01-15T10:30") from None


def time_at(value: str, now: datetime, zone: tzinfo) -> datetime:
    """The time a checked ``value`` means as of ``now``; calendar words and times without an offset count in ``zone``."""
    span = _SPAN.fullmatch(value.lower())
    if span is not None:
        try:
            return now - timedelta(seconds=int(span["number"]) * _UNITS[span["unit"]])
        except OverflowError:
            return datetime.min.replace(tzinfo=now.tzinfo)
    if value.lower() == "today":
        return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    at = _read(value)
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)


def _read(value: str) -> datetime:
    # In upper case: `2026-01-15t10:30z` is the same time.
    return datetime.fromisoformat(value.upper())
