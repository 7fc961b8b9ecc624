"""What a release after this one has stored is drawn with its own word."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from engine.records import (
    Attempt,
    AttemptStatus,
    LogLevel,
    LogLine,
    OpenWait,
    RunRow,
    RunStatus,
    StepStatus,
    Wait,
    WaitKind,
    WaitStatus,
)
from runstudio_tui.domain.effective import STEP_STATES, run_state
from runstudio_tui.domain.present import where
from runstudio_tui.domain.record_states import DELIVERY_STATES, EVENT_STATES
from runstudio_tui.screens.run.log_rows import log_rows
from runstudio_tui.screens.run.pane_rows import Frame, tries_rows, waits_rows
from runstudio_tui.widgets.line_list import Row
from tests.tui.unit.test_step_tree import shown, step, tree_of

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
ROW = RunRow("r", "w", "w", 1, RunStatus.WAITING, NOW, NOW, node_path="root.steps[0]", step="wait")
FRAME = Frame(NOW, UTC, 80)


def _text(rows: list[Row]) -> str:
    return "\n".join("".join(span if isinstance(span, str) else span.text for span in row.line) for row in rows)


def test_states() -> None:
    later = replace(ROW, status=RunStatus.stored("HELD_BACK"))
    assert (run_state(later).word, where(later, NOW, UTC)) == ("held back", "wait")
    for states in (STEP_STATES, EVENT_STATES, DELIVERY_STATES):
        assert states["PUT\x1b_OFF"].word == "put␛ off"  # type: ignore[index] # not one of its own


def test_waits() -> None:
    kind = WaitKind.stored("moon")
    assert where(replace(ROW, wait=OpenWait(kind, None)), NOW, UTC) == "moon"
    wait = Wait("1", "root", "", kind, WaitStatus.stored("HELD_BACK"), NOW)
    assert "moon" in _text(waits_rows([wait], FRAME))
    assert "held back" in _text(waits_rows([wait], FRAME))


def test_tries_and_log_lines() -> None:
    tried = Attempt("1", "root", "", "a@1", 1, AttemptStatus.stored("HELD_BACK"), NOW)
    assert "try 1" in _text(tries_rows(step("root.steps[0]"), [tried], False, FRAME))
    entry = LogLine("1", NOW, LogLevel.stored("AUDIT"), "said")
    assert "audit said" in _text(log_rows((entry,), False, FRAME))


def test_a_step_of_the_tree() -> None:
    tree, _ = tree_of(step("root.steps[0]", status=StepStatus.stored("HELD_BACK")))
    assert shown(tree)[0].startswith("? ")
