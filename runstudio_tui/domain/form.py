"""A form made from a JSON schema: one text a field, made from a JSON object and read back into one.

A field is a scalar, a choice, or anything else as JSON text; the members of nested objects are fields of their own. What no field
can show (unknown members, values of another type) stays in the rest, a JSON object, so that no value is lost on its way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from engine.records import Json
from runstudio_tui.domain.json_text import Mistake, parse_json
from runstudio_tui.domain.jsonview import pointer_step

MAX_DEPTH: Final = 5
"""Nested objects deeper than this are JSON text."""
MAX_FIELDS: Final = 500
"""Of one form: schemas can refer to each other so that a short one describes millions. The others are answered as JSON."""
MAX_LOOKED_AT: Final = 10_000
"""Members of a schema that are looked at for defaults."""
_QUOTED: Final = re.compile(r'^"|^\s|\s$|[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
"""Texts that one line of raw text could not hold, or would be read back as something else."""


class FieldKind(StrEnum):
    """How a field is edited and read."""

    TEXT = "text"
    INTEGER = "whole number"
    NUMBER = "number"
    CHOICE = "one of"
    JSON = "JSON"


@dataclass(frozen=True, slots=True)
class Field:
    """One member of the object, at whatever depth."""

    pointer: str
    """JSON pointer of the member; the id of the field."""
    path: tuple[str, ...]
    kind: FieldKind
    title: str = ""
    """As the schema names it; empty: it does not."""
    description: str = ""
    required: bool = False
    """True when no answer fits without it."""
    choices: tuple[Json, ...] = ()

    @property
    def label(self) -> str:
        """The title, else the path with dots."""
        return self.title or ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Filled:
    """An object as a form shows it."""

    texts: Mapping[str, str]
    """Text of each field by pointer; empty: the object has no such member."""
    rest: dict[str, Json]
    """What no field shows."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """Why the text of a field is no value of its kind."""

    pointer: str
    message: str


def fields_of(schema: Json) -> tuple[Field, ...]:
    """The fields of a schema, in each object the required ones first; none for a schema that names no members. Never raises.

    ``required`` is a list, so it keeps the author's order in Postgres too; that of the members is lost there.
    """
    return tuple(islice(_fields(schema, schema, (), required=True, depth=0), MAX_FIELDS))


def defaults_of(schema: Json) -> dict[str, Json]:
    """The object made of the defaults in a schema."""
    own = schema.get("default") if isinstance(schema, dict) else None
    value: dict[str, Json] = deepcopy(own) if isinstance(own, dict) else {}
    for path, default in _defaults(schema, schema, (), 0, iter(range(MAX_LOOKED_AT))):
        _put(value, path, deepcopy(default), replace=False)
    return value


def fill(fields: Sequence[Field], value: Mapping[str, Json]) -> Filled:
    """The texts of an object; ``read`` gives the same object back."""
    rest: dict[str, Json] = deepcopy(dict(value))
    texts: dict[str, str] = {}
    for field in fields:
        found, member = _get(value, field.path)
        text = _text(field, member) if found else None
        texts[field.pointer] = text or ""
        if text is not None:
            _take(rest, field.path)
    return Filled(texts, rest)


def read(fields: Sequence[Field], filled: Filled) -> tuple[dict[str, Json], tuple[FieldProblem, ...]]:
    """The object of the texts, and what is wrong with them; the object lacks the fields that have a problem."""
    value: dict[str, Json] = deepcopy(filled.rest)
    problems: list[FieldProblem] = []
    for field in fields:
        text = filled.texts.get(field.pointer, "")
        if not text:
            continue
        try:
            _put(value, field.path, _value(field, text), replace=True)
        except ValueError as error:
            problems.append(FieldProblem(field.pointer, str(error)))
    return value, tuple(problems)


def field_of(fields: Sequence[Field], pointer: str, message: str = "") -> Field | None:
    """The field a finding at ``pointer`` is about: the field itself, one around it, or the missing member the message names."""
    inside = [field for field in fields if pointer == field.pointer or pointer.startswith(f"{field.pointer}/")]
    if inside:
        return max(inside, key=lambda field: len(field.pointer))
    missing = [
        field
        for field in fields
        if field.pointer.startswith(f"{pointer}/")
        and message.startswith(f"{field.path[pointer.count('/')]} is required")
    ]
    return missing[0] if missing else None


def choice_text(choice: Json) -> str:
    """A choice as it is shown."""
    return choice if isinstance(choice, str) and choice else json.dumps(choice, ensure_ascii=False)


# --- schema -----------------------------------------------------------------------------------------------------------


def _fields(root: Json, schema: Json, path: tuple[str, ...], *, required: bool, depth: int) -> Iterator[Field]:
    first = {name: place for place, name in enumerate(_list(schema, "required")) if isinstance(name, str)}
    for name, member in sorted(_members(schema), key=lambda member: first.get(member[0], len(first))):
        below = (*path, name)
        told = _resolved(root, member)
        needed = required and name in first
        if depth < MAX_DEPTH and _members(told):
            yield from _fields(root, told, below, required=needed, depth=depth + 1)
            continue
        kind, choices = _kind(told)
        pointer = "".join(f"/{pointer_step(step)}" for step in below)
        yield Field(pointer, below, kind, _word(told, "title"), _word(told, "description"), needed, choices)


def _defaults(
    root: Json, schema: Json, path: tuple[str, ...], depth: int, left: Iterator[int]
) -> Iterator[tuple[tuple[str, ...], Json]]:
    for name, member in _members(schema):
        if next(left, None) is None:
            return
        told = _resolved(root, member)
        if isinstance(told, dict) and "default" in told:
            yield (*path, name), told["default"]
        if depth < MAX_DEPTH:
            yield from _defaults(root, told, (*path, name), depth + 1, left)


def _members(schema: Json) -> list[tuple[str, Json]]:
    if not isinstance(schema, dict) or schema.get("type", "object") != "object" or "enum" in schema:
        return []
    members = schema.get("properties")
    return list(members.items()) if isinstance(members, dict) else []


def _kind(schema: Json) -> tuple[FieldKind, tuple[Json, ...]]:
    if not isinstance(schema, dict):
        return FieldKind.JSON, ()
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return FieldKind.CHOICE, tuple(schema["enum"])
    match schema.get("type"):
        case "string":
            return FieldKind.TEXT, ()
        case "integer":
            return FieldKind.INTEGER, ()
        case "number":
            return FieldKind.NUMBER, ()
        case "boolean":
            return FieldKind.CHOICE, (True, False)
        case _:
            return FieldKind.JSON, ()


def _resolved(root: Json, schema: Json) -> Json:
    """``schema``, or what its local reference names, with its own annotations; a reference elsewhere stays."""
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    found: Any = root
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            return schema
        found = found[name]
    own = {name: value for name, value in schema.items() if name != "$ref"}
    return {**found, **own} if isinstance(found, dict) else schema


def _list(schema: Json, name: str) -> list[Any]:
    found = schema.get(name) if isinstance(schema, dict) else None
    return found if isinstance(found, list) else []


def _word(schema: Json, name: str) -> str:
    found = schema.get(name) if isinstance(schema, dict) else None
    return found if isinstance(found, str) else ""


# --- texts ------------------------------------------------------------------------------------------------------------


def _text(field: Field, value: Json) -> str | None:
    """The text that ``_value`` reads as exactly ``value``; None when no text of this kind does."""
    match field.kind:
        case FieldKind.TEXT if isinstance(value, str):
            return json.dumps(value) if not value or _QUOTED.search(value) else value
        case FieldKind.INTEGER | FieldKind.NUMBER if _is_number(value):
            whole = field.kind is FieldKind.NUMBER or isinstance(value, int) or value.is_integer()
            return json.dumps(value) if whole else None
        case FieldKind.CHOICE:
            text = json.dumps(value, ensure_ascii=False)
            return text if any(text == json.dumps(choice, ensure_ascii=False) for choice in field.choices) else None
        case FieldKind.JSON:
            return json.dumps(value)
    return None


def _value(field: Field, text: str) -> Json:
    """The value of a text. Raises ``ValueError``, saying what was expected."""
    if field.kind is FieldKind.TEXT:
        quoted = parse_json(text) if text.startswith('"') else None
        return quoted if isinstance(quoted, str) else text
    value = parse_json(text)
    if field.kind in (FieldKind.INTEGER, FieldKind.NUMBER):
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, Mistake) or not _is_number(value) or (field.kind is FieldKind.INTEGER and not whole):
            raise ValueError(f"must be a {field.kind}")
    elif isinstance(value, Mistake):
        raise ValueError(str(value))
    return value


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# --- members ----------------------------------------------------------------------------------------------------------


def _get(value: Json, path: Sequence[str]) -> tuple[bool, Json]:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return False, None
        value = value[name]
    return True, value


def _take(value: dict[str, Json], path: Sequence[str]) -> None:
    """Remove a member, and the objects around it that it leaves empty."""
    *around, last = path
    holders = [value]
    for name in around:
        holders.append(holders[-1][name])
    del holders[-1][last]
    for holder, name in zip(reversed(holders[:-1]), reversed(around), strict=True):
        if holder[name]:
            break
        del holder[name]


def _put(value: dict[str, Json], path: Sequence[str], member: Json, *, replace: bool) -> None:
    """Set a member, making the objects around it."""
    *around, last = path
    for name in around:
        inner = value.get(name)
        if not isinstance(inner, dict):
            inner = value[name] = {}
        value = inner
    if replace or last not in value:
        value[last] = member
