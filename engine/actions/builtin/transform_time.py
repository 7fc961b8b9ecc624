"""``transform.shift_time`` and ``transform.compare_times``: times in UTC."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from engine.actions.pure_action import PureAction, PureScope
from engine.actions.schema import WHOLE, ActionModel, CamelModel
from engine.errors import VALIDATION, StepFailure
from engine.interpreter.times import EARLIER_LATEST, EARLIEST, LATEST, iso_of, milliseconds_of, parse_instant
from engine.wording import clause

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


class CompareInput(CamelModel):
    left: str
    right: str


class CompareOutput(ActionModel):
    order: int
    before: bool
    equal: bool
    after: bool
    milliseconds: int


def shift(call: ShiftInput, scope: PureScope) -> dict[str, Any]:
    """``time`` moved by the months first, then by the rest; negative numbers move it back. ISO-8601 UTC with milliseconds.

    All in UTC, where a day has 24 hours. A day that the month does not have becomes its last. Raises ``StepFailure``
    (``ValidationError``, ``INVALID_TIME``) when ``time`` is no time, or the result is outside the years 1 to 9999.
    """
    instant = _instant("transform.shift_time", "time", call.time, scope)
    seconds = ((call.days * 24 + call.hours) * 60 + call.minutes) * 60 + call.seconds
    moved = _months_later(instant, call.months) + seconds * 1000
    return {"time": iso_of(_in_range(moved, scope))}


def compare(call: CompareInput, scope: PureScope) -> dict[str, Any]:
    """Which of two times comes first, and how far they are apart: ``order`` is -1, 0 or 1, ``milliseconds`` right minus left.

    Raises ``StepFailure`` (``ValidationError``, ``INVALID_TIME``) when one is no time.
    """
    left, right = (
        _instant("transform.compare_times", name, text, scope)
        for name, text in (("left", call.left), ("right", call.right))
    )
    difference = right - left
    return {
        "order": (left > right) - (left < right),
        "before": left < right,
        "equal": left == right,
        "after": left > right,
        "milliseconds": difference,
    }


def months_later(start: datetime, months: int) -> datetime:
    """The same day and time of another month; a day that it does not have becomes its last.

    Raises ``ValueError`` outside the years 1 to 9999.
    """
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise ValueError(f"the year {year} is outside 1 to 9999")
    return start.replace(year=year, month=month + 1, day=min(start.day, monthrange(year, month + 1)[1]))


def _instant(label: str, field: str, text: str, scope: PureScope) -> int:
    try:
        return parse_instant(text, earlier=scope.earlier)
    except ValueError as failure:
        raise _invalid(label, field, f"{clause(str(failure))}. Write 2026-01-31 or 2026-01-31T09:30:00Z.") from None


def _months_later(instant: int, months: int) -> int:
    try:
        return milliseconds_of(months_later(_EPOCH + timedelta(milliseconds=instant), months))
    except ValueError:
        raise _out_of_range() from None


def _in_range(instant: int, scope: PureScope) -> int:
    if not EARLIEST <= instant <= (EARLIER_LATEST if scope.earlier else LATEST):
        raise _out_of_range()
    return instant


def _out_of_range() -> StepFailure:
    reason = "it lies outside the years 1 to 9999, or is moved there. Move it by less."
    return _invalid("transform.shift_time", "time", reason)


def _invalid(label: str, field: str, reason: str) -> StepFailure:
    return StepFailure(VALIDATION, f"{label} {field}: {reason}", code=INVALID_TIME, details={"field": field})


TIME_ACTIONS: Final = (
    PureAction("transform.shift_time", 1, ShiftInput, ShiftOutput, shift, "Move a time later or earlier."),
    PureAction("transform.compare_times", 1, CompareInput, CompareOutput, compare, "Compare two times."),
)
