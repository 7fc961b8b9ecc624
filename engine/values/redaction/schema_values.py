"""What a JSON schema itself holds of the values it describes: defaults, constants, examples, of properties that are hidden."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from engine.values.redaction.sensitive_places import SENSITIVE, Place, fields_below, marks_value, sensitive_places

Json = Any

_LISTED: Final = re.compile(r"(?:.*[^a-z])?(?:enum|examples)", re.IGNORECASE | re.DOTALL)
_HELD: Final = re.compile(
    r"(?:.*[^a-z])?(?:const|content|data|default|enum|examples?|raw|text|val|values?)", re.IGNORECASE | re.DOTALL
)
_NAMED: Final = (
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
    "dependencies",
    "dependentRequired",
)
"""Keywords below which keys are names of properties, or of schemas."""
_OF_A_RULE: Final = frozenset({
    "$ref", "additionalProperties", "allOf", "anyOf", "const", "default", "description", "enum", "examples", "format", "items",
    "maxLength", "maximum", "minLength", "minimum", "not", "oneOf", "pattern", "properties", "title", "type", SENSITIVE,
})  # fmt: skip
"""Of these a schema has at least one."""
_SIGNS: Final = frozenset({"$schema", "properties", "$defs", "definitions", "allOf", "anyOf", "oneOf", SENSITIVE})
"""One of these is in any schema that has others in it, or a mark."""
_BRANCHES: Final = ("allOf", "anyOf", "oneOf")


@dataclass(frozen=True, slots=True)
class Held:
    """What a schema holds."""

    hidden: tuple[Place, ...]
    """Where values stand that belong to a hidden property."""
    named: frozenset[Place]
    """Where the keys are names of properties: what stands under one is its description, not its value."""


def is_schema(value: dict[str, Json]) -> bool:
    """Whether an object in a definition is a JSON schema."""
    if _SIGNS.isdisjoint(value):
        return False
    if SENSITIVE in value or isinstance(value.get("$schema"), str):
        return True
    properties = value.get("properties")
    if isinstance(properties, dict) and properties:
        return all(map(is_rule, properties.values()))
    named = value.get("$defs", value.get("definitions"))
    if isinstance(named, dict) and named:
        return all(map(is_rule, named.values()))
    return any(isinstance(value.get(name), list) and all(map(is_rule, value[name])) for name in _BRANCHES)


def held_by(schema: dict[str, Json], is_secret: Callable[[str], bool]) -> Held:
    """What a schema holds of properties that are marked in any part of it, or whose name is a secret's."""
    places: dict[int, list[Place]] = {}
    objects = list(_objects(schema))
    for place, part in objects:
        places.setdefault(id(part), []).append(place)
    marked = {
        name
        for _, part in objects
        if isinstance(part.get("properties"), dict)
        for name, rule in part["properties"].items()
        if marks_value(rule, schema)
    }

    def is_hidden(name: str) -> bool:
        return name in marked or is_secret(name)

    hidden: dict[Place, None] = {}
    named: set[Place] = set()
    seen: set[tuple[int, bool]] = set()
    pending: list[tuple[Json, bool]] = [(schema, False)]
    while pending:
        rule, within = pending.pop()
        if not isinstance(rule, dict) or id(rule) not in places or (id(rule), within) in seen:
            continue
        seen.add((id(rule), within))
        within = within or marks_value(rule, schema)
        held = list(_held(rule, schema, is_hidden, within=within))
        for place in places[id(rule)]:
            named.update((*place, keyword) for keyword in _NAMED if isinstance(rule.get(keyword), dict))
            hidden.update(((*place, *at), None) for at in held)
        pending += ((member, within or any(map(is_hidden, at))) for at, member in fields_below((), rule, schema))
        pending += ((member, within or is_hidden(name)) for name, member in _unread(rule))
    return Held(tuple(hidden), frozenset(named))


def _unread(rule: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    """What stands in a schema under names and keywords that lead to no field, which may have schemas in it."""
    for keyword, value in rule.items():
        if keyword in _NAMED and isinstance(value, dict):
            yield from value.items()
        elif not _HELD.fullmatch(keyword):
            yield from ((keyword, item) for item in (value if isinstance(value, list) else [value]))


def _held(rule: dict[str, Json], schema: Json, is_hidden: Callable[[str], bool], *, within: bool) -> Iterator[Place]:
    """Where one schema holds a hidden value, but for those in it."""
    for at, value in values_of(rule):
        if within:
            yield at
            continue
        yield from ((*at, *place) for place in sensitive_places(value, rule, schema))
        yield from ((*at, *place, key) for place, part in _objects(value) for key in part if is_hidden(key))


def values_of(rule: dict[str, Json]) -> Iterator[tuple[Place, Json]]:
    """The values that one schema holds, each of several alone, and where; nothing is no value."""
    for keyword, value in rule.items():
        if not _HELD.fullmatch(keyword) or value in (None, "", [], {}):
            continue
        if isinstance(value, list) and _LISTED.fullmatch(keyword):
            yield from (((keyword, str(index)), one) for index, one in enumerate(value))
        else:
            yield (keyword,), value


def _objects(value: Json) -> Iterator[tuple[Place, dict[str, Json]]]:
    """Every object in a value, and where it stands."""
    pending: list[tuple[Place, Json]] = [((), value)]
    while pending:
        place, part = pending.pop()
        if isinstance(part, dict):
            yield place, part
            pending += [((*place, key), item) for key, item in part.items()]
        elif isinstance(part, list):
            pending += [((*place, str(index)), item) for index, item in enumerate(part)]


def is_rule(value: Json) -> bool:
    """Whether what stands under a name is a schema."""
    return isinstance(value, bool) or (isinstance(value, dict) and not (value and _OF_A_RULE.isdisjoint(value)))
