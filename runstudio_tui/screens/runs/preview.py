"""The preview beside the list: the run under the cursor, kept current like a screen of its own."""

from __future__ import annotations

import asyncio
from typing import Final

from textual.app import ComposeResult
from textual.widget import Widget

from runstudio_tui.domain.catalog import Change, Diagnosis
from runstudio_tui.domain.models import RunId, RunStatus
from runstudio_tui.screens.runs.preview_lines import preview_lines
from runstudio_tui.store.feed import Poller
from runstudio_tui.store.run import WHY_KEPT, OnDemand, RunAnswer, RunStore
from runstudio_tui.store.session import Studio
from runstudio_tui.widgets.line_list import LineList, Row

_SETTLE: Final = 0.15
"""Seconds the cursor must rest on a run before it is read: a held arrow key reads nothing."""
_NOTHING: Final = "nothing to show"


class Preview(Widget):
    """Shows one run, or none."""

    DEFAULT_CSS = """
    Preview { height: 1fr; }
    """

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio
        self._store: RunStore | None = None
        self._wanted: RunId | None = None
        self._focused = False
        """True once the tree was opened at what matters."""
        self._settling: asyncio.Task[None] | None = None
        self._why: OnDemand[Diagnosis] = OnDemand(self._ask_why, self.redraw, clock=studio.clock, keep=WHY_KEPT)
        self.lines = LineList(id="preview")
        self.poller: Poller[RunAnswer | None] = Poller(
            clock=studio.clock,
            fetch=self._fetch,
            apply=self._apply,
            interval=lambda: studio.poll_seconds if self._store is not None and self._store.live else None,
            polled=self.redraw,
            broken=studio.report_bug,
        )
        self.poller.pause(_NOTHING)

    def compose(self) -> ComposeResult:
        """The lines."""
        yield self.lines

    def show_run(self, run_id: RunId | None) -> None:
        """Show another run, once the cursor has rested on it."""
        if run_id == self._wanted:
            return
        self._wanted = run_id
        if self._settling is not None:
            self._settling.cancel()
        if run_id is None:
            self._store = None
            self.poller.pause(_NOTHING)
            self.redraw()
        else:
            self._settling = asyncio.create_task(self._settle(run_id))

    def hears(self, change: Change) -> None:
        """A change notice: read again when it is about this run."""
        if change.run_id is None or change.run_id == self._wanted:
            self.poller.nudge()

    def redraw(self) -> None:
        """Draw what differs."""
        if self.is_attached:
            self.lines.show_rows(self._rows)

    def stop(self) -> None:
        """Give up what is on its way."""
        self._why.stop()
        if self._settling is not None:
            self._settling.cancel()

    async def _settle(self, run_id: RunId) -> None:
        await self._studio.clock.wait(asyncio.Event(), _SETTLE)
        self._store = RunStore(self._studio.backend.runs, self._studio.time, run_id)
        self._focused = False
        self.lines.action_act("list.top")
        self.redraw()
        self.poller.go_on(_NOTHING)
        self.poller.retarget()

    async def _fetch(self) -> RunAnswer | None:
        return await self._store.fetch() if self._store is not None else None

    def _apply(self, answer: RunAnswer | None) -> None:
        store = self._store
        if store is None or answer is None:
            return
        store.apply(answer)
        if not self._focused and store.complete:
            self._focused = True
            focus = store.executions.focus()
            if focus is not None:
                store.tree.reveal(focus)
        waits = store.summary is not None and store.summary.row.status is RunStatus.WAITING
        if waits or store.stuck:
            self._why.look_at(store.run_id, again=True)

    async def _ask_why(self, key: object) -> Diagnosis:
        return (await self._studio.backend.system.diagnose(RunId(str(key)))).value

    def _rows(self, cells: int) -> list[Row]:
        store = self._store
        if store is None:
            return []
        body = self._why.body
        why = body.value if body is not None and body.key == store.run_id else None
        if store.summary is None or store.summary.row.status.ended:
            why = None
        return [Row(made) for made in preview_lines(store, why, self._studio.time.now(), self._studio.zone, cells)]
