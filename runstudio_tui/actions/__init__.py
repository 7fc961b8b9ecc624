"""Everything an operator can do, in one table: keys, footer, help, palette, permissions, danger, command-line twin.

Bindings of screens and lists, the line of keys, ``?``, ctrl+p and docs/keys.md are all made from it, so that they cannot differ.
"""

from __future__ import annotations

from typing import Final

from runstudio_tui.actions.attention import ATTENTION
from runstudio_tui.actions.dialogs import DIALOGS
from runstudio_tui.actions.events import DEAD, EVENTS
from runstudio_tui.actions.everywhere import EVERYWHERE
from runstudio_tui.actions.fields import FIELDS
from runstudio_tui.actions.kinds import Action as Action
from runstudio_tui.actions.kinds import Scope as Scope
from runstudio_tui.actions.kinds import Situation as Situation
from runstudio_tui.actions.kinds import console_refusal as console_refusal
from runstudio_tui.actions.kinds import refusal as refusal
from runstudio_tui.actions.lists import LISTS
from runstudio_tui.actions.run import RUN
from runstudio_tui.actions.runs import RUNS
from runstudio_tui.actions.system import SYSTEM
from runstudio_tui.actions.tasks import TASKS
from runstudio_tui.actions.values import VALUES
from runstudio_tui.actions.workflows import VERSION, WORKFLOWS

PLACE_NAMES: Final = (
    Scope.RUNS.value,
    Scope.EVENTS.value,
    Scope.TASKS.value,
    Scope.WORKFLOWS.value,
    Scope.ATTENTION.value,
    Scope.SYSTEM.value,
)
"""The main screens, in the order of their keys 1 to 6."""

ACTIONS: Final = (
    *RUNS, *RUN, *EVENTS, *DEAD, *TASKS, *WORKFLOWS, *VERSION, *ATTENTION, *SYSTEM, *LISTS, *VALUES, *FIELDS, *DIALOGS,
    *EVERYWHERE,
)  # fmt: skip
BY_ID: Final = {action.id: action for action in ACTIONS}


def of_scope(*scopes: Scope) -> tuple[Action, ...]:
    """Actions of some scopes, in the table's order."""
    return tuple(action for action in ACTIONS if action.scope in scopes)


def footer(scope: Scope, now: Situation) -> tuple[Action, ...]:
    """Actions for the line of keys of a screen: those that work now, in their order. While a text is typed, letters are text."""
    scopes = (Scope.FIELD,) if now.typing else (scope, Scope.EVERYWHERE)
    shown = [
        action
        for action in of_scope(*scopes)
        if action.footer and action.footer_in in (None, scope) and not refusal(action, now)
    ]
    return tuple(sorted(shown, key=lambda action: action.footer))


_KEY_NAMES: Final = {
    "slash": "/",
    "colon": ":",
    "space": "space",
    "question_mark": "?",
    "asterisk": "*",
    "plus": "+",
    "equals_sign": "=",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "minus": "-",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}


def key_text(key: str) -> str:
    """A key as it is written for a reader."""
    return _KEY_NAMES.get(key, key)


def footer_keys(action: Action) -> str:
    """The key of an action in the line of keys: both of a pair of arrows, else the first."""
    if action.keys in (("up", "down"), ("left", "right")):
        return "".join(key_text(key) for key in action.keys)
    return key_text(action.keys[0])
