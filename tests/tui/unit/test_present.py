"""Durations, moments, states: the texts an operator reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from engine.records import Count, OpenWait, QuotaUsage, RunRow, RunStatus, WaitKind
from runstudio_tui.domain.effective import mark_of, run_state
from runstudio_tui.domain.present import (
    count_text,
    duration,
    elapsed,
    exact_moment,
    full_moment,
    live_duration,
    moment,
    quota_text,
    remaining,
    size_text,
    trigger_text,
    until,
    where,
)

NOW = datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC)  # a Thursday
ROW = RunRow("r", "order", "order", 3, RunStatus.RUNNING, NOW - timedelta(seconds=30), NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0ms"),
        (0, "0ms"),
        (0.041, "41ms"),
        (0.9994, "999ms"),
        (0.9996, "1.0s"),
        (1.24, "1.2s"),
        (9.94, "9.9s"),
        (9.96, "9s"),
        (42.9, "42s"),
        (59.99, "59s"),
        (119.6, "1m 59s"),
        (189, "3m 09s"),
        (3599, "59m 59s"),
        (60_060, "16h 41m"),
        (86_399, "23h 59m"),
        (187_200, "2d 4h"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_goes_on_counts_whole_seconds() -> None:
    assert [live_duration(s) for s in (-1, 0.9, 3.7, 12.5)] == ["0s", "0s", "3s", "12s"]
    assert elapsed(NOW - timedelta(seconds=3.7), None, NOW) == "3s"
    assert elapsed(NOW - timedelta(seconds=3.7), NOW, NOW) == "3.7s"
    assert elapsed(None, None, NOW) == "–"


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 1, 15, 9, 12, 44, tzinfo=UTC), "09:12:44"),
        (datetime(2026, 1, 12, 18, 2, tzinfo=UTC), "Mon 18:02"),
        (datetime(2025, 11, 12, 18, 2, tzinfo=UTC), "12 Nov 18:02"),
        (datetime(2024, 11, 12, 18, 2, tzinfo=UTC), "2024-11-12"),
        (None, "–"),
    ],
)
def test_moments(at: datetime | None, text: str) -> None:
    assert moment(at, NOW, UTC) == text


def test_times_are_in_the_viewers_zone() -> None:
    zone = timezone(timedelta(hours=2))
    assert moment(NOW, NOW, zone) == "12:43:21"
    assert full_moment(NOW, zone) == "2026-01-15 12:43:21.000"


@pytest.mark.parametrize(("at", "hours"), [(datetime(1, 1, 1, tzinfo=UTC), -5), (datetime.max.replace(tzinfo=UTC), 9)])
def test_times_that_the_zone_would_move_out_of_the_calendar_stay_as_they_are(at: datetime, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    assert full_moment(at, zone).startswith(at.isoformat(" ", "seconds").removesuffix("+00:00"))
    assert moment(at, NOW, zone) == f"{at.year:04d}-{at.month:02d}-{at.day:02d}"
    assert exact_moment(at, NOW, zone)


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (timedelta(seconds=-1), "now"),
        (timedelta(seconds=12), "in 12s"),
        (timedelta(minutes=4, seconds=10), "in 4m 10s"),
        (timedelta(hours=3), "until 13:43"),
        (timedelta(hours=22), "until tomorrow 08:43"),
        (timedelta(days=3), "until Sun 10:43"),
    ],
)
def test_times_to_come(left: timedelta, text: str) -> None:
    assert until(NOW + left, NOW, UTC) == text


def test_remaining() -> None:
    assert remaining(NOW + timedelta(hours=23, minutes=56), NOW) == "in 23h 56m"
    assert remaining(NOW, NOW) == "now"


def test_counts_and_sizes() -> None:
    assert count_text(Count(10_000, capped=True)) == "10,000+"
    assert count_text(Count(214)) == "214"
    assert [size_text(s) for s in (None, 412, 1229, 3_565_158)] == ["–", "412 B", "1.2 KB", "3.4 MB"]


def waits(kind: WaitKind, until: float | None) -> OpenWait:
    return OpenWait(kind, NOW, until=None if until is None else NOW - timedelta(seconds=until))


@pytest.mark.parametrize(
    ("values", "stalled"),
    [
        ({"updated_at": NOW - timedelta(seconds=61)}, True),
        ({"updated_at": NOW - timedelta(seconds=60)}, False),
        ({"updated_at": NOW - timedelta(hours=2), "step_due_at": NOW + timedelta(seconds=1)}, False),
        ({"updated_at": NOW - timedelta(hours=2), "step_due_at": NOW - timedelta(seconds=60)}, False),
        ({"updated_at": NOW - timedelta(hours=2), "step_due_at": NOW - timedelta(seconds=61)}, True),
        ({"updated_at": NOW - timedelta(seconds=5), "step_due_at": NOW - timedelta(hours=1)}, False),
        ({"updated_at": NOW - timedelta(hours=2), "step_count": 0}, False),
        ({"updated_at": NOW - timedelta(hours=2), "engine": None}, False),
        ({"updated_at": NOW - timedelta(hours=2), "status": RunStatus.FAILED}, False),
        ({"status": RunStatus.WAITING, "wait": waits(WaitKind.RETRY, 61)}, True),
        ({"status": RunStatus.WAITING, "wait": waits(WaitKind.RETRY, 59)}, False),
        ({"status": RunStatus.WAITING, "wait": waits(WaitKind.TIME, 61)}, True),
        ({"status": RunStatus.WAITING, "wait": waits(WaitKind.EVENT, 61)}, True),
        ({"status": RunStatus.WAITING, "wait": waits(WaitKind.EVENT, None)}, False),
        ({"status": RunStatus.WAITING, "wait": waits(WaitKind.HUMAN, 61)}, False),
        ({"status": RunStatus.WAITING, "wait": waits(WaitKind.QUOTA, 61)}, False),
    ],
)
def test_a_run_that_should_have_moved_on_is_marked(values: dict[str, Any], stalled: bool) -> None:
    row = replace(ROW, **{"step_count": 3, "updated_at": NOW - timedelta(hours=2), **values})
    assert row.stalled_at(NOW) is stalled
    mark = mark_of(row, NOW)
    assert (mark is not None and mark.word == "no progress") is stalled
    assert ("no progress for " in where(row, NOW, UTC)) is stalled


@pytest.mark.parametrize(
    ("status", "steps", "age_ms", "stuck"),
    [
        (RunStatus.RUNNING, 0, 60_000, False),
        (RunStatus.RUNNING, 0, 60_001, True),
        (RunStatus.RUNNING, 0, 59_999, False),
        (RunStatus.RUNNING, 1, 600_000, False),
        (RunStatus.WAITING, 0, 600_000, False),
        (RunStatus.FAILED, 0, 600_000, False),
        (RunStatus.CANCELED, 0, 600_000, False),
        (RunStatus.SUCCEEDED, 0, 600_000, False),
        (RunStatus.RUNNING, 0, -5_000, False),
    ],
)
def test_the_stuck_rule(status: RunStatus, steps: int, age_ms: int, stuck: bool) -> None:
    row = replace(ROW, status=status, step_count=steps, started_at=NOW - timedelta(milliseconds=age_ms))
    assert row.stuck_at(NOW) is stuck
    mark = mark_of(row, NOW)
    assert (mark is not None and mark.word == "stuck") is stuck
    assert not replace(row, engine=None).stuck_at(NOW), "a run from before the cutover is over, whatever its row says"


@pytest.mark.parametrize(
    ("changes", "word", "place"),
    [
        ({}, "running", "queued for a worker"),
        ({"launch_state": "pending"}, "running", "queued: launch pending"),
        ({"started_at": NOW - timedelta(seconds=134)}, "running", "not picked up for 2m 14s"),
        ({"step_count": 3, "step": "push-line", "iteration": "0.17"}, "running", "push-line [0][17]"),
        ({"step_count": 3, "cancel_requested_at": NOW}, "canceling", "between steps"),
        (
            {"status": RunStatus.WAITING, "wait": OpenWait(WaitKind.EVENT, NOW, "carrier.picked_up", "K")},
            "waiting",
            "event carrier.picked_up",
        ),
        (
            {
                "status": RunStatus.WAITING,
                "attempt": 3,
                "step": "push-line",
                "iteration": "17",
                "wait": OpenWait(WaitKind.RETRY, NOW, until=NOW + timedelta(seconds=12)),
            },
            "retry 3",
            "push-line [17] in 12s",
        ),
        (
            {"status": RunStatus.WAITING, "wait": OpenWait(WaitKind.HUMAN, NOW, who="approval by finance")},
            "waiting",
            "approval by finance",
        ),
        (
            {"status": RunStatus.WAITING, "wait": OpenWait(WaitKind.QUOTA, NOW, until=NOW + timedelta(hours=2))},
            "waiting",
            "quota until 12:43",
        ),
        (
            {
                "status": RunStatus.WAITING,
                "wait": OpenWait(WaitKind.CHILD, NOW, who="0198c2aa-1111-7222-8333-444455557f3a"),
            },
            "waiting",
            "child 0198c2…7f3a",
        ),
        (
            {"status": RunStatus.FAILED, "step": "match-po", "error_code": "PO_NOT_FOUND"},
            "failed",
            "match-po: PO_NOT_FOUND",
        ),
        ({"status": RunStatus.FAILED, "error_message": "bad\x1b[2J"}, "failed", "bad␛[2J"),
        ({"status": RunStatus.SUCCEEDED, "step_count": 1}, "succeeded", "1 step"),
        ({"status": RunStatus.CANCELED, "step": "charge"}, "canceled", "at charge"),
    ],
)
def test_state_and_place(changes: dict[str, Any], word: str, place: str) -> None:
    row = replace(ROW, **changes)
    assert run_state(row).word == word
    assert where(row, NOW, UTC) == place


def test_history_is_marked_read_only() -> None:
    mark = mark_of(replace(ROW, status=RunStatus.CANCELED, engine=None), NOW)
    assert mark is not None
    assert (mark.glyph, mark.word) == ("◇", "before the cutover, read-only")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "manual"),
        ({"trigger": "recurring"}, "recurring"),
        ({"trigger": "schedule"}, "schedule"),
        ({"trigger": "event", "trigger_event": "order.placed"}, "event order.placed"),
        ({"replay_of": "019bc1aa-0000-7000-8000-00000000e5e8"}, "replay of 019bc1…e5e8"),
    ],
)
def test_how_a_run_came_to_be(changes: dict[str, Any], told: str) -> None:
    assert trigger_text(replace(ROW, **{"trigger": None, **changes})) == told


@pytest.mark.parametrize(
    ("limit", "used", "told"),
    [(None, 1697, "1,697, no limit"), (2000, 1697, "1,697 of 2,000, 303 left"), (2000, 2001, "2,001 of 2,000, 0 left")],
)
def test_a_quota_is_told_with_what_is_left(limit: int | None, used: int, told: str) -> None:
    assert quota_text(QuotaUsage("t", NOW, NOW, limit, used, 0)) == told
