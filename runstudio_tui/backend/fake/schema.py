"""What a JSON schema has against a value, in the fake world."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.records import Json, SchemaIssue
from engine.values.multiples import is_multiple

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator


def schema_issues(schema: Json, value: Json) -> tuple[SchemaIssue, ...]:
    """All findings; ``schema`` None takes any object."""
    if not isinstance(value, dict):
        return (SchemaIssue("", "the value must be a JSON object"),)
    if schema is None:
        return ()
    issues: list[SchemaIssue] = []
    for error in _validator(schema).iter_errors(value):
        message = error.message
        if error.validator == "required":
            # In the engine's words, by which a form finds the field.
            missing = next(name for name in error.validator_value if message.startswith(repr(name)))
            message = f"{missing} is required, but missing"
        issues.append(SchemaIssue("".join(f"/{part}" for part in error.absolute_path), message))
    return tuple(issues)


def _validator(schema: Json) -> Validator:
    from jsonschema.validators import (  # noqa: PLC0415 - a second of import the demo's first screen need not wait for
        Draft202012Validator,
        extend,
    )

    made: Validator = extend(Draft202012Validator, {"multipleOf": _check_multiple_of})(schema)
    return made


def _check_multiple_of(_: Validator, factor: Json, value: Json, __: Json) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415 - as above

    if isinstance(value, int | float) and not isinstance(value, bool) and not is_multiple(value, factor):
        yield ValidationError("is no multiple")
