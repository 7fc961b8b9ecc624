"""Tasks as lines: a row of the list, and the detail."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Final

from engine.records import OPEN_TASK_STATUSES, Document, Task, TaskDetail
from runstudio_tui.domain.present import full_moment, live_duration, moment, step_place
from runstudio_tui.domain.record_states import is_late, task_state
from runstudio_tui.screens.detail_rows import fact, heading, json_rows, told
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.cells import cut, pad
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.line_list import Row

_STATUS: Final = 12
_WHO: Final = 12
_TIMES: Final = 12 + 9
_WITH_TIMES: Final = 70
"""Cells from which due time and age stand in a row; below, the detail has them."""


def title_line(cells: int) -> Line:
    """The heading of the list."""
    times = f"{pad('DUE', 12)}ASKED" if cells >= _WITH_TIMES else ""
    return line(
        Span(
            cut(f"  {pad('STATUS', _STATUS)}{pad('TASK', _title_cells(cells))} {pad('WHO', _WHO)}{times}", cells), "dim"
        )
    )


def row_line(task: Task, marked: bool, now: datetime, zone: tzinfo, cells: int) -> Line:
    """One row of the list."""
    state = task_state(task, now)
    who = task.completed_by or task.claimed_by or ""
    title = _title_cells(cells)
    due = moment(task.due_at, now, zone) if task.due_at is not None and task.status in OPEN_TASK_STATUSES else ""
    row = line(
        Span("* " if marked else "  ", "accent"),
        Span(pad(f"{state.glyph} {state.word}", _STATUS), state.tone),
        pad(cut(safe(task.title), title), title) + " ",
        pad(cut(safe(who), _WHO - 1), _WHO),
    )
    if cells < _WITH_TIMES:
        return row
    return (
        *row,
        Span(pad(due, 12), "attention" if is_late(task, now) else "dim"),
        Span(moment(task.created_at, now, zone), "dim"),
    )


def _title_cells(cells: int) -> int:
    return max(cells - 3 - _STATUS - _WHO - (_TIMES if cells >= _WITH_TIMES else 0), 10)


def detail_rows(detail: TaskDetail, now: datetime, zone: tzinfo, cells: int) -> list[Row]:
    """Everything of one task."""
    row = detail.row
    state = task_state(row, now)
    rows = told(row.title, cells, "strong", indent=1)
    if row.description:
        rows += told(row.description, cells)
    rows += fact("status", f"{state.glyph} {state.word}", cells, state.tone)
    if is_late(row, now) and row.due_at is not None:
        late = live_duration((now - row.due_at).total_seconds())
        rows += fact("due", f"{full_moment(row.due_at, zone)}, {late} ago", cells, "attention")
    elif row.due_at is not None:
        rows += fact("due", full_moment(row.due_at, zone), cells)
    rows += fact(
        "run", f"{safe(row.workflow_id)} {short_id(row.run_id)}", cells, copy=row.run_id, link=f"run:{row.run_id}"
    )
    rows += fact("step", step_place(row.path, row.iteration), cells)
    rows += fact("type", row.task_type, cells)
    rows += fact("asked", full_moment(row.created_at, zone), cells)
    if row.claimed_by is not None:
        rows += fact("held by", f"{row.claimed_by} since {full_moment(row.claimed_at, zone)}", cells)
    if row.completed_at is not None:
        rows += fact("ended", f"{full_moment(row.completed_at, zone)} by {row.completed_by or '–'}", cells)
    if row.priority:
        rows += fact("priority", row.priority, cells)
    rows += fact("id", row.task_id, cells)
    if detail.undelivered:
        rows += fact(
            "delivery", f"its run was not told yet: {detail.delivery_error or 'it is about to be'}", cells, "attention"
        )
    for name, document in (("context", detail.context), ("answer", detail.response)):
        if document is not None:
            rows += [heading(name), *json_rows(document)]
    if detail.form is not None:
        rows += [heading("form (JSON schema)"), *json_rows(Document(detail.form))]
    elif row.status in OPEN_TASK_STATUSES:
        rows += told("This task type has no form: any JSON object will do.", cells, "dim")
    return rows
