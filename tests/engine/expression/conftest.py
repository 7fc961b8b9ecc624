"""Evaluating in one line, for all tests of the language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from engine.expression import ExpressionFailure, compile_expression

NOW = "2026-01-01T00:00:00.000Z"


def evaluate(source: str, context: Mapping[str, Any] | None = None) -> Any:
    """The value of ``source``."""
    return compile_expression(source).evaluate({} if context is None else context, lambda: NOW)


def failure_of(source: str, context: Mapping[str, Any] | None = None) -> ExpressionFailure:
    """How ``source`` fails; failing to fail is an error."""
    with pytest.raises(ExpressionFailure) as caught:
        evaluate(source, context)
    return caught.value


def outcome_of(source: str, context: Mapping[str, Any] | None = None) -> tuple[str, Any]:
    """``("value", value)`` or ``(stage, kind)``."""
    try:
        return "value", evaluate(source, context)
    except ExpressionFailure as failure:
        return failure.stage, failure.kind
