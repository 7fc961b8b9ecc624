"""What the reconciler remembers of runs that do not say where they are."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from engine.operations.reconcile import looks as module
from engine.operations.reconcile.looks import FIRST_SILENT_SECONDS, LONGEST_SILENT_SECONDS, Looks


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """``now`` is what ``time.monotonic`` says."""
    clock = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def pause_after(looks: Looks, clock: SimpleNamespace, run_id: str) -> float:
    """Seconds until the run may be asked again."""
    looks.did_not_answer(run_id)
    began = clock.now
    while not looks.may_be_asked(run_id):
        clock.now += 1.0
    return float(clock.now - began)


def test_a_run_that_does_not_answer_once_is_asked_again_soon(clock: SimpleNamespace) -> None:
    looks = Looks()
    assert pause_after(looks, clock, "late") == FIRST_SILENT_SECONDS
    assert looks.may_be_asked("another")


def test_a_run_that_never_answers_is_asked_ever_more_rarely(clock: SimpleNamespace) -> None:
    looks = Looks()
    pauses = [pause_after(looks, clock, "silent") for _ in range(8)]
    assert pauses[:5] == [15.0, 30.0, 60.0, 120.0, 240.0]
    assert pauses[5:] == [LONGEST_SILENT_SECONDS] * 3


def test_an_answer_ends_the_pauses(clock: SimpleNamespace) -> None:
    looks = Looks()
    for _ in range(4):
        pause_after(looks, clock, "late")
    looks.agree("late", (1, 1, datetime.now(UTC)))
    assert pause_after(looks, clock, "late") == FIRST_SILENT_SECONDS


def test_runs_that_are_not_asked_any_more_are_forgotten(clock: SimpleNamespace) -> None:
    looks = Looks()
    looks.did_not_answer("gone")
    clock.now += FIRST_SILENT_SECONDS + LONGEST_SILENT_SECONDS + 1
    looks.did_not_answer("other")
    assert set(looks.silent) == {"other"}
