"""Textual bindings, made from the action table."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from runstudio_tui.actions import Scope, of_scope


def bindings_of(*scopes: Scope) -> list[BindingType]:
    """Bindings that call ``action_act(action id)`` on the node that has them. Their ids are the action ids."""
    return [
        Binding(",".join(action.keys), f"act('{action.id}')", action.label, show=False, id=action.id)
        for action in of_scope(*scopes)
    ]
