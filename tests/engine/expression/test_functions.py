"""The five functions, with and without ``$``, and applied with ``~>``."""

from __future__ import annotations

from typing import Any

import pytest

from engine.expression import FUNCTION_NAMES, compile_expression
from tests.engine.expression.conftest import NOW, evaluate, outcome_of

CONTEXT: dict[str, Any] = {"list": [3, 1, 2], "s": "text", "nothing": None, "no": False, "o": {"a": 1}, "len": 4}


def test_there_are_five() -> None:
    assert FUNCTION_NAMES == ("nowIso", "coalesce", "len", "toString", "append")


@pytest.mark.parametrize("dollar", ["", "$"])
@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("coalesce(absent, nothing, no, 1)", False),
        ("coalesce(absent)", None),
        ("coalesce()", None),
        ("len(list)", 3),
        ("len (s)", 4),
        ("len('\U0001f344')", 2),
        ("len(o)", 0),
        ("len(absent)", 0),
        ("len()", 0),
        ("toString(nothing)", ""),
        ("toString(absent)", ""),
        ("toString([1, [2, null], []])", "1,2,,"),
        ("toString(o)", "[object Object]"),
        ("toString(no)", "false"),
        ("toString(1e21)", "1e+21"),
        ("toString(0.1 + 0.2)", "0.30000000000000004"),
        ("append(list, 4)", [3, 1, 2, 4]),
        ("append(list, [4, [5]])", [3, 1, 2, 4, [5]]),
        ("append(absent, s)", ["text"]),
        ("append(nothing, nothing)", [None]),
        ("append(o, 1)", [{"a": 1}, 1]),
        ("nowIso()", NOW),
    ],
)
def test_values(dollar: str, source: str, value: Any) -> None:
    assert evaluate(dollar + source, CONTEXT) == value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("list ~> $len", 3),
        ("list ~> len", 3),
        ("list ~> $len()", 3),
        ("list ~> append(4) ~> len()", 4),
        ("5 ~> append(?, 6)", [5, 6]),
        ("5 ~> append(6, ?)", [6, 5]),
        ("absent ~> coalesce('d')", "d"),
        ("list.$toString($)", ["3", "1", "2"]),
        ("list.(toString($))", ["3", "1", "2"]),
    ],
)
def test_application(source: str, value: Any) -> None:
    assert evaluate(source, CONTEXT) == value


def test_appending_what_is_missing_fails_only_when_it_is_in_the_result() -> None:
    assert outcome_of("append([], absent)") == ("evaluate", "no-json-result")
    assert evaluate("len(append([], absent))") == 1


def test_a_name_after_a_dot_is_a_field_and_no_function() -> None:
    assert outcome_of("o.len(s)", CONTEXT) == ("evaluate", "not-a-function")
    assert evaluate("absent.len(s) ?: 'none'", CONTEXT) == "none"
    assert evaluate("len", CONTEXT) == 4


def test_now_is_the_clock_that_is_given() -> None:
    times = iter(["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z"])
    assert compile_expression("[nowIso(), nowIso()]").evaluate({}, lambda: next(times)) == [
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:01.000Z",
    ]


@pytest.mark.parametrize(
    "source", ["$len", "$sum", "[$len]", "{'f': $sum}", "len(?)", "/ab/", "|o|{'a': 1}|", "$len ~> $len"]
)
def test_functions_are_no_results(source: str) -> None:
    assert outcome_of(source, CONTEXT) == ("evaluate", "no-json-result")
