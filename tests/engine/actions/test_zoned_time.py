"""transform.add_duration, transform.format_time and transform.compare_times."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.actions.context import ActionContext
from engine.actions.invoke import invoke
from engine.actions.pure import run_pure
from engine.actions.registry import ActionRegistry
from engine.errors import StepFailure

Play = Callable[..., Awaitable[Any]]


@pytest.fixture
def play(registry: ActionRegistry, make_context: Callable[..., ActionContext]) -> Play:
    async def run(name: str, **action_input: Any) -> Any:
        registered = registry.get(name, 1)
        assert registered.traits.quick
        return await invoke(registered, action_input, make_context())

    return run


@pytest.mark.parametrize(
    ("time", "duration", "zone", "result"),
    [
        ("2026-01-31", "P1M", "UTC", "2026-02-28T00:00:00.000Z"),
        ("2024-02-29", "P1Y", "UTC", "2025-02-28T00:00:00.000Z"),
        ("2026-01-01", "P1Y2M1W3DT4H5M6.789S", "UTC", "2027-03-11T04:05:06.789Z"),
        ("2026-03-01", "-P1M1D", "UTC", "2026-01-31T00:00:00.000Z"),
        ("2026-01-01", "PT0S", "UTC", "2026-01-01T00:00:00.000Z"),
        # The clocks of Berlin go forward on 29 March 2026 at 02:00, and back on 25 October at 03:00.
        ("2026-03-28T11:00:00Z", "P1D", "Europe/Berlin", "2026-03-29T10:00:00.000Z"),
        ("2026-03-28T11:00:00Z", "PT24H", "Europe/Berlin", "2026-03-29T11:00:00.000Z"),
        ("2026-03-28T01:30:00Z", "P1D", "Europe/Berlin", "2026-03-29T01:30:00.000Z"),
        ("2026-10-24T00:30:00Z", "P1D", "Europe/Berlin", "2026-10-25T00:30:00.000Z"),
        ("2026-10-25T01:30:00Z", "PT1M", "Europe/Berlin", "2026-10-25T01:31:00.000Z"),
        ("9999-12-31T23:59:58Z", "PT1.999999S", "UTC", "9999-12-31T23:59:59.999Z"),
    ],
)
async def test_durations_follow_the_clocks_of_a_zone(
    play: Play, time: str, duration: str, zone: str, result: str
) -> None:
    given = {"time": time, "duration": duration, "timezone": zone}
    assert await play("transform.add_duration", **given) == {"time": result}


@pytest.mark.parametrize(
    ("time", "zone", "pattern", "text"),
    [
        ("2026-07-01T22:30:00Z", "Europe/Berlin", None, "2026-07-02T00:30:00+02:00"),
        ("2026-01-01T12:00:00Z", "America/St_Johns", None, "2026-01-01T08:30:00-03:30"),
        ("2026-01-01T00:05:06.078Z", "UTC", "%d.%m.%Y %I:%M %p %S.%L %% %z", "01.01.2026 12:05 AM 06.078 % +0000"),
        ("2026-01-01T12:00:00Z", "UTC", "%A %a %B %b %j %G-W%V-%u %Z", "Thursday Thu January Jan 001 2026-W01-4 UTC"),
        ("0099-01-01T00:00:00Z", "UTC", "%Y", "0099"),
    ],
)
async def test_times_are_shown_as_the_clocks_of_a_zone(
    play: Play, time: str, zone: str, pattern: str | None, text: str
) -> None:
    given = {"time": time, "timezone": zone} | ({"format": pattern} if pattern else {})
    shown = await play("transform.format_time", **given)
    assert shown["text"] == text


async def test_the_parts_of_a_time_are_numbers(play: Play) -> None:
    shown = await play("transform.format_time", time="2026-07-01T22:30:05Z", timezone="Asia/Kathmandu")
    assert shown == {
        "text": "2026-07-02T04:15:05+05:45",
        "year": 2026,
        "month": 7,
        "day": 2,
        "hour": 4,
        "minute": 15,
        "second": 5,
        "weekday": 4,
        "offsetMinutes": 345,
    }


async def test_an_offset_with_seconds_is_the_same_as_text_and_in_minutes(play: Play) -> None:
    shown = await play("transform.format_time", time="1850-01-01T12:00:00Z", timezone="America/New_York", format="%:z")
    assert (shown["text"], shown["offsetMinutes"]) == ("-04:56", -296)


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("add_duration", {"time": "soon", "duration": "P1D"}, "INVALID_TIME"),
        ("add_duration", {"time": "2026-01-01", "duration": "1 day"}, "INVALID_DURATION"),
        ("add_duration", {"time": "2026-01-01", "duration": "P"}, "INVALID_DURATION"),
        ("add_duration", {"time": "2026-01-01", "duration": "P1DT"}, "INVALID_DURATION"),
        ("add_duration", {"time": "2026-01-01", "duration": "P999999Y"}, "INVALID_TIME"),
        ("add_duration", {"time": "9999-12-30", "duration": "P9D"}, "INVALID_TIME"),
        ("add_duration", {"time": "0001-01-01", "duration": "-PT1S"}, "INVALID_TIME"),
        ("add_duration", {"time": "2026-01-01", "duration": "P1D", "timezone": "Mars/Base"}, "INVALID_TIMEZONE"),
        ("format_time", {"time": "2026-01-01", "timezone": "localtime"}, "INVALID_TIMEZONE"),
        ("format_time", {"time": "2026-01-01", "timezone": "../../etc/passwd"}, "INVALID_TIMEZONE"),
        ("format_time", {"time": "2026-01-01", "timezone": ""}, "INVALID_TIMEZONE"),
        ("format_time", {"time": "2026-01-01", "timezone": "right/Europe/Berlin"}, "INVALID_TIMEZONE"),
        ("format_time", {"time": "9999-12-31T23:59:59Z", "timezone": "Asia/Tokyo"}, "INVALID_TIME"),
        ("format_time", {"time": "2026-01-01", "timezone": "Europe"}, "INVALID_TIMEZONE"),
        ("format_time", {"time": "0001-01-01", "timezone": "America/New_York"}, "INVALID_TIME"),
        ("format_time", {"time": "2026-01-01", "format": "%Q"}, "INVALID_FORMAT"),
        ("format_time", {"time": "2026-01-01", "format": "50%"}, "INVALID_FORMAT"),
        ("format_time", {"time": "2026-01-01", "format": "x" * 201}, "INVALID_FORMAT"),
    ],
)
async def test_what_cannot_be_computed_is_refused(play: Play, name: str, given: dict[str, Any], code: str) -> None:
    with pytest.raises(StepFailure) as failed:
        await play(f"transform.{name}", **given)
    assert (failed.value.category, failed.value.code) == ("ValidationError", code)


@pytest.mark.parametrize(
    ("left", "right", "order", "milliseconds"),
    [
        ("2026-01-01", "2026-01-02", -1, 86_400_000),
        ("2026-01-01T01:00:00+01:00", "2026-01-01", 0, 0),
        ("2026-01-01T00:00:00.001Z", "2026-01-01", 1, -1),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T00:00:00Z", 1, -86_399_999),
    ],
)
def test_two_times_are_compared_as_instants(left: str, right: str, order: int, milliseconds: int) -> None:
    given = {"left": left, "right": right}
    found = run_pure("transform.compare_times", 1, given, step_config={}, context={}, now_iso=lambda: "not asked for")
    expected = {"order": order, "before": order < 0, "equal": order == 0, "after": order > 0}
    assert found == {**expected, "milliseconds": milliseconds}
