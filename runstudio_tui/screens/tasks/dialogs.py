"""Canceling tasks and handing them over: one or many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Any

from textual.containers import Horizontal

from engine.records import Task
from runstudio_tui.domain.record_states import task_state
from runstudio_tui.screens.dialogs.targets import SettlingDialog, Words, outcome_rows
from runstudio_tui.store.session import Studio
from runstudio_tui.store.targets import TargetOf
from runstudio_tui.store.task_flows import CancelTasksFlow, HandOverFlow
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import cut, pad
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Span, line
from runstudio_tui.widgets.line_list import Row


class TasksDialog(SettlingDialog[Task]):
    """Draws tasks as targets."""

    NOUN = "task"
    NOUN_ALL = "tasks"

    def rows_of(self, target: TargetOf[Task], now: datetime, zone: tzinfo, cells: int) -> list[Row]:
        """See SettlingDialog."""
        state = task_state(target.row, now)
        head = line(Span(f"{state.glyph} ", state.tone), pad(cut(safe(target.row.title), 32), 33))
        held = f"held by {target.row.claimed_by}" if target.row.claimed_by else state.word
        return outcome_rows(head, safe(target.text) or safe(held), target.outcome, self.text_of(target), cells)

    def text_of(self, target: TargetOf[Task]) -> str:
        """See SettlingDialog."""
        return f"{target.row.task_id}  {safe(target.row.title)}  {safe(target.text) or target.row.status}"


class CancelTasksDialog(TasksDialog):
    """Close tasks without an answer."""

    WORDS = Words(
        do="Cancel",
        doing="canceling",
        done="canceled",
        keep="Keep it",
        keep_all="Keep them",
        about="The step that asks fails with TASK_CANCELED, which the definition may catch.",
        about_all="The steps that ask fail with TASK_CANCELED, which their definitions may catch.",
    )

    def __init__(self, studio: Studio, rows: Sequence[Task], lost: int, copy: Callable[[str, str], str]) -> None:
        super().__init__(studio, lambda changed: CancelTasksFlow(studio, rows, changed), lost, copy)


class HandOverDialog(TasksDialog):
    """Give tasks to somebody."""

    WORDS = Words(
        do="Hand over",
        doing="handing over",
        done="handed over",
        keep="Keep it",
        keep_all="Keep them",
        about="From then on only they, or an admin, can answer it.",
        about_all="From then on only they, or an admin, can answer them.",
    )
    DEFAULT_CSS = """
    HandOverDialog #to-line { height: 1; }
    """

    def __init__(self, studio: Studio, rows: Sequence[Task], lost: int, copy: Callable[[str, str], str]) -> None:
        super().__init__(studio, lambda changed: self._made(studio, rows, changed), lost, copy)

    def _made(self, studio: Studio, rows: Sequence[Task], changed: Callable[[], None]) -> HandOverFlow:
        self._hand_over = HandOverFlow(studio, rows, changed)
        return self._hand_over

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        with Horizontal(id="to-line"):
            yield Bar(classes="label", id="to-label")
            yield LineInput(id="to", placeholder="name of who gets it", max_length=200)
        yield from super().body()

    def on_mount(self) -> None:
        """Focus on who gets it."""
        self.query_one("#to-label", Bar).show(lambda _: [line("To")])
        if self._hand_over.eligible:
            self.call_after_refresh(self.query_one("#to", LineInput).focus)

    def _problem(self) -> str:
        self._hand_over.to = self.query_one("#to", LineInput).value.strip()
        if self._hand_over.eligible and not self._hand_over.to:
            return "say who gets it"
        return super()._problem()
