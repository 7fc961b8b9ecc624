"""A payload to begin with, made from its JSON schema: every member, with a default, an example or a value of its type."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from engine.records import Json

MAX_DEPTH: Final = 8
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
    """The template; an empty object where the schema says nothing."""
    made = _made(schema, schema, 0)
    return made if isinstance(made, dict) else {}


def _made(schema: Json, root: Json, depth: int) -> Json:
    found = _resolved(schema, root)
    if found is None or depth > MAX_DEPTH:
        return None
    for name in ("const", "default"):
        if name in found:
            return deepcopy(found[name])
    for name in ("examples", "enum"):
        listed = found.get(name)
        if isinstance(listed, list) and listed:
            return deepcopy(listed[0])
    for name in ("allOf", "anyOf", "oneOf"):
        parts = found.get(name)
        if isinstance(parts, list) and parts:
            return _of_parts(parts if name == "allOf" else parts[:1], found, root, depth)
    return _of_type(found, root, depth)


def _of_parts(parts: list[Json], found: dict[str, Any], root: Json, depth: int) -> Json:
    """Objects of several parts together; else the first part."""
    made = [_made(part, root, depth + 1) for part in parts]
    own = _of_type(found, root, depth) if "properties" in found else {}
    objects = [value for value in (own, *made) if isinstance(value, dict)]
    if len(objects) == len(made) + 1:
        return {name: value for part in objects for name, value in part.items()}
    return made[0]


def _of_type(found: dict[str, Any], root: Json, depth: int) -> Json:
    kind = found.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if kind == "object" or (kind is None and isinstance(found.get("properties"), dict)):
        properties = found.get("properties")
        members = properties.items() if isinstance(properties, dict) else ()
        return {name: _made(member, root, depth + 1) for name, member in members}
    if kind == "array":
        least = found.get("minItems")
        number = least if isinstance(least, int) and not isinstance(least, bool) else 0
        return [_made(found.get("items"), root, depth + 1)] * min(max(number, 0), 10)
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
