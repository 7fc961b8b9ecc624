"""``transform.shift_time``: a time moved by months, days, hours, minutes and seconds."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from engine.actions.pure_action import PureAction, PureScope
from engine.actions.schema import WHOLE, ActionModel, CamelModel
from engine.errors import VALIDATION, StepFailure
from engine.interpreter.times import EARLIEST, LATEST, iso_of, milliseconds_of, parse_instant

INVALID_TIME: Final = "INVALID_TIME"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Whole = Annotated[int, WHOLE]


class ShiftInput(CamelModel):
    time: str
    months: Whole = 0
    days: Whole = 0
    hours: Whole = 0
    minutes: Whole = 0
    seconds: Whole = 0


class ShiftOutput(ActionModel):
    time: str


def shift(call: ShiftInput, _scope: PureScope) -> dict[str, Any]:
    """``time`` moved by the months first, then by the rest; negative numbers move it back. ISO-8601 UTC with milliseconds.

    All in UTC, where a day has 24 hours. A day that the month does not have becomes its last. Raises ``StepFailure``
    (``ValidationError``, ``INVALID_TIME``) when ``time`` is no time, or the result is outside the years 1 to 9999.
    """
    try:
        instant = parse_instant(call.time)
    except ValueError as failure:
        raise _invalid(f"time: {failure}. Write 2026-01-31 or 2026-01-31T09:30:00Z.") from None
    seconds = ((call.days * 24 + call.hours) * 60 + call.minutes) * 60 + call.seconds
    moved = _months_later(instant, call.months) + seconds * 1000
    return {"time": iso_of(_in_range(moved))}


def _months_later(instant: int, months: int) -> int:
    start = _EPOCH + timedelta(milliseconds=instant)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise _out_of_range()
    last = monthrange(year, month + 1)[1]
    return milliseconds_of(start.replace(year=year, month=month + 1, day=min(start.day, last)))


def _in_range(instant: int) -> int:
    if not EARLIEST <= instant <= LATEST:
        raise _out_of_range()
    return instant


def _out_of_range() -> StepFailure:
    return _invalid("time: it lies outside the years 1 to 9999, or is moved there. Move it by less.")


def _invalid(reason: str) -> StepFailure:
    return StepFailure(VALIDATION, f"transform.shift_time {reason}", code=INVALID_TIME, details={"field": "time"})


TIME_ACTIONS: Final = (
    PureAction("transform.shift_time", 1, ShiftInput, ShiftOutput, shift, "Move a time later or earlier."),
)
