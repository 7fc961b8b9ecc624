"""Ending a job of the workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo

from engine.records import Job
from runstudio_tui.domain.present import moment
from runstudio_tui.screens.dialogs.targets import SettlingDialog, Words, outcome_rows
from runstudio_tui.store.jobs import EndFlow
from runstudio_tui.store.session import Studio
from runstudio_tui.store.targets import TargetOf
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.cells import pad
from runstudio_tui.widgets.line import Span, line
from runstudio_tui.widgets.line_list import Row


class EndJobDialog(SettlingDialog[Job]):
    """Gives in words what came of it; empty when nothing was sent."""

    NOUN = "job"
    NOUN_ALL = "jobs"
    WORDS = Words(
        do="End",
        doing="ending",
        done="ended",
        keep="Let it go on",
        keep_all="Let them go on",
        about="What is done stays done. An ended job never goes on: hold it up (h) to stop it for a while.",
        about_all="What is done stays done. An ended job never goes on: hold it up (h) to stop it for a while.",
        asks_reason=False,
    )

    def __init__(self, studio: Studio, rows: Sequence[Job], copy: Callable[[str, str], str]) -> None:
        super().__init__(studio, lambda changed: EndFlow(studio, rows, changed), 0, copy)

    def rows_of(self, target: TargetOf[Job], now: datetime, zone: tzinfo, cells: int) -> list[Row]:
        """See SettlingDialog."""
        row = target.row
        head = line(pad(row.kind.value, 11), Span(pad(short_id(row.job_id), 11), "dim"))
        since = f"by {safe(row.actor)} {moment(row.created_at, now, zone)}, {row.left:,} of {row.total:,} left"
        return outcome_rows(head, safe(target.text) or since, target.outcome, self.text_of(target), cells)

    def text_of(self, target: TargetOf[Job]) -> str:
        """See SettlingDialog."""
        row = target.row
        return f"{row.job_id}  {row.kind.value}  {safe(row.filter_text)}  {safe(target.text) or row.state.value}"
