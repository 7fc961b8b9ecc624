"""What the preview beside the list says of a run: header, steps, what it waits for, why."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, tzinfo

from engine.records import Diagnosis, Step, StepStatus, Wait, WaitKind, WaitStatus
from runstudio_tui.domain.effective import STEP_STATES, mark_of, run_state
from runstudio_tui.domain.failure import run_failure
from runstudio_tui.domain.present import elapsed, moment, remaining, trigger_text, until
from runstudio_tui.domain.tree_lines import TreeLine
from runstudio_tui.store.run import RunStore
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.cells import pad, wrap
from runstudio_tui.widgets.line import Line, Span, justify, line


def preview_lines(store: RunStore, why: Diagnosis | None, now: datetime, zone: tzinfo, cells: int) -> list[Line]:
    """All lines for a width; the widget scrolls them."""
    if store.summary is None:
        return [line(Span(" loading…", "dim"))]
    row = store.summary.row
    state, mark = run_state(row), mark_of(row, now)
    took = elapsed(row.started_at, row.completed_at, now)
    lines = [
        justify(
            line(" ", Span(safe(row.workflow_name), "strong"), Span(f" v{row.version}", "dim")),
            line(Span(f"{state.glyph} {state.word} {took} ", state.tone)),
            cells,
        ),
        line(" ", Span(f"{short_id(row.run_id)}   {trigger_text(row)}", "dim")),
    ]
    ended = f", ended {moment(row.completed_at, now, zone)}" if row.completed_at is not None else ""
    if row.started_at is not None:
        lines.append(line(" ", Span(f"started {moment(row.started_at, now, zone)}{ended}", "dim")))
    if mark is not None:
        lines.append(line(" ", Span(f"{mark.glyph} {mark.word}", mark.tone)))
    lines.append(())
    for tree_line in _compact(store.tree.lines(now, lambda step: store.open_wait_of(step) is not None)):
        lines.append(step_line(tree_line, cells))
        lines.extend(_below(store, tree_line, now, zone, cells))
    failure = run_failure(store.summary, _failed_step(store), ())
    if failure is not None:
        lines.append(())
        lines.extend(_wrapped("error: ", safe(f"{failure.code or failure.source}: {failure.message}"), "failed", cells))
    if why is not None and why.causes:
        finding = why.causes[0]
        lines.append(())
        lines.extend(_wrapped("why: ", safe(finding.sentence), "text", cells))
        for evidence in finding.evidence:
            lines.extend(_wrapped("     ", safe(evidence), "dim", cells))
    return lines


def step_line(tree_line: TreeLine, cells: int) -> Line:
    """One line of the tree in a narrow place: glyph, label, detail, how long it took."""
    tone = "dim" if tree_line.dim else "text"
    tail = f"↻ {tree_line.tries}" if tree_line.tries not in ("", "1") else ""
    right = f" {pad(tail, 4)}{pad(tree_line.took, 8, right=True)} "
    left = line(
        "  " * tree_line.depth + " ",
        Span(f"{tree_line.state.glyph} ", tree_line.state.tone),
        Span(tree_line.label, tone),
        Span(f"  {tree_line.detail}" if tree_line.detail else "", "dim"),
    )
    return justify(left, line(Span(right, "dim")), cells)


def _compact(entries: list[TreeLine]) -> list[TreeLine]:
    """Iterations that went well and are not looked into, several in a row, on one line."""
    made: list[TreeLine] = []
    for entry in entries:
        last = made[-1] if made else None
        if (
            last is not None
            and _quiet(entry)
            and _quiet(last)
            and entry.path == last.path
            and entry.depth == last.depth
        ):
            first = last.label.split(" … ")[0]
            made[-1] = replace(last, label=f"{first} … {entry.label}")
        else:
            made.append(entry)
    return made


def _quiet(entry: TreeLine) -> bool:
    return (
        entry.row_id is None and entry.foldable and not entry.open and entry.state == STEP_STATES[StepStatus.SUCCEEDED]
    )


def wait_lines(wait: Wait, now: datetime, zone: tzinfo) -> list[str]:
    """What an open wait is about, a line each."""
    texts: list[str] = []
    if wait.event_name:
        texts.append(f"event {safe(wait.event_name)}" + (f", key {safe(wait.key)}" if wait.key else ", any key"))
    if wait.until is not None:
        is_event = wait.kind is WaitKind.EVENT
        texts.append(f"gives up {remaining(wait.until, now)}" if is_event else f"due {until(wait.until, now, zone)}")
    return texts


def _below(store: RunStore, tree_line: TreeLine, now: datetime, zone: tzinfo, cells: int) -> list[Line]:
    step = store.executions.get(tree_line.row_id) if tree_line.row_id is not None else None
    if step is None or step.status is not StepStatus.STARTED:
        return []
    wait = store.open_wait_of(step)
    if wait is None or wait.status is not WaitStatus.WAITING:
        return []
    indent = "  " * tree_line.depth + "     "
    return [line(indent, Span(text, "dim")) for text in wait_lines(wait, now, zone)]


def _failed_step(store: RunStore) -> Step | None:
    step = store.executions.focus()
    return step if step is not None and step.status is StepStatus.FAILED else None


def _wrapped(head: str, text: str, tone: str, cells: int) -> list[Line]:
    room = max(cells - len(head) - 2, 10)
    texts = wrap(text, room)
    return [
        line(" ", Span(head if place == 0 else " " * len(head), "dim"), Span(part, tone))
        for place, part in enumerate(texts)
    ]
