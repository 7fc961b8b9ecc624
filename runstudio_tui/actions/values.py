"""Actions in a JSON value, wherever one is shown."""

from __future__ import annotations

from typing import Final

from runstudio_tui.actions.kinds import Action, Scope

VALUES: Final = (
    Action(
        "json.fold",
        ("left", "h"),
        "fold",
        "Fold the object or list under the cursor, or go to what holds it.",
        Scope.JSON,
        palette=False,
    ),
    Action("json.unfold", ("right",), "unfold", "Unfold what is under the cursor.", Scope.JSON, palette=False),
    Action(
        "json.open",
        ("enter", "space"),
        "open",
        "Fold or unfold what is under the cursor; show a value whole that is longer than its line.",
        Scope.JSON,
        palette=False,
    ),
    Action("json.fold_all", ("minus",), "fold all", "Fold everything below the top.", Scope.JSON, palette=False),
    Action("json.unfold_all", ("plus",), "unfold all", "Unfold everything.", Scope.JSON, palette=False),
)
