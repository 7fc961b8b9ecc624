"""A sample value for a JSON schema: what a dry run puts where a real answer would come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

_MAX_DEPTH: Final = 12
_MAX_VALUES: Final = 1000
_FORMATS: Final = {
    "date-time": "2026-01-01T00:00:00.000Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_VARIANTS: Final = ("anyOf", "oneOf")


def sample_of(schema: Any) -> Any:
    """A value that fits the schema as far as it says how to build one.

    In order: const, the first of enum, default, the first of examples, merged allOf, the first variant that is not null, then
    by type. Follows local ``$ref``; deeper than 12 levels, and after 1,000 values, everything is null.
    """
    return _sample(schema, schema if isinstance(schema, dict) else {}, 0, iter(range(_MAX_VALUES)))


def _sample(schema: Any, root: dict[str, Any], depth: int, left: Iterator[int]) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH or next(left, None) is None:
        return None
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    for choices in ("enum", "examples"):
        if choices == "examples" and "default" in schema:
            return schema["default"]
        if isinstance(schema.get(choices), list) and schema[choices]:
            return schema[choices][0]
    for name in _VARIANTS:
        for variant in schema.get(name) or ():
            value = _sample(variant, root, depth + 1, left)
            if value is not None:
                return value
    return _by_type(schema, root, depth, left)


def _by_type(schema: dict[str, Any], root: dict[str, Any], depth: int, left: Iterator[int]) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if kind == "object" or (kind is None and "properties" in schema):
        properties = schema.get("properties") or {}
        return {name: _sample(part, root, depth + 1, left) for name, part in properties.items()}
    if kind == "array":
        item = _sample(schema.get("items"), root, depth + 1, left)
        return [] if item is None else [item]
    if kind == "string":
        text: str = _FORMATS.get(str(schema.get("format")), "text")
        return text.ljust(int(schema.get("minLength") or 0), "x")
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return False if kind == "boolean" else None


def _resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """With ``$ref`` followed and ``allOf`` merged in; a reference that leads nowhere is left out."""
    for _ in range(_MAX_DEPTH):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        target: Any = root
        for part in reference[2:].split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**target, **rest} if isinstance(target, dict) else rest
    merged = {name: value for name, value in schema.items() if name != "allOf"}
    for part in schema.get("allOf") or ():
        if isinstance(part, dict):
            added = _resolved(part, root)
            properties = {**(merged.get("properties") or {}), **(added.get("properties") or {})}
            merged = {**merged, **added, **({"properties": properties} if properties else {})}
    return merged
