"""Which error is read first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from engine.records import Attempt, AttemptStatus, ErrorInfo, RunRow, RunStatus, RunSummary, Step, StepStatus
from runstudio_tui.domain.failure import run_failure, step_failure

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
STEP = Step(
    "s",
    "root.steps[0]",
    "charge",
    "action.call",
    StepStatus.FAILED,
    NOW,
    NOW,
    error=ErrorInfo("ActionError", "step said"),
)
TRY = Attempt(
    "i",
    "root.steps[0]",
    "",
    "pay@1",
    1,
    AttemptStatus.FAILED,
    NOW,
    NOW,
    error=ErrorInfo("ActionError", "card refused", "C1"),
)
ROW = RunRow("r", "w", "w", 1, RunStatus.FAILED, NOW, NOW, node_path="root.steps[0]")
RUN = RunSummary(ROW, "t", NOW, error=ErrorInfo("ActionError", "run said", "R1"))


def test_the_last_failed_try_speaks_for_the_step() -> None:
    other = replace(TRY, attempt=2, error=ErrorInfo("Timeout", "too slow"))
    found = step_failure(STEP, (TRY, other))
    assert found is not None
    assert (found.message, found.source, found.technical) == ("too slow", "pay@1", "step said")
    assert step_failure(STEP, (replace(TRY, error=ErrorInfo("X", "  ")),)).message == "step said"  # type: ignore[union-attr]  # it has an error
    assert step_failure(replace(STEP, error=None), ()) is None


def test_the_failed_step_speaks_for_the_run() -> None:
    found = run_failure(RUN, STEP, (TRY,))
    assert found is not None
    assert (found.message, found.code, found.technical) == ("card refused", "C1", "step said")
    alone = run_failure(RUN, None, ())
    assert alone is not None
    assert (alone.message, alone.code, alone.path) == ("run said", "R1", "root.steps[0]")


def test_only_a_run_that_failed_has_an_error() -> None:
    for status in (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.SUCCEEDED):
        assert run_failure(replace(RUN, row=replace(ROW, status=status)), STEP, (TRY,)) is None
    assert run_failure(replace(RUN, row=replace(ROW, status=RunStatus.CANCELED)), None, ()) is not None
