"""Durations, moments, states: the texts an operator reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from runstudio_tui.domain.effective import is_stuck, mark_of, run_state
from runstudio_tui.domain.models import Count, OpenWait, RunId, RunRow, RunStatus, WaitKind
from runstudio_tui.domain.present import (
    count_text,
    duration,
    elapsed,
    full_moment,
    live_duration,
    moment,
    remaining,
    size_text,
    until,
    where,
)

NOW = datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC)  # a Thursday
ROW = RunRow(RunId("r"), "order", "order", 3, RunStatus.RUNNING, NOW - timedelta(seconds=30))


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
        (RunStatus.RUNNING, 0, None, False),
    ],
)
def test_the_stuck_rule(status: RunStatus, steps: int, age_ms: int | None, stuck: bool) -> None:
    started = None if age_ms is None else NOW - timedelta(milliseconds=age_ms)
    assert is_stuck(status, steps, started, NOW) is stuck
    row = replace(ROW, status=status, step_count=steps, started_at=started)
    mark = mark_of(row, NOW)
    assert (mark is not None and mark.word == "stuck") is stuck


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
def test_state_and_place(changes: dict[str, object], word: str, place: str) -> None:
    row = replace(ROW, **changes)
    assert run_state(row).word == word
    assert where(row, NOW, UTC) == place


def test_history_is_marked_read_only() -> None:
    mark = mark_of(replace(ROW, status=RunStatus.CANCELED, engine=None), NOW)
    assert mark is not None
    assert (mark.glyph, mark.word) == ("◇", "before the cutover, read-only")
