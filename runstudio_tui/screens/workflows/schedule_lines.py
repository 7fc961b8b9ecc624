"""The schedule of a workflow as lines: when, the next times, what came of the last ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from engine.records import Fire, Schedule
from runstudio_tui.domain.present import full_moment, moment
from runstudio_tui.screens.detail_rows import fact, heading
from runstudio_tui.store.run import Body
from runstudio_tui.text import short_id
from runstudio_tui.widgets.line_list import Row

_NO_WORKER: Final = "No worker has decided about it: System (6) and runstudio doctor say what is down."
_FIRE_TONES: Final = {"started": "ok", "skipped": "canceled", "missed": "attention", "failed": "failed"}

Times = Body[tuple[datetime, ...]] | None
"""The next times; they may still be on their way, or have failed."""


@dataclass(frozen=True, slots=True)
class View:
    """For whom lines are made: now by the server's clock, the viewer's zone, the width."""

    now: datetime
    zone: tzinfo
    cells: int


def schedule_rows(row: Schedule, times: Times, fires: tuple[Fire, ...], view: View, *, paused: bool) -> list[Row]:
    """All lines of a schedule. ``paused``: its workflow is."""
    cells = view.cells
    rows = [heading("schedule")]
    when = f"{row.cron} {row.timezone}" if row.cron is not None else f"once, {to_the_second(row.run_at, view.zone)}"
    rows += fact("when", when, cells)
    status = f"{row.status}, Temporal not told yet" if row.pending else row.status
    rows += fact("status", status, cells, "failed" if row.status == "failed" else "text")
    if row.overdue and row.next_fire_at is not None:
        since = moment(row.next_fire_at, view.now, view.zone)
        rows += fact("overdue", f"since {since}. {_NO_WORKER}", cells, "attention")
    if row.last_error:
        rows += fact("error", row.last_error, cells, "failed")
    rows += _time_rows(row, times, view)
    if paused and row.status == "scheduled":
        rows += fact("paused", "what comes due meanwhile is queued", cells, "attention")
    if not paused:
        rows += fact("hand", "f fires it once, now", cells, "dim", copy=f"runstudio schedules fire {row.workflow_id}")
    for number, fire in enumerate(fires):
        rows += _fire_rows(fire, "last" if not number else "", view)
    return rows


def to_the_second(at: datetime | None, zone: tzinfo) -> str:
    """A time in full, without its milliseconds."""
    return full_moment(at, zone).partition(".")[0]


def _time_rows(row: Schedule, times: Times, view: View) -> list[Row]:
    if row.status == "paused":
        return fact("next", "none while the workflow is paused", view.cells, "dim")
    if times is None or times.loading:
        return fact("next", "asking Temporal…", view.cells, "dim")
    if times.value is None:
        why = times.error.sentences if times.error is not None else ""
        due = to_the_second(row.next_fire_at, view.zone)
        known = f"{due} as far as is known. " if row.next_fire_at is not None else ""
        return fact("next", f"{known}{why}", view.cells, "attention")
    if not times.value:
        return fact("next", "none is to come", view.cells, "dim")
    rows: list[Row] = []
    for number, at in enumerate(times.value):
        label = "" if number else "next"
        rows += fact(label, to_the_second(at, view.zone), view.cells, copy=at.isoformat())
    return rows


def _fire_rows(fire: Fire, label: str, view: View) -> list[Row]:
    run = f" {short_id(fire.run_id)}" if fire.run_id else ""
    text = f"{moment(fire.scheduled_for, view.now, view.zone)} {fire.outcome}{run}"
    link = f"run:{fire.run_id}" if fire.run_id else ""
    rows = fact(label, text, view.cells, _FIRE_TONES[fire.outcome], copy=fire.run_id, link=link)
    return [*rows, *fact("", fire.reason, view.cells, "dim")] if fire.reason else rows
