"""Events and deliveries as lines: rows of the lists, and the details."""

from __future__ import annotations

from datetime import datetime, tzinfo

from engine.records import Delivery, Event, EventDetail
from engine.wording import counted
from runstudio_tui.domain.present import full_moment, moment, until
from runstudio_tui.domain.record_states import DELIVERY_STATES, EVENT_STATES
from runstudio_tui.screens.detail_rows import fact, heading, json_rows, told
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.cells import cut, pad
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.line_list import Row

WIDE = 100
"""Columns from which names of events and targets have all the room they need."""
_STATUS = 13
_KEY = 16
_AT = 13
_RUN = 9


def event_titles(cells: int) -> Line:
    """The heading of the events."""
    name = _name_cells(cells)
    return line(
        Span(
            cut(f"{pad('STATUS', _STATUS)}{pad('EVENT', name)}{pad('KEY', _KEY)}{pad('SUBMITTED', _AT)}RUN", cells),
            "dim",
        )
    )


def event_line(row: Event, now: datetime, zone: tzinfo, cells: int) -> Line:
    """One row of the events."""
    state, name = EVENT_STATES[row.status], _name_cells(cells)
    return line(
        Span(pad(f"{state.glyph} {state.word}", _STATUS), state.tone),
        pad(cut(safe(row.name), name - 1), name),
        pad(cut(safe(row.key or "–"), _KEY - 1), _KEY),
        Span(pad(moment(row.created_at, now, zone), _AT), "dim"),
        Span(short_id(row.matched_run) if row.matched_run else "–", "dim"),
    )


def _name_cells(cells: int) -> int:
    return max(cells - _STATUS - _KEY - _AT - _RUN, 12)


def event_detail(detail: EventDetail, now: datetime, zone: tzinfo, cells: int) -> list[Row]:
    """Everything of one event."""
    row, state = detail.row, EVENT_STATES[detail.row.status]
    rows = told(row.name, cells, "strong", indent=1)
    rows += fact("status", f"{state.glyph} {state.word}", cells, state.tone)
    if row.error:
        rows += fact("why", row.error, cells, "failed")
    rows += fact("id", row.event_id, cells)
    rows += fact("keys", ", ".join(row.keys) or "none: only waits that take any key, and triggers", cells)
    rows += fact("schema", row.schema_ref or "–", cells)
    rows += fact("submitted", full_moment(row.created_at, zone), cells)
    rows += fact("routed", full_moment(row.processed_at, zone) if row.processed_at else "not yet", cells)
    for run_id in dict.fromkeys((row.matched_run, *(sent.run_id for sent in detail.deliveries))):
        if run_id is not None:
            rows += fact("run", run_id, cells, link=f"run:{run_id}")
    rows.append(heading(f"deliveries ({len(detail.deliveries)})"))
    for sent in detail.deliveries:
        rows += delivery_rows(sent, now, zone, cells)
    if not detail.deliveries:
        waiting = row.status == "received"
        rows += told(
            "Not routed yet: a worker does." if waiting else "No target took it: nothing waited for it.", cells
        )
    rows.append(heading("payload"))
    rows += json_rows(detail.payload) if detail.payload is not None else told("none", cells, "dim")
    return rows


def delivery_rows(row: Delivery, now: datetime, zone: tzinfo, cells: int) -> list[Row]:
    """One delivery: where to, how it stands, and why."""
    state = DELIVERY_STATES[row.status]
    head = line(
        "  ",
        Span(f"{state.glyph} {pad(state.word, 9)}", state.tone),
        f"{delivery_target(row)}  ",
        Span(counted(row.attempts, "attempt"), "dim"),
    )
    rows = [Row(head, copy=row.delivery_id, link=f"run:{row.run_id}" if row.run_id else "")]
    if row.next_attempt_at is not None:
        rows += told(f"next attempt {until(row.next_attempt_at, now, zone)}", cells, "waiting", indent=4)
    why = row.last_error or row.reason
    if why:
        rows += told(why, cells, "failed" if row.status == "failed" else "dim", indent=4)
    return rows


def dead_titles(cells: int) -> Line:
    """The heading of the dead letters."""
    event, to = _dead_cells(cells)
    head = f"  {pad('STATUS', 11)}{pad('EVENT', event)}{pad('TO', to)}{pad('SINCE', 10)}WHY"
    return line(Span(cut(head, cells), "dim"))


def dead_line(row: Delivery, marked: bool, now: datetime, zone: tzinfo, cells: int) -> Line:
    """One row of the dead letters."""
    state, (event, to) = DELIVERY_STATES[row.status], _dead_cells(cells)
    return line(
        Span("* " if marked else "  ", "accent"),
        Span(pad(f"{state.glyph} {state.word}", 11), state.tone),
        pad(cut(safe(row.event_name or "–"), event - 1), event),
        pad(cut(delivery_target(row), to - 1), to),
        Span(pad(moment(row.settled_at or row.created_at, now, zone), 10), "dim"),
        Span(cut(safe(row.last_error or row.reason or ""), max(cells - event - to - 23, 0)), "dim"),
    )


def _dead_cells(cells: int) -> tuple[int, int]:
    """Of the event and of the target: a narrow list keeps room for why."""
    return (22, 26) if cells >= WIDE else (19, 17)


def delivery_target(row: Delivery) -> str:
    """Where a delivery goes: its kind, and the workflow or the beginning of the id. Safe to draw."""
    if not row.target:
        return safe(row.kind)
    return f"{safe(row.kind)} {safe(row.workflow_id) if row.workflow_id else short_id(row.target)}"


def dead_detail(row: Delivery, event: EventDetail | None, now: datetime, zone: tzinfo, cells: int) -> list[Row]:
    """Everything of one dead delivery, and the event it is of."""
    rows = delivery_rows(row, now, zone, cells)
    rows += fact("target", row.target or "none: the event could not be routed", cells)
    rows += fact("key", row.key or "–", cells)
    rows += fact("delivery", row.delivery_id, cells)
    if row.run_id is not None:
        rows += fact("run", row.run_id, cells, link=f"run:{row.run_id}")
    if row.event_id is not None:
        rows += fact("event", row.event_id, cells, link=f"event:{row.event_id}")
    if event is not None and event.payload is not None:
        rows += [heading("payload"), *json_rows(event.payload)]
    return rows
