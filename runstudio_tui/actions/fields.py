"""Actions while a text is typed on a screen: in its filter line, or in its search."""

from __future__ import annotations

from typing import Final

from runstudio_tui.actions.kinds import Action, Scope, Situation


def _in_filter(now: Situation) -> str:
    return "" if now.typing == "filter" else "only in the filter line"


FIELDS: Final = (
    Action("field.done", ("enter",), "done", "Apply the filter, or keep the matches.", Scope.FIELD, 10, palette=False),
    Action(
        "field.complete",
        ("tab",),
        "complete",
        "Complete the word of the filter; again for the next one that fits.",
        Scope.FIELD,
        20,
        when=_in_filter,
        palette=False,
    ),
    Action("field.leave", ("escape",), "as before", "Leave it as it was before.", Scope.FIELD, 30, palette=False),
)
