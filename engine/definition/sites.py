"""The steps of a definition as it was written, in the order of the document, even where it is not a valid definition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from engine.definition.issues import Place
from engine.definition.models import CONTROL_TYPES, NODE_TYPES
from engine.values.json_pointer import segment

KNOWN_TYPES: Final = frozenset((*NODE_TYPES, *CONTROL_TYPES))
_BRANCHES: Final = {
    "control.if": ("then", "else"),
    "control.forEach": ("body",),
    "control.tryCatch": ("try", "catch"),
}


@dataclass(frozen=True, slots=True)
class Site:
    """One step."""

    step: dict[str, Any]
    type: str
    """Empty when it has none."""
    place: Place
    depth: int
    """1 for the steps of the definition itself."""

    @property
    def config(self) -> dict[str, Any]:
        """Its configuration; empty when there is none."""
        config = self.step.get("config")
        return config if isinstance(config, dict) else {}


def sites(definition: Any) -> Iterator[Site]:
    """Every step that is an object. Nothing recurses, however deep the definition."""
    if not isinstance(definition, dict):
        return
    pending = [_placed(definition.get("steps"), "root.steps", 1)]
    while pending:
        site = next(pending[-1], None)
        if site is None:
            pending.pop()
            continue
        yield site
        for branch in reversed(_BRANCHES.get(site.type, ())):
            pending.append(_placed(site.step.get(branch), f"{site.place.path}.{branch}.steps", site.depth + 1))


def unknown_types(types: frozenset[str]) -> tuple[str, ...]:
    """Those of the types of steps that this build does not know, sorted."""
    return tuple(sorted(types - KNOWN_TYPES))


def _placed(steps: Any, path: str, depth: int) -> Iterator[Site]:
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(step, dict):
            step_id, step_type = step.get("id"), step.get("type")
            place = Place(f"{path}[{index}]", step_id if isinstance(step_id, str) and step_id else None)
            yield Site(step, step_type if isinstance(step_type, str) else "", place, depth)


def scan(value: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    """Every expression object (``{"$expr": ...}``) in a JSON value, with its pointer, in the order of the document."""
    pending = [(pointer, value)]
    while pending:
        at, item = pending.pop()
        if isinstance(item, dict):
            if "$expr" in item:
                yield at, item
            else:
                pending.extend((f"{at}/{segment(name)}", child) for name, child in reversed(item.items()))
        elif isinstance(item, list):
            pending.extend((f"{at}/{index}", item[index]) for index in range(len(item) - 1, -1, -1))
