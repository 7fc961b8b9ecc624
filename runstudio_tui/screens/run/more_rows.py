"""The pane More as rows: ids, related runs, what else there is, and the commands that do the same."""

from __future__ import annotations

from engine.records import RelatedRuns, RunRow, RunSummary
from runstudio_tui.domain.effective import mark_of, run_state
from runstudio_tui.domain.present import full_moment, moment
from runstudio_tui.screens.run.pane_rows import Frame, fact, json_rows
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.cells import cut, pad, wrap
from runstudio_tui.widgets.line import Span, line
from runstudio_tui.widgets.line_list import Row

_LABEL = 12


def more_rows(summary: RunSummary, related: RelatedRuns | None, trouble: str, frame: Frame) -> list[Row]:
    """``related``: None while it is not known; ``trouble``: why it could not be read. ``enter`` opens what has a link."""
    row = summary.row
    rows = [Row(line(Span(" Ids", "strong"), Span("  y copies", "dim")))]
    ids = (
        ("run", row.run_id),
        ("workflow", row.workflow_id),
        ("definition", summary.definition_hash),
        ("semantics", summary.semantics_version),
        ("tenant", summary.tenant),
        ("temporal", summary.temporal_workflow_id),
        ("execution", summary.temporal_run_id),
        ("event", summary.trigger_event_id),
        ("schema", summary.payload_schema_ref),
    )
    for label, value in ids:
        if value:
            rows += fact(label, safe(value), frame, copy=value)
    rows += [Row(()), Row(line(Span(" Times", "strong"))), *_times(row, frame)]
    rows += [Row(()), *_related(summary, related, trouble, frame)]
    rows += [Row(()), Row(line(Span(" More of this run", "strong"), Span("  enter opens", "dim")))]
    rows += fact("u audit", "who did what to it, and why", frame, link="pane:audit")
    rows += fact("D definition", "of the step that is chosen", frame, link="pane:definition")
    if summary.has_output:
        rows += fact("output", "its final vars", frame, link="output-of-run")
    if summary.trigger_metadata not in (None, {}, []):
        rows += [Row(()), Row(line(Span(" Trigger", "strong"))), *json_rows(summary.trigger_metadata, frame)]
    rows += [Row(()), Row(line(Span(" Commands that do the same", "strong")))]
    rows += fact("this run", f"runstudio run {safe(row.run_id)}", frame)
    rows += fact("as text", f"runstudio runs show {safe(row.run_id)}", frame)
    rows += fact("export", f"runstudio runs export {safe(row.run_id)} --output FILE", frame)
    if summary.has_snapshots:
        rows += fact("snapshots", f"runstudio runs snapshots {safe(row.run_id)}", frame)
    if not row.read_only:
        rows += fact("state", f"runstudio runs state {safe(row.run_id)} --step PATH", frame)
        rows += fact("cancel", f"runstudio runs cancel {safe(row.run_id)} --reason TEXT", frame)
    rows += fact("replay", f"runstudio runs replay {safe(row.run_id)} --reason TEXT", frame)
    return rows


def _times(row: RunRow, frame: Frame) -> list[Row]:
    rows = fact("started", full_moment(row.started_at, frame.zone), frame)
    rows += fact("changed", full_moment(row.updated_at, frame.zone), frame)
    return rows + fact("ended", full_moment(row.completed_at, frame.zone), frame)


def _related(summary: RunSummary, related: RelatedRuns | None, trouble: str, frame: Frame) -> list[Row]:
    title = Span(" Related runs", "strong")
    if related is None:
        tone = "failed" if trouble else "dim"
        told = wrap(safe(trouble) or "loading…", max(frame.cells - 4, 16))
        return [Row(line(title)), *(Row(line(Span(f"   {part}", tone))) for part in told)]
    named = [
        ("replay of", related.replay_of),
        *(("replayed by", row) for row in related.replays),
        ("parent", related.parent),
        ("root", related.root if related.root is not None and related.root.run_id != summary.run_id else None),
        *(("child", row) for row in related.children),
    ]
    runs = [(label, row) for label, row in named if row is not None]
    if not runs:
        return [Row(line(title)), Row(line(Span("   none", "dim")))]
    return [Row(line(title, Span("  enter opens", "dim"))), *(_run(label, row, frame) for label, row in runs)]


def _run(label: str, row: RunRow, frame: Frame) -> Row:
    state, mark = run_state(row), mark_of(row, frame.now)
    begin = line(
        Span(f" {pad(label, _LABEL)} ", "dim"),
        Span(f"{mark.glyph} " if mark is not None else "", mark.tone if mark is not None else "text"),
        Span(f"{pad(f'{state.glyph} {state.word}', 12)} ", state.tone),
        Span(short_id(row.run_id), "accent"),
        Span(f"  {moment(row.started_at, frame.now, frame.zone)}", "dim"),
    )
    room = frame.cells - sum(len(span.text) for span in begin) - 2
    name = cut(safe(row.workflow_name), room) if room > 8 else ""
    return Row((*begin, Span(f"  {name}")), row.run_id, key=f"{label}:{row.run_id}", link=f"run:{row.run_id}")
