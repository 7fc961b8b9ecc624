"""``transform.add_duration`` and ``transform.format_time``: times on the clocks of a time zone.

They are quick actions, not pure: the rules of zones are files of the machine, and another machine may have newer ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.actions.builtin.transform_time import months_later
from engine.actions.context import ActionContext
from engine.actions.declaration import action
from engine.actions.schema import ActionModel, CamelModel
from engine.errors import VALIDATION, StepFailure
from engine.interpreter.times import iso_of, milliseconds_of, parse_instant

INVALID_TIME: Final = "INVALID_TIME"
INVALID_TIMEZONE: Final = "INVALID_TIMEZONE"
INVALID_DURATION: Final = "INVALID_DURATION"
INVALID_FORMAT: Final = "INVALID_FORMAT"
MAX_FORMAT_CHARACTERS: Final = 200

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_NO_ZONES: Final = re.compile("localtime|Factory|posixrules|(?:posix|right)/.*", re.DOTALL)
"""Whatever the machine is set to, what is no zone, and copies, of which one counts leap seconds."""
_DURATION: Final = re.compile(
    r"(?P<sign>[+-]?)P(?=.)(?:(?P<years>\d{1,6})Y)?(?:(?P<months>\d{1,6})M)?(?:(?P<weeks>\d{1,6})W)?(?:(?P<days>\d{1,7})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,12})(?:[.,](?P<fraction>\d{1,18}))?S)?)?",
    re.ASCII,
)
_DIRECTIVE: Final = re.compile(r"%(:z|.?)", re.DOTALL)


class AddInput(CamelModel):
    time: str
    duration: str
    timezone: str = "UTC"


class AddOutput(ActionModel):
    time: str


class FormatInput(CamelModel):
    time: str
    timezone: str = "UTC"
    format: str = "%Y-%m-%dT%H:%M:%S%:z"


class FormatOutput(CamelModel):
    text: str
    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    weekday: int
    """1 is Monday, 7 Sunday."""
    offset_minutes: int


@action("transform.add_duration", input=AddInput, output=AddOutput, side_effects=False, quick=True)
def add_duration(call: AddInput, _ctx: ActionContext) -> dict[str, Any]:
    """``time`` moved by an ISO-8601 duration: years to days by the zone's calendar, the rest as it passes."""
    label = "transform.add_duration"
    moment, zone = _moment(label, call.time), _zone(label, call.timezone)
    matched = _DURATION.fullmatch(call.duration.strip())
    if matched is None:
        raise _refused(label, INVALID_DURATION, "duration", "it is no ISO-8601 duration, such as P1M or -P3DT12H")
    part = {name: int(value or 0) for name, value in matched.groupdict("").items() if name not in ("sign", "fraction")}
    sign = -1 if matched["sign"] == "-" else 1
    try:
        moved = _by_calendar(
            moment, zone, sign * (part["years"] * 12 + part["months"]), sign * (part["weeks"] * 7 + part["days"])
        )
        passed = timedelta(
            hours=part["hours"],
            minutes=part["minutes"],
            seconds=part["seconds"],
            milliseconds=int((matched["fraction"] or "0").ljust(3, "0")[:3]),
        )
        return {"time": iso_of(milliseconds_of(moved + sign * passed))}
    except (OverflowError, ValueError):
        raise _refused(label, INVALID_TIME, "time", "it is moved outside the years 1 to 9999") from None


@action("transform.format_time", input=FormatInput, output=FormatOutput, side_effects=False, quick=True)
def format_time(call: FormatInput, _ctx: ActionContext) -> dict[str, Any]:
    """``time`` as the clocks of a zone show it, as text and in numbers."""
    label = "transform.format_time"
    if len(call.format) > MAX_FORMAT_CHARACTERS:
        raise _refused(label, INVALID_FORMAT, "format", f"it has more than {MAX_FORMAT_CHARACTERS} characters")
    try:
        local = _moment(label, call.time).astimezone(_zone(label, call.timezone))
    except (OverflowError, ValueError):
        raise _refused(label, INVALID_TIME, "time", "in this zone it is outside the years 1 to 9999") from None

    def value(directive: re.Match[str]) -> str:
        shown = _DIRECTIVES.get(directive[1])
        if shown is None:
            raise _refused(label, INVALID_FORMAT, "format", f"{directive[0]} means nothing; there are {_KNOWN}")
        return shown(local)

    return {
        "text": _DIRECTIVE.sub(value, call.format),
        "year": local.year,
        "month": local.month,
        "day": local.day,
        "hour": local.hour,
        "minute": local.minute,
        "second": local.second,
        "weekday": local.isoweekday(),
        "offsetMinutes": int(_offset_seconds(local) / 60),
    }


def _by_calendar(moment: datetime, zone: ZoneInfo, months: int, days: int) -> datetime:
    if not months and not days:
        return moment
    wall = moment.astimezone(zone).replace(tzinfo=None)
    # A time that the clocks skip is read by the offset before the change, one that comes twice is its first.
    return (months_later(wall, months) + timedelta(days=days)).replace(tzinfo=zone, fold=0).astimezone(UTC)


def _moment(label: str, text: str) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=parse_instant(text))
    except ValueError as problem:
        raise _refused(label, INVALID_TIME, "time", f"{problem}; write 2026-01-31T09:30:00Z") from None


def _zone(label: str, name: str) -> ZoneInfo:
    try:
        if not _NO_ZONES.fullmatch(name):
            return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        pass
    raise _refused(label, INVALID_TIMEZONE, "timezone", "there is no such zone; write one as Europe/Berlin")


def _refused(label: str, code: str, field: str, reason: str) -> StepFailure:
    return StepFailure(VALIDATION, f"{label} {field}: {reason}.", code=code, details={"field": field})


def _offset_seconds(local: datetime) -> int:
    return int((local.utcoffset() or timedelta()).total_seconds())


def _offset(local: datetime, separator: str) -> str:
    minutes = abs(_offset_seconds(local)) // 60
    return f"{'-' if _offset_seconds(local) < 0 else '+'}{minutes // 60:02d}{separator}{minutes % 60:02d}"


_DIRECTIVES: Final[dict[str, Callable[[datetime], str]]] = {
    "Y": lambda local: f"{local.year:04d}",
    "m": lambda local: f"{local.month:02d}",
    "d": lambda local: f"{local.day:02d}",
    "H": lambda local: f"{local.hour:02d}",
    "I": lambda local: f"{local.hour % 12 or 12:02d}",
    "p": lambda local: "AM" if local.hour < 12 else "PM",
    "M": lambda local: f"{local.minute:02d}",
    "S": lambda local: f"{local.second:02d}",
    "L": lambda local: f"{local.microsecond // 1000:03d}",
    "j": lambda local: f"{local.timetuple().tm_yday:03d}",
    "G": lambda local: f"{local.isocalendar().year:04d}",
    "V": lambda local: f"{local.isocalendar().week:02d}",
    "u": lambda local: str(local.isoweekday()),
    "A": lambda local: _DAYS[local.weekday()],
    "a": lambda local: _DAYS[local.weekday()][:3],
    "B": lambda local: _MONTHS[local.month - 1],
    "b": lambda local: _MONTHS[local.month - 1][:3],
    "z": lambda local: _offset(local, ""),
    ":z": lambda local: _offset(local, ":"),
    "Z": lambda local: local.tzname() or "",
    "%": lambda _local: "%",
}
_KNOWN: Final = " ".join(f"%{name}" for name in _DIRECTIVES)

ZONED_ACTIONS: Final = (add_duration, format_time)
