"""Worlds that begin at the same moment: equal, and changed apart from each other."""

from __future__ import annotations

from datetime import timedelta

from engine.records import LogLevel, RunFilter
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock
from tests.tui.conftest import NOW


def test_a_change_of_one_is_none_of_the_other() -> None:
    one, other = (demo_backend(ManualClock(NOW), past=20).world for _ in range(2))
    assert one.runs == other.runs
    for run in one.runs.values():
        run.change(NOW, step_count=10_000)
        run.log(NOW, LogLevel.INFO, "changed")
        run.steps.clear()
    assert all(run not in one.runs.values() for run in other.runs.values())
    assert all(other.runs[run_id].row.step_count < 10_000 for run_id in one.runs)


def test_another_moment_makes_another_world() -> None:
    one, later = (demo_backend(ManualClock(NOW + delay), past=20).world for delay in (timedelta(0), timedelta(hours=1)))
    moved = [row.started_at for row in later.select(RunFilter())]
    assert moved == [row.started_at + timedelta(hours=1) for row in one.select(RunFilter()) if row.started_at]
