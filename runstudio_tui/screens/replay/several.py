"""Replay several runs, each with its original input."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.records import RunRow
from runstudio_tui.screens.dialogs.targets import TargetsDialog, Words
from runstudio_tui.store.replay import ReplayManyFlow
from runstudio_tui.store.session import Studio


class ReplayManyDialog(TargetsDialog):
    """Gives in words what came of it; empty when nothing was sent."""

    WORDS = Words(
        do="Replay",
        doing="replaying",
        done="replayed",
        keep="Leave it",
        keep_all="Leave them",
        about="A new run starts with its original input; what it did already is done again.",
        about_all="For each a new run starts, in its version and with its original input; what they did already is done again.",
    )

    def __init__(self, studio: Studio, rows: Sequence[RunRow], lost: int, copy: Callable[[str, str], str]) -> None:
        super().__init__(studio, lambda changed: ReplayManyFlow(studio, rows, changed), lost, copy)
