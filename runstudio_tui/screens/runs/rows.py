"""How a run looks as a row of the list, and the line of counters above."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Final

from engine.records import RunCounts, RunFilter, RunRow, RunStatus
from runstudio_tui.domain.effective import RUN_STATES, STUCK_GLYPH, Tone, mark_of, run_state
from runstudio_tui.domain.present import NOTHING, count_text, elapsed, moment, trigger_text, where
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.cells import width
from runstudio_tui.widgets.columns import Cell, Column, fit, heading, lay_out
from runstudio_tui.widgets.line import Line, Span, justify, line

MARK: Final = "▪"
_FRESH: Final = timedelta(minutes=1)
_MARKS: Final = 2
"""Cells for the attention sign and the mark."""

COLUMNS: Final = (
    Column("status", "STATUS", 11, gap=1),
    Column("workflow", "WORKFLOW", 16, grows=1),
    Column("version", "VER", 4, drop=9, right=True),
    Column("where", "WHERE", 24, grows=2, gap=1),
    Column("try", "TRY", 3, drop=4, right=True),
    Column("trigger", "TRIGGER", 20, drop=8),
    Column("started", "STARTED", 9, drop=5, right=True, gap=1),
    Column("for", "FOR", 7, drop=1, right=True),
    Column("id", "RUN", 11, drop=7),
)
Placed = tuple[tuple[Column, int], ...]


class Needs:
    """How many cells the rows seen so far need in the columns that grow. It only rises, so that columns do not jump about."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def see(self, rows: Iterable[RunRow], now: datetime, zone: tzinfo) -> None:
        """Take rows into account."""
        for row in rows:
            for name, text in (("workflow", safe(row.workflow_name)), ("where", where(row, now, zone))):
                self._known[name] = max(self._known.get(name, 0), width(text))

    @property
    def cells(self) -> Mapping[str, int]:
        """By the name of the column."""
        return self._known


def place(cells: int, needs: Needs, *, beside_preview: bool) -> Placed:
    """The columns for a width; one cell is left free before the preview."""
    return fit(COLUMNS, cells - _MARKS - beside_preview, needs.cells)


def titles(placed: Placed) -> Line:
    """The heading of the list."""
    return line(" " * _MARKS, *heading(placed))


def row_line(row: RunRow, placed: Placed, marked: bool, now: datetime, zone: tzinfo) -> Line:
    """One run. What ended well more than a minute ago is dim; the stuck and the failed stand out."""
    state, mark = run_state(row), mark_of(row, now)
    attention = mark is not None and mark.glyph == STUCK_GLYPH
    ended = row.status.ended and row.status is not RunStatus.FAILED
    old = ended and row.completed_at is not None and now - row.completed_at > _FRESH
    quiet = "dim" if old else "text"
    figures = "dim" if row.status.ended else "text"
    status_tone = Tone.DIM if old and row.status is RunStatus.SUCCEEDED else state.tone
    cells = {
        "status": Cell(f"{state.glyph} {state.word}", status_tone),
        "workflow": Cell(safe(row.workflow_name), quiet),
        "version": Cell(f"v{row.version}", "dim"),
        "where": Cell(where(row, now, zone), _where_tone(row, attention, quiet)),
        "try": Cell(str(row.attempt) if row.attempt else NOTHING, _try_tone(row, figures)),
        "trigger": Cell(trigger_text(row), "dim"),
        "started": Cell(moment(row.started_at, now, zone), "dim"),
        "for": Cell(elapsed(row.started_at, row.completed_at, now), figures),
        "id": Cell(short_id(row.run_id), "dim"),
    }
    return line(
        Span(mark.glyph if mark else " ", mark.tone if mark else "text"),
        Span(MARK if marked else " ", "accent"),
        *lay_out(placed, cells),
    )


def _where_tone(row: RunRow, attention: bool, quiet: str) -> str:
    if attention:
        return "attention"
    return "failed" if row.status is RunStatus.FAILED and quiet == "text" else quiet


def _try_tone(row: RunRow, figures: str) -> str:
    return "attention" if row.attempt and row.attempt > 3 and not row.status.ended else figures


_COUNTED: Final = (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELED)


def counters(counts: RunCounts | None, query: RunFilter, cells: int) -> Line:
    """Runs by status in a fixed order, those the filter selects in full tone; a click sets the filter."""
    if counts is None:
        return line(Span(" counting…", "dim"))
    spans: list[Span] = [Span(" ")]
    for status in _COUNTED:
        state, count = RUN_STATES[status], counts.of(status)
        chosen = not query.stuck and (not query.statuses or status in query.statuses)
        named = status in (RunStatus.RUNNING, RunStatus.WAITING)
        text = f"{state.glyph} {count_text(count)}" + (f" {state.word}" if named or cells >= 100 else "")
        spans.append(Span(text, state.tone if chosen and count.value else "dim", f"status:{status.value.lower()}"))
        spans.append(Span("   "))
    stuck: Line = ()
    if counts.stuck.value:
        stuck = line(Span(f"{STUCK_GLYPH} {count_text(counts.stuck)} stuck", "attention", "status:stuck"), " ")
    return justify(tuple(spans), stuck, cells)


def matching_text(counts: RunCounts | None, query: RunFilter) -> str:
    """``12 of 241``: runs the list holds, of those under the filter without its status."""
    if counts is None:
        return ""
    total = counts.matching(RunFilter())
    if not query.stuck and not query.statuses:
        return f"{count_text(total)} run{'' if total.value == 1 else 's'}"
    return f"{count_text(counts.matching(query))} of {count_text(total)}"
