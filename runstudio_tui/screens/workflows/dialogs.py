"""Pausing workflows, letting them start runs again, limiting them, firing their schedules: one or many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from textual.containers import Horizontal

from engine.records import Workflow
from runstudio_tui.domain.present import moment
from runstudio_tui.domain.workflow_facts import active_text, why_paused, workflow_state
from runstudio_tui.screens.dialogs.targets import SettlingDialog, Words, outcome_rows
from runstudio_tui.store.session import Studio
from runstudio_tui.store.targets import TargetOf
from runstudio_tui.store.workflow_flows import FireFlow, LimitFlow, PauseFlow, UnpauseFlow
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import cut, pad
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Span, line
from runstudio_tui.widgets.line_list import Row

_NO_LIMIT: Final = "none"
Copy = Callable[[str, str], str]


class WorkflowsDialog(SettlingDialog[Workflow]):
    """Draws workflows as targets."""

    NOUN = "workflow"
    NOUN_ALL = "workflows"

    def rows_of(self, target: TargetOf[Workflow], now: datetime, zone: tzinfo, cells: int) -> list[Row]:
        """See SettlingDialog."""
        row = target.row
        version = f"v{row.published_version}" if row.published_version is not None else "no version"
        head = line(pad(cut(safe(row.name), 30), 31), Span(pad(version, 6), "dim"))
        said = f"{safe(target.text)} {target.made}".strip() or self.about(row, now, zone)
        return outcome_rows(head, said, target.outcome, self.text_of(target), cells)

    def about(self, row: Workflow, now: datetime, zone: tzinfo) -> str:
        """What to know of a workflow before anything is done to it. Safe to draw."""
        state = workflow_state(row)
        return f"{state.glyph} {state.word}" if state is not None else f"{active_text(row)} active"

    def text_of(self, target: TargetOf[Workflow]) -> str:
        """See SettlingDialog."""
        said = f"{safe(target.text)} {target.made}".strip()
        return f"{safe(target.row.workflow_id)}  {said or ('paused' if target.row.paused else 'active')}"


class PauseDialog(WorkflowsDialog):
    """Let workflows start no runs."""

    WORDS = Words(
        do="Pause",
        doing="pausing",
        done="paused",
        keep="Leave it",
        keep_all="Leave them",
        about="Starts by hand are refused; triggers and its schedule queue runs. Runs that are under way go on.",
        about_all="Starts by hand are refused; triggers and their schedules queue runs. Runs that are under way go on.",
    )

    def __init__(self, studio: Studio, rows: Sequence[Workflow], lost: int, copy: Copy) -> None:
        super().__init__(studio, lambda changed: PauseFlow(studio, rows, changed), lost, copy)


class UnpauseDialog(WorkflowsDialog):
    """Let workflows start runs again."""

    WORDS = Words(
        do="Unpause",
        doing="unpausing",
        done="unpaused",
        keep="Leave it",
        keep_all="Leave them",
        about="It starts runs again, first those that were queued meanwhile.",
        about_all="They start runs again, first those that were queued meanwhile.",
        asks_reason=False,
    )

    def __init__(self, studio: Studio, rows: Sequence[Workflow], lost: int, copy: Copy) -> None:
        super().__init__(studio, lambda changed: UnpauseFlow(studio, rows, changed), lost, copy)

    def about(self, row: Workflow, now: datetime, zone: tzinfo) -> str:
        """See WorkflowsDialog: who paused it, and why."""
        if row.pause is None:
            return super().about(row, now, zone)
        reason = safe(why_paused(row))
        return f"paused {moment(row.pause.at, now, zone)} by {safe(row.pause.by)}" + (f": {reason}" if reason else "")


class FireDialog(WorkflowsDialog):
    """Start one run of each now, as its schedule would."""

    WORDS = Words(
        do="Fire",
        doing="firing",
        done="fired",
        keep="Leave it",
        keep_all="Leave them",
        about="One run is started now, with the payload of the schedule. Its own times come all the same.",
        about_all="One run of each is started now, with the payload of its schedule. Their own times come all the same.",
    )

    def __init__(self, studio: Studio, rows: Sequence[Workflow], lost: int, copy: Copy) -> None:
        super().__init__(studio, lambda changed: FireFlow(studio, rows, changed), lost, copy)

    def about(self, row: Workflow, now: datetime, zone: tzinfo) -> str:
        """See WorkflowsDialog: when it would come by itself."""
        due = row.schedule.next_fire_at if row.schedule is not None else None
        return f"next by itself {moment(due, now, zone)}" if due is not None else super().about(row, now, zone)


class LimitDialog(WorkflowsDialog):
    """Set how many runs may be active at once."""

    WORDS = Words(
        do="Limit",
        doing="limiting",
        done="limited",
        keep="Leave it",
        keep_all="Leave them",
        about="Above it, starts by hand are refused and triggers wait; child runs do not count. No run is ended.",
        about_all="Above it, starts by hand are refused and triggers wait; child runs do not count. No run is ended.",
        asks_reason=False,
    )
    DEFAULT_CSS = """
    LimitDialog #limit-line { height: 1; }
    """

    def __init__(self, studio: Studio, rows: Sequence[Workflow], lost: int, copy: Copy) -> None:
        self._rows = tuple(rows)
        super().__init__(studio, lambda changed: self._made(studio, changed), lost, copy)

    def _made(self, studio: Studio, changed: Callable[[], None]) -> LimitFlow:
        self._limiting = LimitFlow(studio, self._rows, changed)
        return self._limiting

    def body(self) -> Iterable[Any]:
        """See Dialog."""
        with Horizontal(id="limit-line"):
            yield Bar(classes="label", id="limit-label")
            yield LineInput(id="limit", placeholder="a number of active runs, or none", max_length=10)
        yield from super().body()

    def on_mount(self) -> None:
        """Focus on the number, which begins as it is now where all have the same."""
        self.query_one("#limit-label", Bar).show(lambda _: [line("At most")])
        limits = {row.limit for row in self._rows}
        field = self.query_one("#limit", LineInput)
        if len(limits) == 1:
            field.value = str(*limits) if limits != {0} else _NO_LIMIT
        self.call_after_refresh(field.focus)

    def _problem(self) -> str:
        text = self.query_one("#limit", LineInput).value.strip().casefold()
        if text == _NO_LIMIT:
            self._limiting.limit = 0
        elif text.isascii() and text.isdigit() and 0 < int(text) < 2**31:
            self._limiting.limit = int(text)
        elif self._limiting.eligible:
            return "type how many runs may be active at once, or none for any number"
        return super()._problem()
