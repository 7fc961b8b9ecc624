"""The places of a value that its JSON schema marks with ``x-sensitive: true``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import unquote

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
_MARKED: Final = {SENSITIVE: True}
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_OTHER_PROPERTIES: Final = ("additionalProperties", "unevaluatedProperties")
_OTHER_ITEMS: Final = ("additionalItems", "unevaluatedItems")
_DEPENDENT: Final = ("dependentSchemas", "dependencies")
_SAME_VALUE: Final = ("allOf", "anyOf", "oneOf")
_CONDITIONAL: Final = ("if", "then", "else", "not")


def sensitive_places(value: Json, schema: Json, document: Json = None) -> tuple[Place, ...]:
    """Keys and indexes that lead to each marked place that ``value`` has; ``()`` is the value itself.

    Any branch of a schema may mark a place, whether the value fits that branch or not. ``document``: what the schema is a part
    of, where its references lead; None: it is whole.
    """
    document = schema if document is None else document
    if not is_marked(document):
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
        if _is_marked(rule) or _marks_all(rule):
            found[place] = None
            continue
        if len(place) < _MAX_DEPTH:
            pending += _below(place, item, rule, document)
    return tuple(found)


def is_marked(schema: Json) -> bool:
    """Whether the mark is anywhere in the schema: most have none, and cost no more than this look."""
    pending = [schema]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            if _is_marked(part):
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
        if _is_marked(rule) or _marks_all(rule):
            found[pointer_of(*place)] = None
        elif len(place) < _MAX_SHOWN_DEPTH:
            pending += fields_below(place, rule, schema)
    return tuple(found)


def marks_value(schema: Json, document: Json) -> bool:
    """Whether a schema, a part of ``document``, marks the value it describes as a whole, in any of its branches."""
    seen: set[int] = set()
    pending = [schema]
    while pending:
        rule = pending.pop()
        if isinstance(rule, dict) and id(rule) not in seen:
            if _is_marked(rule) or _marks_all(rule):
                return True
            seen.add(id(rule))
            pending += _same_value(rule, document)
    return False


def _same_value(rule: dict[str, Json], document: Json) -> list[Json]:
    """The schemas in a rule that describe the same value as itself."""
    same = [_at(document, rule[keyword]) for keyword in _REFERENCES if isinstance(rule.get(keyword), str)]
    for keyword in _SAME_VALUE:
        same += rule[keyword] if isinstance(rule.get(keyword), list) else []
    same += [rule.get(keyword) for keyword in _CONDITIONAL]
    same += (member for keyword in _DEPENDENT for member in _members(rule, keyword))
    return same


def fields_below(place: Place, rule: dict[str, Json], document: Json) -> Iterator[tuple[Place, Json]]:
    """The schemas in a rule for a value at ``place``, with the places they describe; ``*``: any item, or a field of any name."""
    yield from ((place, member) for member in _same_value(rule, document))
    if _is_object(rule, "properties"):
        yield from (((*place, name), member) for name, member in rule["properties"].items())
    if _is_object(rule, "patternProperties"):
        yield from (((*place, "*"), member) for member in rule["patternProperties"].values())
    for keyword in (*_OTHER_PROPERTIES, *_OTHER_ITEMS, "items", "contains"):
        yield (*place, "*"), rule.get(keyword)
    yield from (((*place, str(index)), member) for index, member in enumerate(_first_items(rule)))


def _below(place: Place, item: Json, rule: dict[str, Json], document: Json) -> Iterator[tuple[Place, Json, Json]]:
    for keyword in _REFERENCES:
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
            for member in _members(rule, "patternProperties"):
                yield (*place, key), child, member
            if not (isinstance(named, dict) and key in named):
                for keyword in _OTHER_PROPERTIES:
                    yield (*place, key), child, rule.get(keyword)
        for keyword in _DEPENDENT:
            for member in _members(rule, keyword):
                yield place, item, member
    elif isinstance(item, list):
        rules = _first_items(rule)
        for index, child in enumerate(item):
            if index < len(rules):
                yield (*place, str(index)), child, rules[index]
            else:
                for keyword in ("items", *_OTHER_ITEMS):
                    yield (*place, str(index)), child, rule.get(keyword)
            yield (*place, str(index)), child, rule.get("contains")


def _is_marked(rule: dict[str, Json]) -> bool:
    """Anything but false is a mark: what was written for one was meant to hide something."""
    return rule.get(SENSITIVE) not in (None, False)


def _marks_all(rule: dict[str, Json]) -> bool:
    """Whether something is marked that has no place of its own: the names of fields, or a part of a text that is JSON."""
    return is_marked(rule.get("propertyNames")) or is_marked(rule.get("contentSchema"))


def _first_items(rule: dict[str, Json]) -> list[Json]:
    """The rules of the first items, each with its own; ``items`` as a list is how earlier drafts spell them."""
    rules = rule.get("prefixItems", rule.get("items"))
    return rules if isinstance(rules, list) else []


def _members(rule: dict[str, Json], keyword: str) -> Iterable[Json]:
    return rule[keyword].values() if _is_object(rule, keyword) else ()


def _is_object(rule: dict[str, Json], keyword: str) -> bool:
    return isinstance(rule.get(keyword), dict)


def _at(document: Json, reference: str) -> Json:
    """The schema that a reference means, by place, anchor or ``$id``. One that is not found counts as marked."""
    base, _, fragment = reference.partition("#")
    within = document if not base else _named(document, "$id", base.rpartition("/")[2])
    fragment = unquote(fragment)
    if not fragment or within is None:
        return _MARKED if within is None else within
    if not fragment.startswith("/"):
        anchors = (_named(within, keyword, fragment) for keyword in ("$anchor", "$dynamicAnchor", "$id"))
        return next((found for found in anchors if found is not None), _MARKED)
    current = within
    for name in names_of(fragment):
        if isinstance(current, dict) and name in current:
            current = current[name]
        elif isinstance(current, list) and name.isdigit() and int(name) < len(current):
            current = current[int(name)]
        else:
            return _MARKED
    return current


def _named(document: Json, keyword: str, name: str) -> Json:
    """The part of a schema whose ``keyword`` ends with this name; None when there is none."""
    pending = [document]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            if isinstance(part.get(keyword), str) and part[keyword].rstrip("#").rpartition("/")[2].lstrip("#") == name:
                return part
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)
    return None
