"""The human tasks: what runs ask of people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar, Final

from textual import work
from textual.binding import BindingType

from engine.errors import EngineError
from engine.records import TASK_STATUSES, Change, Page, Task, TaskClosed, TaskDetail, TaskFilter
from runstudio_tui.actions import BY_ID, Scope, refusal
from runstudio_tui.domain.filter_words import FilterKey
from runstudio_tui.ports import Backend
from runstudio_tui.screens.base import Handlers, screen_bindings
from runstudio_tui.screens.list_screen import ListScreen
from runstudio_tui.screens.tasks.answer import AnswerDialog
from runstudio_tui.screens.tasks.dialogs import CancelTasksDialog, HandOverDialog
from runstudio_tui.screens.tasks.rows import detail_rows, row_line, title_line
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.task_flows import claim, release
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.line_list import Row
from runstudio_tui.widgets.virtual_list import RowState

TASK_KEYS: Final = (
    FilterKey("status", "state; without it those that are open", TASK_STATUSES),
    FilterKey("run", "run that asks"),
)


class TasksScreen(ListScreen[Task, TaskDetail]):
    """Open tasks, newest first; the detail has context and form."""

    SCOPE = Scope.TASKS
    FILTER_KEYS = TASK_KEYS
    FILTER_EXAMPLE = "status:completed"
    BINDINGS: ClassVar[list[BindingType]] = screen_bindings(Scope.TASKS)

    async def fetch_page(self, after: str | None, limit: int) -> Page[Task]:
        """See ListScreen."""
        values = self.filter.values
        wanted = TaskFilter(run_id=values.get("run"))
        if "status" in values:
            wanted = TaskFilter(frozenset({values["status"]}), values.get("run"))
        return await self.studio.backend.tasks.list(wanted, after=after, limit=limit)

    def heard(self, change: Change) -> None:
        """See StudioScreen."""
        self._poller.nudge()

    def key_of(self, row: Task) -> str:
        """See ListScreen."""
        return row.task_id

    def titles(self, cells: int) -> Line:
        """See ListScreen."""
        return title_line(cells)

    def row_line(self, row: Task, cells: int, state: RowState) -> Line:
        """See ListScreen."""
        return row_line(row, state.marked, self.studio.time.now(), self.studio.zone, cells)

    def empty_text(self) -> Line:
        """See ListScreen."""
        return line(Span("No open task: no run waits for a person. status:completed shows what was answered.", "dim"))

    async def fetch_detail(self, key: str) -> TaskDetail:
        """See ListScreen."""
        return await self.studio.backend.tasks.get(key)

    def detail_rows(self, detail: TaskDetail, cells: int) -> list[Row]:
        """See ListScreen."""
        return detail_rows(detail, self.studio.time.now(), self.studio.zone, cells)

    # --- actions ------------------------------------------------------------------------------------------------------

    def handlers(self) -> Handlers:
        """See StudioScreen."""
        return {
            **super().handlers(),
            "tasks.answer": self._answer,
            "tasks.claim": partial(self._do, claim, "claimed"),
            "tasks.release": partial(self._do, release, "released"),
            "tasks.assign": partial(self._settle, HandOverDialog, "hand over"),
            "tasks.cancel": partial(self._settle, CancelTasksDialog, "cancel"),
        }

    def open_detail(self) -> None:
        """See ListScreen: in the detail, enter opens the run on its line, and answers the task on every other one."""
        row = self.detail.current
        can_answer = not refusal(BY_ID["tasks.answer"], self.situation())
        if self.detail.has_focus and can_answer and (row is None or not row.link):
            self._answer()
        else:
            super().open_detail()

    @work(group="flow", exit_on_error=False)
    async def _do(self, act: Callable[[Backend, str], Awaitable[None]], done: str) -> None:
        task = self.current
        if task is None:
            return
        try:
            await act(self.studio.backend, task.task_id)
        except EngineError as error:
            self.say(error.sentences, Weight.WARNING)
        else:
            self.say(f"{done}: {task.title}")
        self.refresh_rows()

    def _settle(self, dialog: type[HandOverDialog] | type[CancelTasksDialog], what: str) -> None:
        made = dialog(self.studio, self.marked, self.lost_marks, self.studio_app.copy)
        self.studio_app.settle(made, what, self.refresh_rows)

    @work(group="flow", exit_on_error=False)
    async def _answer(self) -> None:
        task = self.current
        if task is None:
            return
        try:
            detail = await self.studio.backend.tasks.get(task.task_id)
        except EngineError as error:
            self.say(error.sentences, Weight.WARNING)
            return
        self.studio_app.ask(AnswerDialog(self.studio, detail, self.studio_app.edit_outside), self._answered)

    def _answered(self, closed: TaskClosed) -> None:
        if closed.delivered:
            before = " (it was before; nothing changed)" if closed.repeated else ""
            self.say(f"answered{before}: its run goes on")
        else:
            self.say(closed.message or "accepted; its run is told as soon as that is possible", Weight.WARNING)
        self.refresh_rows()
