"""The workflows: what is published, what starts it, and whether it may start runs."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.binding import BindingType

from engine.records import Page, Published, Workflow
from runstudio_tui.actions import Scope
from runstudio_tui.domain.filter_words import FilterKey
from runstudio_tui.domain.workflow_facts import STARTERS, STATES, matches
from runstudio_tui.screens.base import Handlers, screen_bindings
from runstudio_tui.screens.list_screen import ListScreen
from runstudio_tui.screens.workflows.dialogs import (
    FireDialog,
    LimitDialog,
    PauseDialog,
    UnpauseDialog,
    WorkflowsDialog,
)
from runstudio_tui.screens.workflows.overview import overview_rows
from runstudio_tui.screens.workflows.publish import PublishDialog
from runstudio_tui.screens.workflows.rows import row_line, title_line
from runstudio_tui.screens.workflows.schedule_lines import View
from runstudio_tui.screens.workflows.version import VersionScreen
from runstudio_tui.store.session import Studio
from runstudio_tui.store.workflow_detail import WorkflowDetail, WorkflowDetails
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.line_list import Row
from runstudio_tui.widgets.virtual_list import RowState

WORKFLOW_KEYS: Final = (
    FilterKey("state", "whether it may start runs", STATES),
    FilterKey("by", "what its latest version is started by", STARTERS),
)


class WorkflowsScreen(ListScreen[Workflow, WorkflowDetail]):
    """Workflows by name; the detail has everything of one."""

    SCOPE = Scope.WORKFLOWS
    FILTER_KEYS = WORKFLOW_KEYS
    FILTER_EXAMPLE = "state:paused order"
    BINDINGS: ClassVar[list[BindingType]] = screen_bindings(Scope.WORKFLOWS)

    def __init__(self, studio: Studio, page_scroll: bool = False) -> None:
        super().__init__(studio, page_scroll)
        self._details = WorkflowDetails(studio, self.show_detail)

    async def on_unmount(self) -> None:
        """Stop asking."""
        self._details.stop()

    async def fetch_page(self, after: str | None, limit: int) -> Page[Workflow]:
        """See ListScreen. A tenant's workflows are few: they are read whole, and filtered here."""
        found = await self.studio.backend.workflows.list()
        rows = tuple(row for row in found if matches(row, self.filter.values, self.filter.words))
        return Page(rows, None, self.studio.time.now())

    def key_of(self, row: Workflow) -> str:
        """See ListScreen."""
        return row.workflow_id

    def titles(self, cells: int) -> Line:
        """See ListScreen."""
        return title_line(cells)

    def row_line(self, row: Workflow, cells: int, state: RowState) -> Line:
        """See ListScreen."""
        return row_line(row, state.marked, self.studio.time.now(), self.studio.zone, cells)

    def empty_text(self) -> Line:
        """See ListScreen."""
        return line(Span("No workflow yet. N publishes one from a file, and so does runstudio publish.", "dim"))

    async def fetch_detail(self, key: str) -> WorkflowDetail:
        """See ListScreen."""
        row = self.rows.get(key)
        return await self._details.fetch(row if row is not None else await self.studio.backend.workflows.get(key))

    def detail_rows(self, detail: WorkflowDetail, cells: int) -> list[Row]:
        """See ListScreen."""
        view = View(self.studio.time.now(), self.studio.zone, cells)
        times, callers = self._details.times_of(detail.row), self._details.callers_of(detail.row.workflow_id)
        return overview_rows(detail, times, callers, view)

    def open_link(self, link: str) -> None:
        """See ListScreen. Also ``version:N``, ``version:N#STEP`` and ``workflow:ID``."""
        kind, _, name = link.partition(":")
        if kind == "version":
            number, _, path = name.partition("#")
            self._open_version(int(number), path)
        elif kind == "workflow":
            self.seek(name)
        else:
            super().open_link(link)

    def _open_version(self, number: int, path: str = "", *, comparing: bool = False) -> None:
        row = self.current
        if row is not None:
            screen = VersionScreen(self.studio, row.workflow_id, row.name, number, path=path, comparing=comparing)
            self.app.push_screen(screen)

    # --- actions ------------------------------------------------------------------------------------------------------

    def handlers(self) -> Handlers:
        """See StudioScreen."""
        return {
            **super().handlers(),
            "workflows.start": self._start,
            "workflows.pause": lambda: self._settle(PauseDialog, "pause"),
            "workflows.unpause": lambda: self._settle(UnpauseDialog, "unpause"),
            "workflows.limit": lambda: self._settle(LimitDialog, "limit"),
            "workflows.fire": lambda: self._settle(FireDialog, "fire"),
            "workflows.diff": self._compare,
            "workflows.publish": self._publish,
        }

    def _start(self) -> None:
        if self.current is not None:
            self.studio_app.start_workflow(self.current)

    def _settle(self, dialog: type[WorkflowsDialog], what: str) -> None:
        made = dialog(self.studio, self.marked, self.lost_marks, self.studio_app.copy)  # type: ignore[arg-type]
        self.studio_app.settle(made, what, self.refresh_rows)

    def _compare(self) -> None:
        if self.current is not None and self.current.published_version is not None:
            self._open_version(self.current.published_version, comparing=True)

    def _publish(self) -> None:
        self.studio_app.ask(PublishDialog(self.studio, self.studio_app.copy), self._published)

    def _published(self, published: Published) -> None:
        self.refresh_rows()
        self.seek(published.workflow_id)
        name, number = published.workflow_id, published.version
        self.app.push_screen(VersionScreen(self.studio, name, name, number, comparing=True))
        told = "published" if published.created else "nothing was written: this was published before as"
        self.studio_app.tell(f"{told} {name} v{number}")
