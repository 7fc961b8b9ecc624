"""The places of a value that its JSON schema marks with ``x-sensitive: true``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from engine.values.json_pointer import names_of

Json = Any
Place = tuple[str, ...]

SENSITIVE: Final = "x-sensitive"
_MAX_DEPTH: Final = 64
_MAX_VISITS: Final = 20_000
"""A schema that leads to more places hides the whole value: what cannot be followed was meant to hide something."""
_SAME_VALUE: Final = ("allOf", "anyOf", "oneOf")
_CONDITIONAL: Final = ("if", "then", "else", "not")


def sensitive_places(value: Json, schema: Json) -> tuple[Place, ...]:
    """Keys and indexes that lead to each marked place that ``value`` has; ``()`` is the value itself.

    Any branch of a schema may mark a place, whether the value fits that branch or not.
    """
    if not _mentions(schema):
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


def _mentions(schema: Json) -> bool:
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
