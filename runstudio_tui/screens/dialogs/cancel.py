"""Cancel one run or many."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.records import RunRow
from runstudio_tui.screens.dialogs.targets import TargetsDialog, Words
from runstudio_tui.store.flows import CancelFlow
from runstudio_tui.store.session import Studio


class CancelDialog(TargetsDialog):
    """Gives in words what came of it; empty when nothing was sent."""

    WORDS = Words(
        do="Cancel",
        doing="canceling",
        done="canceled",
        keep="Keep it",
        keep_all="Keep them",
        about="Children, open waits and tasks of this run are closed too.",
        about_all="Children, open waits and tasks of these runs are closed too.",
    )

    def __init__(self, studio: Studio, rows: Sequence[RunRow], lost: int, copy: Callable[[str, str], str]) -> None:
        super().__init__(studio, lambda changed: CancelFlow(studio, rows, changed), lost, copy)
