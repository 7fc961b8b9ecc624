"""Mapping values: JSON in which ``{"$expr": ...}`` and ``{"$secret": ...}`` have a meaning, at any depth."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

Scalar = str | int | float | bool | None


def is_expression(value: Any) -> bool:
    """Whether a mapping value is an expression: an object with its own key ``$expr``; its other keys mean nothing."""
    return isinstance(value, dict) and "$expr" in value


def is_secret(value: Any) -> bool:
    """Whether a mapping value is a secret reference: exactly ``{"$secret": "<non-empty name>"}``."""
    return (
        isinstance(value, dict) and len(value) == 1 and isinstance(value.get("$secret"), str) and value["$secret"] != ""
    )


def _readable(value: Any) -> Any:
    """Refuse an expression whose source is not text, wherever it is nested."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, list):
            pending.extend(current)
        elif is_expression(current):
            if not isinstance(current["$expr"], str | None):
                raise ValueError("$expr must be text")
        elif isinstance(current, dict):
            pending.extend(current.values())
    return value


MappingValue = Annotated[Any, AfterValidator(_readable)]
InputMapping = dict[str, MappingValue]
