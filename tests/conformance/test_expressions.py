"""Every conformance case that has an ``expr``: its value, or the stage and kind of its failure."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from engine.expression import ExpressionFailure, compile_expression
from tests.conformance.loader import case_directory, expand

NOW = "2026-01-01T00:00:00.000Z"


def _cases() -> list[dict[str, Any]]:
    return [
        raw
        for path in sorted(case_directory().glob("*.json"))
        for raw in json.loads(path.read_text(encoding="utf-8"))
        if "expr" in raw
    ]


def _outcome(case: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"value": compile_expression(case["expr"]).evaluate(expand(case["context"]), lambda: NOW)}
    except ExpressionFailure as failure:
        return {"error": {"stage": failure.stage, "kind": failure.kind}}


def _same(one: Any, other: Any) -> bool:
    """JSON equality, in which true is not 1 and 1.0 is 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_expression(case: dict[str, Any]) -> None:
    outcome, expected = _outcome(case), case["expect"]
    if "error" in expected:
        wanted = {name: expected["error"][name] for name in ("stage", "kind")}
        assert outcome == {"error": wanted}, case["expr"]
    elif "valuePattern" in expected:
        assert re.search(expected["valuePattern"], outcome["value"]), case["expr"]
    else:
        assert "value" in outcome, (case["expr"], outcome)
        assert _same(outcome["value"], expected["value"]), (case["expr"], outcome, expected)


def test_there_are_cases() -> None:
    assert _cases(), f"no expression case in {case_directory()}"
