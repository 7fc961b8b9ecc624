"""Runs as plain text, in the words of the studio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from engine.records import RunRow, RunSummary, Step, Wait, WaitStatus
from runstudio_tui.domain.effective import STEP_STATES, mark_of, run_state
from runstudio_tui.domain.executions import Executions
from runstudio_tui.domain.present import NOTHING, elapsed, full_moment, moment, step_place, trigger_text, where

HEADINGS = ("RUN", "STATUS", "WORKFLOW", "WHERE", "TRY", "STARTED", "FOR")


def columns(row: RunRow, now: datetime, zone: tzinfo) -> tuple[str, ...]:
    """One line of the list, in the order of ``HEADINGS``; the id is whole, so that it can be copied."""
    mark = mark_of(row, now)
    state = run_state(row)
    return (
        row.run_id,
        f"{mark.glyph} {state.word}" if mark else f"{state.glyph} {state.word}",
        f"{row.workflow_name} v{row.version}",
        where(row, now, zone),
        str(row.attempt) if row.attempt else NOTHING,
        moment(row.started_at, now, zone),
        elapsed(row.started_at, row.completed_at, now),
    )


def lines(
    summary: RunSummary, steps: Sequence[Step], waits: Sequence[Wait], now: datetime, zone: tzinfo
) -> Iterator[str]:
    """A run from top to bottom: what it is, how it is, what every step did, what it waits for."""
    row = summary.row
    state = run_state(row)
    yield f"{state.glyph} {state.word}  {row.workflow_name} v{row.version}  {row.run_id}"
    yield f"  where    {where(row, now, zone) or NOTHING}"
    yield f"  started  {full_moment(row.started_at, zone)}  for {elapsed(row.started_at, row.completed_at, now)}"
    yield f"  trigger  {trigger_text(row)}"
    if summary.error is not None:
        code = f" {summary.error.code}" if summary.error.code else ""
        yield f"  error    {summary.error.category}{code}: {summary.error.message}"
    for related, ids in (("parent", (row.parent,)), ("replays", summary.replayed_by), ("children", summary.children)):
        if any(ids):
            yield f"  {related}  {' '.join(str(run_id) for run_id in ids)}"
    yield ""
    executions = Executions()
    executions.apply(steps)
    executions.run_is_at(None if row.status.ended else row.node_path, row.iteration)
    for step in sorted(steps, key=lambda step: (step.started_at or now, step.path)):
        shown = STEP_STATES[executions.status(step)]
        tries = f"  try {step.attempt}" if step.attempt > 1 else ""
        handled = f"  ({step.handled_by})" if step.handled_by else ""
        error = f"  {step.error.code or step.error.category}: {step.error.message}" if step.error else ""
        took = elapsed(*executions.span(step), now)
        yield f"{shown.glyph} {step_place(step.step_id, step.iteration)}  {step.step_type}  {took}{tries}{handled}{error}"
    for wait in waits:
        if wait.status is WaitStatus.WAITING:
            what = " ".join(part for part in (wait.kind.value, wait.event_name, wait.key) if part)
            due = f" until {full_moment(wait.until, zone)}" if wait.until else ""
            yield f"waits for {what} since {full_moment(wait.created_at, zone)}{due}"
