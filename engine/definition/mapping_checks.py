"""Input mappings: their expressions, secrets and special keys, and the fields the receiver requires."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.definition.expression_checks import compiled, invalid_expression
from engine.definition.issues import Issue, Place
from engine.definition.mappings import is_expression, is_secret
from engine.definition.publish_context import PublishContext
from engine.definition.schema_paths import SchemaNode
from engine.definition.suggestions import nearest
from engine.expression import ExpressionFailure
from engine.values.json_pointer import segment

SECRET_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,254}")


def mapping_issues(mapping: Any, pointer: str, place: Place, context: PublishContext) -> Iterator[Issue]:
    """EMPTY_EXPRESSION, INVALID_EXPRESSION, the findings about secrets, and UNKNOWN_SPECIAL_KEY, at any depth."""
    for at, value in _values(mapping, pointer):
        if is_expression(value):
            source = value["$expr"]
            if isinstance(source, str) and source.strip():
                outcome = compiled(source)
                if isinstance(outcome, ExpressionFailure):
                    yield invalid_expression(place, "INVALID_EXPRESSION", at, outcome)
            elif isinstance(source, str | None):
                yield place.error(
                    "EMPTY_EXPRESSION", f"{at}: The expression is empty.", "Write it, or remove the field."
                )
        elif isinstance(value, dict) and "$secret" in value and len(value) == 1:
            yield from _secret_issues(value["$secret"], at, place, context)
        elif isinstance(value, dict) and at != pointer:
            for name in value:
                if name.startswith("$"):
                    yield _special_key(name, at, place)


def secret_names(mapping: Any) -> Iterator[str]:
    """Names of the secrets a mapping refers to, in order."""
    for _, value in _values(mapping, ""):
        if is_secret(value):
            yield value["$secret"]


def required_issues(mapping: Mapping[str, Any], schema: SchemaNode, pointer: str, place: Place) -> Iterator[Issue]:
    """MISSING_REQUIRED_MAPPING for the fields of ``schema`` that nothing is mapped to.

    Below a field, only an object written out in the mapping is looked into: what an expression gives is not known.
    """
    for name in schema.required:
        if name not in mapping:
            yield place.error(
                "MISSING_REQUIRED_MAPPING",
                f"{pointer}/{segment(name)}: The field {name} is required, and nothing is mapped to it.",
                f"Map {name}.",
            )
    for name, value in mapping.items():
        below = schema.field(name)
        if below is not None and isinstance(value, dict) and not is_expression(value) and not is_secret(value):
            yield from required_issues(value, below, f"{pointer}/{segment(name)}", place)


def _secret_issues(name: Any, at: str, place: Place, context: PublishContext) -> Iterator[Issue]:
    if not isinstance(name, str) or not SECRET_NAME.fullmatch(name):
        yield place.error(
            "INVALID_SECRET_NAME",
            f"{at}: The name of a secret is capital letters, digits and underscores, and begins with a letter.",
            "Write it as in API_KEY.",
        )
    elif context.known_secrets is not None and name not in context.known_secrets:
        meant = nearest(name, context.known_secrets)
        suggestion = f"Did you mean {meant}?" if meant else "Provide it before the first run."
        if context.secrets_required:
            yield place.error("SECRET_NOT_FOUND", f"{at}: There is no secret {name}.", suggestion)
        else:
            yield place.warning("UNKNOWN_SECRET", f"{at}: The secret {name} is not known here.", suggestion)


def _special_key(name: str, at: str, place: Place) -> Issue:
    if name == "$secret":
        fault, suggestion = "is a secret only when it is the object's only key", "Remove the other keys."
    else:
        fault, suggestion = "has no meaning, and is passed on as it is", None
        meant = nearest(name, ("$expr", "$secret"))
        if meant:
            suggestion = f"Did you mean {meant}?"
    return place.warning("UNKNOWN_SPECIAL_KEY", f"{at}: The key {name} {fault}.", suggestion)


def _values(mapping: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    """Every value of a mapping with its pointer, in the order of the document, not looking into expressions and secrets."""
    pending = [(pointer, mapping)]
    while pending:
        at, value = pending.pop()
        yield at, value
        if is_expression(value) or is_secret(value):
            continue
        if isinstance(value, dict):
            pending.extend((f"{at}/{segment(name)}", child) for name, child in reversed(value.items()))
        elif isinstance(value, list):
            pending.extend((f"{at}/{index}", value[index]) for index in range(len(value) - 1, -1, -1))
