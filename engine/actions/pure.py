"""The pure actions, by name: what a workflow runs in its own process, without an activity.

Reachable from workflow code, so nothing here (or imported from here) does I/O or reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from engine.actions.builtin.text_room import too_large
from engine.actions.builtin.transform_compose import COMPOSE_ACTIONS
from engine.actions.builtin.transform_json import JSON_ACTIONS
from engine.actions.builtin.transform_number import NUMBER_ACTIONS
from engine.actions.builtin.transform_text import TEXT_ACTIONS
from engine.actions.builtin.transform_time import TIME_ACTIONS
from engine.actions.builtin.transform_value import VALUE_ACTIONS
from engine.actions.pure_action import PureAction, PureScope
from engine.actions.schema import parse_input
from engine.values.json_size import json_size
from engine.values.request_limits import MAX_VALUE_BYTES

_ALL: Final = (*JSON_ACTIONS, *TEXT_ACTIONS, *VALUE_ACTIONS, *NUMBER_ACTIONS, *TIME_ACTIONS, *COMPOSE_ACTIONS)
PURE_ACTIONS: Final[Mapping[tuple[str, int], PureAction]] = MappingProxyType(
    {(action.id, action.version): action for action in _ALL}
)


def is_pure(action_id: str, version: int) -> bool:
    """Whether ``run_pure`` knows the action."""
    return (action_id, version) in PURE_ACTIONS


def run_pure(
    action_id: str,
    version: int,
    action_input: Any,
    *,
    step_config: Any,
    context: Mapping[str, Any],
    now_iso: Callable[[], str],
    earlier: bool = False,
) -> Any:
    """The output of a pure action, a JSON value that may share parts with its input.

    Raises ``StepFailure``: ``ActionError`` (``ACTION_INPUT_INVALID``) when the input does not fit, ``PAYLOAD_TOO_LARGE`` when
    the output has more than ``MAX_VALUE_BYTES``, else what the action says. ``KeyError`` for what ``is_pure`` does not know.
    """
    action = PURE_ACTIONS[action_id, version]
    parsed = parse_input(action.label, action.input_model, action_input)
    output = action.run(parsed, PureScope(step_config, context, now_iso, earlier))
    if json_size(output, MAX_VALUE_BYTES) > MAX_VALUE_BYTES:
        raise too_large()
    return output
