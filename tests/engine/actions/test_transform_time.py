"""transform.shift_time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.actions.pure import PURE_ACTIONS, run_pure
from engine.errors import StepFailure
from engine.interpreter.times import iso_of, milliseconds_of

YEARS = st.datetimes(datetime(1000, 1, 1), datetime(3000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 # given a zone


def shift(**action_input: Any) -> str:
    output = run_pure(
        "transform.shift_time", 1, action_input, step_config={}, context={}, now_iso=lambda: "not asked for"
    )
    PURE_ACTIONS["transform.shift_time", 1].output_model.model_validate(output)
    return str(output["time"])


@pytest.mark.parametrize(
    ("action_input", "output"),
    [
        ({"time": "2026-01-15T10:43:21.5Z", "days": 14}, "2026-01-29T10:43:21.500Z"),
        ({"time": "2026-01-15", "hours": -36}, "2026-01-13T12:00:00.000Z"),
        ({"time": "2026-01-15T01:00:00+02:00"}, "2026-01-14T23:00:00.000Z"),
        ({"time": "2026-03-29T00:30:00Z", "days": 1}, "2026-03-30T00:30:00.000Z"),
        ({"time": "2026-01-31", "months": 1}, "2026-02-28T00:00:00.000Z"),
        ({"time": "2024-01-31", "months": 1}, "2024-02-29T00:00:00.000Z"),
        ({"time": "2024-02-29", "months": 12}, "2025-02-28T00:00:00.000Z"),
        ({"time": "2026-03-31T08:00:00Z", "months": -1}, "2026-02-28T08:00:00.000Z"),
        ({"time": "2026-01-31", "months": 1, "days": 1}, "2026-03-01T00:00:00.000Z"),
        ({"time": "2026-01-15", "months": -13}, "2024-12-15T00:00:00.000Z"),
        ({"time": "2026-01-01", "days": 1, "hours": 2.0, "minutes": 3, "seconds": 4}, "2026-01-02T02:03:04.000Z"),
        ({"time": "0001-01-01", "seconds": 0}, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_is_moved(action_input: dict[str, Any], output: str) -> None:
    assert shift(**action_input) == output


@pytest.mark.parametrize(
    ("action_input", "said"),
    [
        ({"time": "soon"}, "Write 2026-01-31"),
        ({"time": "2026-13-01"}, "Write 2026-01-31"),
        ({"time": ""}, "Write 2026-01-31"),
        ({"time": "9999-12-30", "days": 2}, "Move it by less"),
        ({"time": "9999-12-01", "months": 1}, "Move it by less"),
        ({"time": "0001-01-01", "seconds": -1}, "Move it by less"),
        ({"time": "0001-01-01T00:00:00+10:00"}, "outside the years 1 to 9999"),
        ({"time": "2026-01-01", "days": 10**400}, "Move it by less"),
        ({"time": "2026-01-01", "months": -(10**400)}, "Move it by less"),
    ],
    ids=str,
)
def test_what_is_no_time_fails_the_step(action_input: dict[str, Any], said: str) -> None:
    with pytest.raises(StepFailure, match=said) as failed:
        shift(**action_input)
    assert (failed.value.category, failed.value.code) == ("ValidationError", "INVALID_TIME")
    assert failed.value.details == {"field": "time"}


@pytest.mark.parametrize(
    "action_input",
    [{}, {"time": 5}, {"time": None}, {"time": "2026-01-01", "days": 1.5}, {"time": "2026-01-01", "days": "1"}],
)
def test_an_input_of_another_shape_is_refused(action_input: dict[str, Any]) -> None:
    with pytest.raises(StepFailure) as failed:
        shift(**action_input)
    assert failed.value.code == "ACTION_INPUT_INVALID"


@given(YEARS, st.integers(-9000, 9000), st.integers(-100_000, 100_000))
def test_days_and_seconds_are_those_of_the_calendar(moment: datetime, days: int, seconds: int) -> None:
    start = iso_of(milliseconds_of(moment))
    expected = moment + timedelta(days=days, seconds=seconds)
    assert shift(time=start, days=days, seconds=seconds) == iso_of(milliseconds_of(expected))
    assert shift(time=shift(time=start, days=days), days=-days) == start


@given(YEARS, st.integers(-2000, 2000))
def test_months_end_in_the_month_they_name(moment: datetime, months: int) -> None:
    there = datetime.fromisoformat(shift(time=iso_of(milliseconds_of(moment)), months=months))
    assert there.year * 12 + there.month == moment.year * 12 + moment.month + months
    assert there.day == moment.day or (there.day < moment.day and (there + timedelta(days=1)).day == 1)
