"""Textual bindings, made from the action table."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from runstudio_tui.actions import BY_ID, Action, Scope, of_scope


def bindings_of(*scopes: Scope) -> list[BindingType]:
    """Bindings that call ``action_act(action id)`` on the node that has them. Their ids are the action ids."""
    return [_binding(action) for action in of_scope(*scopes)]


def bindings_named(*names: str, priority: bool = False) -> list[BindingType]:
    """Bindings of single actions; with ``priority`` also while a widget that takes keys has the focus."""
    return [_binding(BY_ID[name], priority=priority) for name in names]


def _binding(action: Action, *, priority: bool = False) -> Binding:
    call = f"act('{action.id}')"
    return Binding(",".join(action.keys), call, action.label, show=False, priority=priority, id=action.id)
