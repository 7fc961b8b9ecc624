"""A payload to begin with, made from its JSON schema: every member, with a default, an example or a value of its type."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from engine.records import Json

MAX_DEPTH: Final = 8
MAX_VALUES: Final = 1000
"""Of one template: schemas can refer to each other so that a short one describes millions of members."""
_EMPTY: Final[dict[str, Json]] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "null": None,
    "array": [],
    "object": {},
}


def template_of(schema: Json) -> Json:
    """The template; an empty object where the schema says nothing. What a schema has inside of itself again is null."""
    made = _Maker(schema).made(schema, (), 0)
    return made if isinstance(made, dict) else {}


class _Maker:
    def __init__(self, root: Json) -> None:
        self._root = root
        self._left = MAX_VALUES

    def made(self, schema: Json, around: tuple[Json, ...], depth: int) -> Json:
        """A value of a schema; ``around`` are those that it is a part of."""
        found = _resolved(schema, self._root)
        self._left -= 1
        if found is None or depth > MAX_DEPTH or self._left < 0 or any(found is outer for outer in around):
            return None
        for name in ("const", "default"):
            if name in found:
                return deepcopy(found[name])
        for name in ("examples", "enum"):
            listed = found.get(name)
            if isinstance(listed, list) and listed:
                return deepcopy(listed[0])
        inner = (*around, found)
        for name in ("allOf", "anyOf", "oneOf"):
            parts = found.get(name)
            if isinstance(parts, list) and parts:
                return self._of_parts(parts if name == "allOf" else parts[:1], found, inner, depth)
        return self._of_type(found, inner, depth)

    def _of_parts(self, parts: list[Json], found: dict[str, Any], around: tuple[Json, ...], depth: int) -> Json:
        """Objects of several parts together; else the first part."""
        made = [self.made(part, around, depth + 1) for part in parts]
        own = self._of_type(found, around, depth) if "properties" in found else {}
        objects = [value for value in (own, *made) if isinstance(value, dict)]
        if len(objects) == len(made) + 1:
            return {name: value for part in objects for name, value in part.items()}
        return made[0]

    def _of_type(self, found: dict[str, Any], around: tuple[Json, ...], depth: int) -> Json:
        kind = found.get("type")
        if isinstance(kind, list):
            kind = next((name for name in kind if name != "null"), "null")
        if kind == "object" or (kind is None and isinstance(found.get("properties"), dict)):
            properties = found.get("properties")
            members = properties.items() if isinstance(properties, dict) else ()
            return {name: self.made(member, around, depth + 1) for name, member in members}
        if kind == "array":
            least = found.get("minItems")
            number = min(max(least, 0), 10) if isinstance(least, int) and not isinstance(least, bool) else 0
            return [self.made(found.get("items"), around, depth + 1)] * number if number else []
        if kind in ("integer", "number") and isinstance(found.get("minimum"), int | float):
            return found["minimum"]
        return deepcopy(_EMPTY.get(str(kind)))


def _resolved(schema: Json, root: Json) -> dict[str, Any] | None:
    """The schema itself, or what its reference inside of the same document names."""
    for _ in range(MAX_DEPTH):
        if not isinstance(schema, dict):
            return None
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        if not reference.startswith("#"):
            return None
        schema = root
        for step in reference[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            schema = schema.get(name) if isinstance(schema, dict) else None
    return None
