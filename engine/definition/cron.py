"""Cron schedules of five fields: which there are, and how far their runs are apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final

SHORTEST_PERIOD: Final = 5
"""Minutes between two runs of a recurring trigger, at least."""
_LONGEST: Final = 128
_ALLOWED: Final = re.compile(r"[0-9*/,\-\s]+", re.ASCII)
_PART: Final = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?", re.ASCII)
_RANGES: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_DAY: Final = 24 * 60
_FIRST_DAY: Final = date(2000, 1, 1)
_DAYS: Final = 8 * 366
"""From a leap year to after the second next one: every date a schedule can name, and every pair of days that follow."""


def longest_gap(cron: str) -> timedelta:
    """How far two runs are apart at most, in whole days, and a day at least; one day for what is no schedule of ours."""
    fields = cron.split()
    if len(fields) != len(_RANGES):
        return timedelta(days=1)
    _, _, days, months, weekdays = _fields(fields)
    dates = _dates(days, months, {day % 7 for day in weekdays})
    return max((later - earlier for earlier, later in pairwise(dates)), default=timedelta(days=1))


def cron_values(cron: str) -> tuple[frozenset[int], ...] | None:
    """The minutes, hours, days, months and weekdays (0 is Sunday) of a schedule; None for what is no schedule of ours."""
    if cron_problem(cron) is not None:
        return None
    *values, weekdays = _fields(cron.split())
    return (*values, frozenset(day % 7 for day in weekdays))


def cron_problem(cron: Any) -> str | None:
    """Why ``cron`` is not a schedule we run, one sentence; None when it is.

    Runs may be no closer than ``SHORTEST_PERIOD`` minutes, over midnight too. (Clocks that are put forward or back are left out.)
    """
    if not isinstance(cron, str) or not cron.strip():
        return "The schedule is empty."
    if len(cron) > _LONGEST:
        return f"The schedule has more than {_LONGEST} characters."
    if not _ALLOWED.fullmatch(cron):
        return "Only digits and * / , - are allowed."
    fields = cron.split()
    if len(fields) != len(_RANGES):
        return "A schedule has five fields: minute, hour, day of month, month, day of week."
    values = _fields(fields)
    for field, found, (lowest, highest) in zip(fields, values, _RANGES, strict=True):
        if not found:
            return f"{field} is not a value from {lowest} to {highest}, a range, or a step."
    if fields[2] != "*" and fields[4] != "*":
        return "Set the day of the month or the day of the week, not both."
    return _gap_problem(*values)


def _fields(fields: Sequence[str]) -> list[frozenset[int]]:
    """What each field stands for; nothing when a part of it is none."""
    values: list[frozenset[int]] = []
    for field, (lowest, highest) in zip(fields, _RANGES, strict=True):
        parts = [_values(part, lowest, highest) for part in field.split(",")]
        values.append(frozenset().union(*parts) if all(parts) else frozenset())
    return values


def _values(part: str, lowest: int, highest: int) -> frozenset[int]:
    """What one part of a field stands for; nothing when it is none."""
    matched = _PART.fullmatch(part)
    if matched is None:
        return frozenset()
    first, last, step = (int(text) if text else None for text in matched.groups())
    if step == 0:
        return frozenset()
    if first is None:
        first, last = lowest, highest
    elif last is None:
        # As Temporal reads it: 5/15 goes on from 5 to the end.
        last = first if step is None else highest
    if not lowest <= first <= last <= highest:
        return frozenset()
    return frozenset(range(first, last + 1, step or 1))


def _gap_problem(
    minutes: frozenset[int],
    hours: frozenset[int],
    days: frozenset[int],
    months: frozenset[int],
    weekdays: frozenset[int],
) -> str | None:
    times = sorted(hour * 60 + minute for hour in hours for minute in minutes)
    dates = list(_dates(days, months, {day % 7 for day in weekdays}))
    if not dates:
        return "No date ever fits: there is no such day in these months."
    pairs = list(pairwise(times))
    if any(later - earlier == timedelta(days=1) for earlier, later in pairwise(dates)):
        pairs.append((times[-1], times[0] + _DAY))
    first, second = min(pairs, key=lambda pair: pair[1] - pair[0], default=(0, _DAY))
    if second - first >= SHORTEST_PERIOD:
        return None
    return f"It would run at {_clock(first)} and at {_clock(second)}; a schedule runs at most every {SHORTEST_PERIOD} minutes."


def _dates(days: frozenset[int], months: frozenset[int], weekdays: set[int]) -> Iterator[date]:
    for number in range(_DAYS):
        day = _FIRST_DAY + timedelta(days=number)
        if day.month in months and day.day in days and day.isoweekday() % 7 in weekdays:
            yield day


def _clock(minute: int) -> str:
    hour, rest = divmod(minute % _DAY, 60)
    return f"{hour:02d}:{rest:02d}"
