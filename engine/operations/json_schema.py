"""JSON schemas of payloads and task responses: is a schema usable, and what is wrong with a value.

Messages never repeat the value: it may hold a secret, and messages are stored and shown. Nor do they say what a hidden value
must be. Schemas cannot reach the network, and their patterns run in linear time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import re2

from engine.records import SchemaIssue
from engine.values.json_pointer import pointer_of
from engine.values.json_policy import canonical_json
from engine.values.multiples import is_multiple
from engine.values.redaction.secret_names import is_secret_name
from engine.values.redaction.sensitive_places import Place, sensitive_places
from engine.wording import clause

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

Json = Any

MAX_SCHEMA_BYTES: Final = 1024 * 1024
"""Largest schema, as that of a definition: looking at one takes seconds per MiB."""
MAX_ISSUES: Final = 50
_SHOWN: Final = 5
_WORDS_BYTES: Final = 80
_OWN_THREAD_BYTES: Final = 16 * 1024
"""Above this size a value is checked in a thread, so that the event loop goes on turning."""

_NAMED_SCHEMAS: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_DATA: Final = frozenset({"const", "enum", "default", "examples"})
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef"})

_RE2: Final = re2.Options()
_RE2.log_errors = False


def schema_problem(schema: Json) -> str | None:
    """Why ``schema`` cannot be used, as a sentence; None when it can. Of a large one to be called in a thread.

    Raises as ``clean_json``.
    """
    from jsonschema import SchemaError  # noqa: PLC0415 # a tenth of a second that programs which check nothing need not pay
    from jsonschema.validators import Draft202012Validator, validator_for  # noqa: PLC0415 # as above

    if not isinstance(schema, dict | bool):
        return "A JSON schema is an object, or true or false."
    size = len(canonical_json(schema).encode())
    if size > MAX_SCHEMA_BYTES:
        return f"It has {size} bytes; {MAX_SCHEMA_BYTES} are allowed."
    kind = validator_for(schema, default=Draft202012Validator)
    # A reference may lead to where the dialect expects no schema and has looked at none, as in /components/schemas.
    parts = {"": schema}
    waiting = [""]
    while waiting:
        place = waiting.pop()
        try:
            kind.check_schema(parts[place])
        except SchemaError as error:
            return f"At {place + _pointer(error) or 'the top'}: {error.message[:200]}."
        for pointer, keyword, value in _keywords(parts[place], place):
            problem = _keyword_problem(schema, pointer, keyword, value)
            if problem is not None:
                return f"At {pointer}: {problem}"
            if keyword in _REFERENCES and value not in parts:
                parts[value] = _named(schema, value)
                waiting.append(value)
    return None


def _keyword_problem(schema: Json, pointer: str, keyword: str, value: Json) -> str | None:
    if keyword in _REFERENCES:
        try:
            _named(schema, value)
        except LookupError:
            return f"{value!r} does not name a part of this schema; schemas of other documents are not read."
    if keyword == "$schema" and isinstance(value, str) and pointer != "/$schema":
        return "a part of a schema is of the same dialect as the whole; leave this out."
    for pattern in _patterns(keyword, value):
        try:
            re2.compile(pattern, _RE2)
        except re2.error as error:
            said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
            return f"the pattern cannot be matched in linear time: {clause(said)}."
    return None


async def check_value(schema: Json, value: Json, *, size_bytes: int) -> tuple[SchemaIssue, ...]:
    """What is wrong with ``value``, at most ``MAX_ISSUES``; empty when nothing is. ``None`` as a schema accepts everything."""
    if schema is None:
        return ()
    if size_bytes > _OWN_THREAD_BYTES:
        return await asyncio.to_thread(issues_of, schema, value)
    return issues_of(schema, value)


def issues_of(schema: Json, value: Json) -> tuple[SchemaIssue, ...]:
    """As ``check_value``, in this thread."""
    from jsonschema.exceptions import UnknownType  # noqa: PLC0415 # as above

    try:
        errors = list(islice(_validator(canonical_json(schema)).iter_errors(value), MAX_ISSUES))
        hidden = sensitive_places(value, schema) if errors else ()
        found = [SchemaIssue(_pointer(error), _sentence(error, hidden), str(error.validator)) for error in errors]
    except RecursionError:
        return (SchemaIssue("", "is nested too deeply for its schema, or the schema refers to itself", "$ref"),)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, UnknownType, re2.error):
        # An earlier release accepted a schema when the part that a reference names was none.
        return (SchemaIssue("", "cannot be checked: its schema is none; publish a correct one", "$schema"),)
    return tuple(sorted(found, key=lambda issue: (issue.pointer, issue.keyword)))


@lru_cache(maxsize=256)
def _validator(schema_text: str) -> Validator:
    import json  # noqa: PLC0415 # beside its only use

    from jsonschema.validators import Draft202012Validator, extend, validator_for  # noqa: PLC0415 # as above
    from referencing import Registry  # noqa: PLC0415 # as above

    schema = json.loads(schema_text)
    if isinstance(schema, dict):
        # The library would check a part that names a dialect by its own functions, instead of by ours.
        schema = {key: value if key == "$schema" else _of_one_dialect(key, value) for key, value in schema.items()}
    known = validator_for(schema, default=Draft202012Validator)
    ours = {
        "pattern": _check_pattern,
        "patternProperties": _check_pattern_properties,
        "multipleOf": _check_multiple_of,
        "divisibleBy": _check_multiple_of,  # its name in draft 3
        "uniqueItems": _check_unique,
    }
    kind = extend(known, {keyword: check for keyword, check in ours.items() if keyword in known.VALIDATORS})
    # An empty registry: without one, the library would fetch what a reference names.
    made: Validator = kind(schema, registry=Registry())
    return made


def _of_one_dialect(keyword: str, value: Json) -> Json:
    """What stands under a keyword, without the dialects that its parts name."""
    if keyword in _DATA:
        return value
    if isinstance(value, list):
        return [_of_one_dialect("", item) for item in value]
    if not isinstance(value, dict):
        return value
    below = {key: item for key, item in value.items() if key != "$schema" or not isinstance(item, str)}
    # The keys of _NAMED_SCHEMAS are the author's names, which may be spelled like keywords.
    return {key: _of_one_dialect("" if keyword in _NAMED_SCHEMAS else key, item) for key, item in below.items()}


def _check_pattern(validator: Validator, pattern: str, value: Json, schema: Json) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415 # as above

    if isinstance(value, str) and not re2.search(pattern, value, options=_RE2):
        yield ValidationError("does not match the pattern")


def _check_pattern_properties(
    validator: Validator, patterns: dict[str, Json], value: Json, schema: Json
) -> Iterator[ValidationError]:
    if not isinstance(value, dict):
        return
    for pattern, subschema in patterns.items():
        for key, item in value.items():
            if re2.search(pattern, key, options=_RE2):
                yield from validator.descend(item, subschema, path=key, schema_path=pattern)


def _check_multiple_of(validator: Validator, factor: Json, value: Json, schema: Json) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415 # as above

    if isinstance(value, int | float) and not isinstance(value, bool) and not is_multiple(value, factor):
        yield ValidationError("is no multiple")


def _check_unique(validator: Validator, wanted: Json, value: Json, schema: Json) -> Iterator[ValidationError]:
    """Each item is spelled once: the library compares each with each, which takes hours for a payload of objects."""
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415 # as above

    if wanted is True and isinstance(value, list) and len(set(map(_spelled, value))) < len(value):
        yield ValidationError("is not unique")


def _spelled(value: Json) -> str:
    """The same for values that are equal in JSON, where 1 and 1.0 are."""
    return canonical_json(_with_whole_numbers(value))


def _with_whole_numbers(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _with_whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sentence(error: ValidationError, hidden: Sequence[Place]) -> str:
    """``hidden``: places that the schema marks, of which it is not told what they must be."""
    keyword, wanted, value = error.validator, error.validator_value, error.instance
    match keyword:
        case "type":
            return f"must be {' or '.join(wanted) if isinstance(wanted, list) else wanted}"
        case "required":
            missing = [name for name in wanted if name not in value]
            # The library says one name per error; it is the only part of its message we want.
            named = next((name for name in missing if error.message.startswith(repr(name))), missing[0])
            return f"{named} is required, but missing"
        case "additionalProperties" | "unevaluatedProperties":
            known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
            extra = [name for name in value if name not in known]
            more = f" and {len(extra) - _SHOWN} more" if len(extra) > _SHOWN else ""
            return f"has keys the schema does not know: {', '.join(extra[:_SHOWN])}{more}"
        case None:
            return "is not allowed here"
        case "anyOf" | "oneOf":
            return "fits none of the alternatives" if error.context else "fits more than one of the alternatives"
        case _:
            place = tuple(map(str, error.absolute_path))
            secret = any(map(is_secret_name, place)) or any(place[: len(marked)] == marked for marked in hidden)
            return f"must satisfy {keyword}{'' if secret else _words(wanted)}"


def _words(wanted: Json) -> str:
    text = canonical_json(wanted)
    return f" {text}" if len(text) <= _WORDS_BYTES else ""


def _pointer(error: ValidationError) -> str:
    return "".join(pointer_of(part) for part in error.absolute_path)


def _keywords(schema: Json, pointer: str = "") -> Iterator[tuple[str, str, Json]]:
    """Every key of every object in the schema, with the pointer of its value."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            below = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            yield below, key, value
            if key in _NAMED_SCHEMAS and isinstance(value, dict):
                # Its keys are the author's names, which may be spelled like keywords.
                for name, named in value.items():
                    yield from _keywords(named, f"{below}/{name.replace('~', '~0').replace('/', '~1')}")
            elif key not in _DATA:
                yield from _keywords(value, below)
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from _keywords(value, f"{pointer}/{index}")


def _patterns(keyword: str, value: Json) -> list[str]:
    if keyword == "pattern" and isinstance(value, str):
        return [value]
    return list(value) if keyword == "patternProperties" and isinstance(value, dict) else []


def _named(schema: Json, reference: Json) -> Json:
    """The part of the schema that a reference names. Raises LookupError when it names none."""
    from referencing import Registry  # noqa: PLC0415 # as above
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 # as above
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415 # as above

    if not isinstance(reference, str):
        raise LookupError(reference)
    resource = DRAFT202012.create_resource(schema)
    try:
        return Registry().with_resource("", resource).resolver().lookup(reference).contents
    except Unresolvable as error:
        raise LookupError(reference) from error
