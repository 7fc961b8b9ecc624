"""A published definition as a tree of steps: what could run, before looking at what did."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from engine.records import Json
from runstudio_tui.text import safe

BLOCKS: Final[dict[str, tuple[str, ...]]] = {
    "control.if": ("then", "else"),
    "control.forEach": ("body",),
    "control.tryCatch": ("try", "catch"),
}
"""The lists of steps inside each kind of block."""
_PLACE: Final = re.compile(r"(?:\.(then|else|body|try|catch))?\.steps\[(\d+)\]")
LOOP: Final = "control.forEach"
BRANCH: Final = "control.if"
TRY: Final = "control.tryCatch"


@dataclass(frozen=True, slots=True)
class Block:
    """A named list of steps inside a control step."""

    name: str
    """``then``, ``else``, ``body``, ``try`` or ``catch``."""
    nodes: tuple[DefinitionNode, ...]


@dataclass(frozen=True, slots=True)
class DefinitionNode:
    """One step of a definition."""

    path: str
    step_id: str
    step_type: str
    label: str
    """What a reader calls it: its name, or its id, or what a control step does (``if amount > 100``). Safe to draw."""
    detail: str
    """Second column: ``store.put@1``, ``event order.placed``. Safe to draw."""
    blocks: tuple[Block, ...] = ()


def definition_tree(definition: Json) -> tuple[DefinitionNode, ...]:
    """The steps of a definition document. Parts that are not as the language says are left out, never raised on."""
    return _nodes(_dict(definition).get("steps"), "root") if isinstance(definition, dict) else ()


def step_at(definition: Json, path: str) -> Json:
    """The step of a definition document at a path, as it was published; None when there is none."""
    found: Any = definition
    for block, index in _PLACE.findall(path):
        steps = _dict(found).get(block or "steps")
        if not isinstance(steps, list) or int(index) >= len(steps):
            return None
        found = steps[int(index)]
    return None if found is definition else found


def _nodes(steps: Any, prefix: str) -> tuple[DefinitionNode, ...]:
    if not isinstance(steps, list):
        return ()
    return tuple(_node(step, f"{prefix}.steps[{index}]") for index, step in enumerate(steps) if isinstance(step, dict))


def _node(step: dict[str, Any], path: str) -> DefinitionNode:
    step_type = _text(step.get("type"))
    blocks = tuple(
        Block(name, _nodes(step.get(name), f"{path}.{name}"))
        for name in BLOCKS.get(step_type, ())
        if isinstance(step.get(name), list)
    )
    return DefinitionNode(
        path, _text(step.get("id")), step_type, _label(step, step_type), _detail(step, step_type), blocks
    )


def _label(step: dict[str, Any], step_type: str) -> str:
    match step_type:
        case "control.if":
            return f"if {_expression(step.get('condition'))}"
        case "control.forEach":
            return safe(f"for each {_text(step.get('itemVar')) or 'item'}")
        case "control.tryCatch":
            return safe(f"try {_text(step.get('id'))}")
        case _:
            return safe(_text(step.get("name")) or _text(step.get("id")) or step_type)


def _detail(step: dict[str, Any], step_type: str) -> str:
    config = _dict(step.get("config"))
    match step_type:
        case "action.call":
            return safe(f"{_text(config.get('actionId'))}@{config.get('version', '?')}")
        case "event.wait":
            return safe(f"event {_text(config.get('eventName'))}")
        case "time.wait":
            return "time.wait"
        case "human.task":
            return safe(f"task {_text(config.get('taskType'))}")
        case "control.callWorkflow":
            return safe(f"workflow {_text(step.get('workflowId'))} v{step.get('workflowVersion', '?')}")
        case "control.return":
            return "return"
        case "control.if" | "control.forEach" | "control.tryCatch":
            return ""
        case _:
            return safe(step_type)


def _expression(value: Any) -> str:
    return safe(" ".join(_text(_dict(value).get("$expr")).split())) or "?"


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
