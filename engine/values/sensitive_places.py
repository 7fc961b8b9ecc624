"""The places of a value that its JSON schema marks with ``x-sensitive: true``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from engine.values.json_pointer import names_of, pointer_of

Json = Any
Place = tuple[str, ...]

SENSITIVE: Final = "x-sensitive"
_MAX_DEPTH: Final = 64
_MAX_VISITS: Final = 20_000
"""A schema that leads to more places hides the whole value: what cannot be followed was meant to hide something."""
_MAX_FIELDS: Final = 200
_MAX_SHOWN_DEPTH: Final = 12
"""A schema may refer to itself; what is marked is told down to here."""
_SAME_VALUE: Final = ("allOf", "anyOf", "oneOf")
_CONDITIONAL: Final = ("if", "then", "else", "not")


def sensitive_places(value: Json, schema: Json) -> tuple[Place, ...]:
    """Keys and indexes that lead to each marked place that ``value`` has; ``()`` is the value itself.

    Any branch of a schema may mark a place, whether the value fits that branch or not.
    """
    if not is_marked(schema):
        return ()
    found: dict[Place, None] = {}
    visits = 0
    pending: list[tuple[Place, Json, Json]] = [((), value, schema)]
    while pending:
        place, item, rule = pending.pop()
        visits += 1
        if visits > _MAX_VISITS:
            return ((),)
        if not isinstance(rule, dict) or place in found:
            continue
        if rule.get(SENSITIVE) is True:
            found[place] = None
            continue
        if len(place) < _MAX_DEPTH:
            pending += _below(place, item, rule, schema)
    return tuple(found)


def is_marked(schema: Json) -> bool:
    """Whether the mark is anywhere in the schema: most have none, and cost no more than this look."""
    pending = [schema]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            if part.get(SENSITIVE) is True:
                return True
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)
    return False


def sensitive_fields(schema: Json) -> tuple[str, ...]:
    """Where a schema has the mark, as JSON pointers into values: ``/customer/pin``, ``/lines/*/code`` for any of a list or of
    other names, ``""`` for the whole value. At most ``_MAX_FIELDS``.
    """
    found: dict[str, None] = {}
    pending: list[tuple[Place, Json]] = [((), schema)]
    visits = 0
    while pending and len(found) < _MAX_FIELDS and visits < _MAX_VISITS:
        place, rule = pending.pop(0)
        visits += 1
        if not isinstance(rule, dict):
            continue
        if rule.get(SENSITIVE) is True:
            found[pointer_of(*place)] = None
        elif len(place) < _MAX_SHOWN_DEPTH:
            pending += _fields_below(place, rule, schema)
    return tuple(found)


def _fields_below(place: Place, rule: dict[str, Json], document: Json) -> Iterator[tuple[Place, Json]]:
    same = [_at(document, rule[keyword]) for keyword in ("$ref", "$dynamicRef") if isinstance(rule.get(keyword), str)]
    for keyword in _SAME_VALUE:
        same += rule[keyword] if isinstance(rule.get(keyword), list) else []
    same += [rule.get(keyword) for keyword in _CONDITIONAL]
    same += rule["dependentSchemas"].values() if _is_object(rule, "dependentSchemas") else []
    yield from ((place, member) for member in same)
    if _is_object(rule, "properties"):
        yield from (((*place, name), member) for name, member in rule["properties"].items())
    if _is_object(rule, "patternProperties"):
        yield from (((*place, "*"), member) for member in rule["patternProperties"].values())
    for keyword in ("additionalProperties", "unevaluatedProperties", "items", "contains"):
        yield (*place, "*"), rule.get(keyword)
    if isinstance(rule.get("prefixItems"), list):
        yield from (((*place, str(index)), member) for index, member in enumerate(rule["prefixItems"]))


def _below(place: Place, item: Json, rule: dict[str, Json], document: Json) -> Iterator[tuple[Place, Json, Json]]:
    for keyword in ("$ref", "$dynamicRef"):
        if isinstance(rule.get(keyword), str):
            yield place, item, _at(document, rule[keyword])
    for keyword in _SAME_VALUE:
        for member in rule.get(keyword) or () if isinstance(rule.get(keyword), list) else ():
            yield place, item, member
    for keyword in _CONDITIONAL:
        yield place, item, rule.get(keyword)
    if isinstance(item, dict):
        named = rule.get("properties")
        for key, child in item.items():
            if isinstance(named, dict) and key in named:
                yield (*place, key), child, named[key]
            # A pattern is not tried: a marked one hides every field it could mean.
            for member in (
                (rule.get("patternProperties") or {}).values() if _is_object(rule, "patternProperties") else ()
            ):
                yield (*place, key), child, member
            if not (isinstance(named, dict) and key in named):
                yield (*place, key), child, rule.get("additionalProperties")
                yield (*place, key), child, rule.get("unevaluatedProperties")
        for member in (rule.get("dependentSchemas") or {}).values() if _is_object(rule, "dependentSchemas") else ():
            yield place, item, member
    elif isinstance(item, list):
        first = rule.get("prefixItems")
        rules = first if isinstance(first, list) else []
        for index, child in enumerate(item):
            yield (*place, str(index)), child, rules[index] if index < len(rules) else rule.get("items")
            yield (*place, str(index)), child, rule.get("contains")


def _is_object(rule: dict[str, Json], keyword: str) -> bool:
    return isinstance(rule.get(keyword), dict)


def _at(document: Json, reference: str) -> Json:
    if not reference.startswith("#"):
        return None
    current = document
    for name in names_of(reference):
        if isinstance(current, dict):
            current = current.get(name)
        elif isinstance(current, list) and name.isdigit() and int(name) < len(current):
            current = current[int(name)]
        else:
            return None
    return current
