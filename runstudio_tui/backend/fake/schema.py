"""What a JSON schema has against a value, in the fake world."""

from __future__ import annotations

from engine.records import Json, SchemaIssue


def schema_issues(schema: Json, value: Json) -> tuple[SchemaIssue, ...]:
    """All findings; ``schema`` None takes any object."""
    if not isinstance(value, dict):
        return (SchemaIssue("", "the value must be a JSON object"),)
    if schema is None:
        return ()
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - a second of import the demo's first screen need not wait for

    issues: list[SchemaIssue] = []
    for error in Draft202012Validator(schema).iter_errors(value):
        message = error.message
        if error.validator == "required":
            # In the engine's words, by which a form finds the field.
            missing = next(name for name in error.validator_value if message.startswith(repr(name)))
            message = f"{missing} is required, but missing"
        issues.append(SchemaIssue("".join(f"/{part}" for part in error.absolute_path), message))
    return tuple(issues)
