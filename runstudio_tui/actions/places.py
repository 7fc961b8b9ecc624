"""Actions that every list with a detail has: filter, open, copy, go between list and detail."""

from __future__ import annotations

from runstudio_tui.actions.kinds import Action, Scope, Situation, no_row


def has_row(now: Situation) -> str:
    """There is a row under the cursor."""
    return "" if now.row is not None else no_row(now)


def can_open(now: Situation) -> str:
    """There is a row, and in its detail something that can be opened."""
    return has_row(now) or ("" if now.can_open else "there is nothing to open here")


def mark_actions(scope: Scope) -> tuple[Action, ...]:
    """The actions by which rows of a list of ``scope`` are marked."""
    name = scope.value
    return (
        Action(
            f"{name}.mark", ("space",), "mark", "Mark the row, for doing something to several.", scope, 70, when=has_row
        ),
        Action(
            f"{name}.mark_span",
            ("V",),
            "mark span",
            "Mark everything from the last mark to the cursor.",
            scope,
            when=has_row,
        ),
        Action(f"{name}.mark_all", ("asterisk",), "mark all", "Mark all loaded rows, or none.", scope, when=has_row),
    )


def list_actions(scope: Scope) -> tuple[Action, ...]:
    """The actions of a list of ``scope``; their ids begin with its name."""
    name = scope.value
    return (
        Action(
            f"{name}.open",
            ("enter",),
            "open",
            "Open the detail of the row, or what is under the cursor in it.",
            scope,
            10,
            when=can_open,
        ),
        Action(f"{name}.filter", ("slash",), "filter", "Edit the filter line.", scope, 60),
        Action(
            f"{name}.detail", ("tab", "shift+tab"), "detail", "Go to the detail, and back.", scope, 80, when=has_row
        ),
        Action(f"{name}.beside", ("z",), "detail beside", "Show the detail beside the list, or in its place.", scope),
        Action(f"{name}.copy", ("y",), "copy", "Copy what is under the cursor: an id, a value.", scope, when=has_row),
    )
