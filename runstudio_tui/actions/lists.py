"""Actions of every list."""

from __future__ import annotations

from typing import Final

from runstudio_tui.actions.kinds import Action, Scope

LISTS: Final = (
    Action("list.up", ("up", "k"), "up", "One line up.", Scope.LIST, palette=False),
    Action("list.down", ("down", "j"), "down", "One line down.", Scope.LIST, palette=False),
    Action("list.page_up", ("pageup", "ctrl+b"), "page up", "One page up.", Scope.LIST, palette=False),
    Action("list.page_down", ("pagedown", "ctrl+f"), "page down", "One page down.", Scope.LIST, palette=False),
    Action(
        "list.top", ("home", "g"), "top", "To the top; in the runs list, follow what is new.", Scope.LIST, palette=False
    ),
    Action(
        "list.left",
        ("less_than_sign",),
        "left",
        "Lines that are longer than the screen: to their beginning.",
        Scope.LIST,
        palette=False,
    ),
    Action(
        "list.right",
        ("greater_than_sign",),
        "right",
        "Lines that are longer than the screen: to what is cut off.",
        Scope.LIST,
        palette=False,
    ),
    Action("list.end", ("end", "G"), "end", "To the end; loads what is not loaded yet.", Scope.LIST, palette=False),
)
