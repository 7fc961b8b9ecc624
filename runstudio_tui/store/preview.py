"""The run shown beside a list, kept current like one with a screen of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from engine.records import Change, Diagnosis, RunStatus
from runstudio_tui.store.feed import Poller
from runstudio_tui.store.run import SETTLE, WHY_KEPT, OnDemand, RunAnswer, RunStore
from runstudio_tui.store.session import Studio

_NOTHING: Final = "nothing to show"


class PreviewedRun:
    """One run, or none. ``opened`` is called when it is another one, ``changed`` whenever something is to be drawn."""

    def __init__(self, studio: Studio, opened: Callable[[], None], changed: Callable[[], None]) -> None:
        self._studio = studio
        self._opened = opened
        self._changed = changed
        self.store: RunStore | None = None
        self._wanted: str | None = None
        self._focused = False
        """True once the tree was opened at what matters."""
        self._settling: asyncio.Task[None] | None = None
        self._why: OnDemand[Diagnosis] = OnDemand(self._ask_why, changed, clock=studio.clock, keep=WHY_KEPT)
        self.poller: Poller[RunAnswer | None] = Poller(
            clock=studio.clock,
            fetch=self._fetch,
            apply=self._apply,
            interval=lambda: studio.poll_seconds if self.store is not None and self.store.live else None,
            polled=changed,
            broken=studio.report_bug,
        )
        self.poller.pause(_NOTHING)

    @property
    def why(self) -> Diagnosis | None:
        """Why it does not move, as far as it was asked; None for a run that is over."""
        body, store = self._why.body, self.store
        if store is None or store.summary is None or store.summary.row.status.ended:
            return None
        return body.value if body is not None and body.key == store.run_id else None

    def show(self, run_id: str | None) -> None:
        """Show another run, once the cursor has rested on it."""
        if run_id == self._wanted:
            return
        self._wanted = run_id
        if self._settling is not None:
            self._settling.cancel()
        if run_id is None:
            self.store = None
            self.poller.pause(_NOTHING)
            self._changed()
        else:
            self._settling = asyncio.create_task(self._settle(run_id))

    def hears(self, change: Change) -> None:
        """A change notice: read again when it is about this run."""
        if change.run_id is None or change.run_id == self._wanted:
            self.poller.nudge()

    def stop(self) -> None:
        """Give up what is on its way."""
        self._why.stop()
        if self._settling is not None:
            self._settling.cancel()

    async def _settle(self, run_id: str) -> None:
        await self._studio.clock.wait(asyncio.Event(), SETTLE)
        self.store = RunStore(self._studio.backend, self._studio.time, run_id)
        self._focused = False
        self._opened()
        self._changed()
        self.poller.go_on(_NOTHING)
        self.poller.retarget()

    async def _fetch(self) -> RunAnswer | None:
        return await self.store.fetch() if self.store is not None else None

    def _apply(self, answer: RunAnswer | None) -> None:
        store = self.store
        if store is None or answer is None:
            return
        store.apply(answer)
        if not self._focused and store.complete:
            self._focused = True
            focus = store.executions.focus()
            if focus is not None:
                store.tree.reveal(focus)
        waits = store.summary is not None and store.summary.row.status is RunStatus.WAITING
        stalled = store.summary is not None and store.summary.row.stalled_at(self._studio.time.now())
        if waits or stalled or store.stuck:
            self._why.look_at(store.run_id, again=True)

    async def _ask_why(self, key: object) -> Diagnosis:
        return await self._studio.backend.runs.why(str(key))
