"""Why a run is not moving: opens at once, asks, and asks again as long as it is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.records import Diagnosis
from runstudio_tui.screens.chrome import freshness_note
from runstudio_tui.screens.dialogs.listing import ListingDialog
from runstudio_tui.screens.why import why_rows
from runstudio_tui.store.feed import Poller
from runstudio_tui.store.session import Studio
from runstudio_tui.text import short_id
from runstudio_tui.widgets.line import Span, line, plain
from runstudio_tui.widgets.line_list import Row

_SECONDS: Final = 5.0
"""Between two questions: they reach Temporal."""


class WhyDialog(ListingDialog):
    """The findings about one run, kept current."""

    def __init__(self, studio: Studio, run_id: str, copy: Callable[[str, str], str]) -> None:
        super().__init__(f"Why: {short_id(run_id)}", self._rows, copy)
        self._studio = studio
        self._diagnosis: Diagnosis | None = None
        self._poller: Poller[Diagnosis] = Poller(
            clock=studio.clock,
            fetch=lambda: studio.backend.runs.why(run_id),
            apply=self._apply,
            interval=lambda: max(_SECONDS, studio.poll_seconds),
            polled=self._polled,
            broken=studio.report_bug,
        )

    def on_mount(self) -> None:
        """Ask."""
        self._poller.start()

    async def on_unmount(self) -> None:
        """Ask no more."""
        await self._poller.stop()

    def _apply(self, diagnosis: Diagnosis) -> None:
        self._diagnosis = diagnosis

    def _polled(self) -> None:
        if not self.is_attached:
            return
        self.refresh_rows()
        fresh = self._poller.freshness
        told = plain(freshness_note(fresh, self._studio.poll_seconds)) or (fresh.error if fresh.failures else "")
        self.tell(told, "attention")

    def _rows(self, cells: int) -> list[Row]:
        if self._diagnosis is None:
            asked = " asking Temporal…" if not self._poller.freshness.failures else " nothing is known yet"
            return [Row(line(Span(asked, "dim")))]
        return why_rows(self._diagnosis, cells)
