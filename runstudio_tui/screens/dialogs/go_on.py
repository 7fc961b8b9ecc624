"""Let runs that wait for quota go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.records import RunRow
from runstudio_tui.screens.dialogs.targets import TargetsDialog, Words
from runstudio_tui.store.quota import GoOnFlow
from runstudio_tui.store.session import Studio


class GoOnDialog(TargetsDialog):
    """Gives in words what came of it; empty when nothing was sent."""

    WORDS = Words(
        do="Continue",
        doing="asking",
        done="continued",
        keep="Let it wait",
        keep_all="Let them wait",
        about="It goes on from where it waits, as far as the quota allows.",
        about_all="They go on from where they wait, as far as the quota allows.",
        asks_reason=False,
    )

    def __init__(self, studio: Studio, rows: Sequence[RunRow], lost: int, copy: Callable[[str, str], str]) -> None:
        super().__init__(studio, lambda changed: GoOnFlow(studio, rows, changed), lost, copy)
