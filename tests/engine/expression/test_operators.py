"""Operators: types, missing sides, numbers as JavaScript prints them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.expression import compile_expression
from tests.engine.expression.conftest import NOW, evaluate, failure_of, outcome_of

BIG = 2**60 + 1
CONTEXT: dict[str, Any] = {
    "n": 5,
    "s": "text",
    "nothing": None,
    "list": [3, 1],
    "o": {"a": 1},
    "big": BIG,
    "rate": 1.0,
}
MISSING = ("evaluate", "no-json-result")
TYPE = ("evaluate", "type")


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2--3", 5),
        ("10 / 4", 2.5),
        ("10 / 5", 2),
        ("-5 % 3", -2),
        ("5.5 % 2", 1.5),
        ("0.1 + 0.2", 0.30000000000000004),
        ("1e308 * 10", None),
        ("1 / 0", None),
        ("[1 / 0, 0 / 0]", [None, None]),
        ("9007199254740991 + 1", 9007199254740992),
        ("9007199254740992 - 1", 9007199254740991),
        ("1e20 + 1", 1e20),
        ("'n=' & n & absent & nothing", "n=5null"),
        ("'' & 1/3", "0.333333333333333"),
        ("'' & 1.0", "1"),
        ("'' & rate", "1"),
        ("'' & 1e21", "1e+21"),
        ("'' & 1e-7", "1e-7"),
        ("'' & 100000000000000000000", "100000000000000000000"),
        ("'' & big", str(2**60 + 1)),
        ("'' & [1, 'a', null, {'k': 0.1}]", '[1,"a",null,{"k":0.1}]'),
        ("'' & 100000000000000.5", "100000000000001"),
        ("1 = 1.0", True),
        ("1 = true", False),
        ("'1' = 1", False),
        ("[1, {'a': [2]}] = [1, {'a': [2]}]", True),
        ("{'a': 1, 'b': 2} = {'b': 2, 'a': 1}", True),
        ("{'a': 1} = {'a': true}", False),
        ("absent = null", False),
        ("absent != null", False),
        ("nothing = null", True),
        ("'a' < 'B'", False),
        ("'é' > 'z'", True),
        ("'\uffff' < '\U0001f344'", False),
        ("3 in list", True),
        ("true in [1]", False),
        ("o in [o]", True),
        ("{'a': 1} in [{'a': 1}]", False),
        ("absent in list", False),
        ("absent and true", False),
        ("absent or true", True),
        ("[0, []] or {}", False),
        ("[[0], 'x'] and true", True),
        ("nothing ?: 'd'", "d"),
        ("n ?: 'd'", 5),
        ("absent ? 1 : 2", 2),
        ("[3..1]", []),
        ("[1..3, 7]", [1, 2, 3, 7]),
        ("[1.0..2]", [1, 2]),
    ],
)
def test_values(source: str, value: Any) -> None:
    result = evaluate(source, CONTEXT)
    assert result == value
    assert isinstance(result, bool) == isinstance(value, bool)


@pytest.mark.parametrize(
    "source",
    [
        "s + 1",
        "1 - s",
        "true * 2",
        "nothing + 1",
        "absent + s",
        "s < n",
        "nothing < 1",
        "absent < nothing",
        "list > 1",
        "-s",
        "1/0 + 1",
        "1/0 ? 1 : 2",
        "'' & 1/0",
        "['a'..2]",
        "[1.5..2]",
        "{1: 2}",
        "{'a' & '': 1, 'a' & '': 2}",
        "[{'a': 1}, {'a': 'x'}]^(a)",
        "[{'a': true}, {'a': true}]^(a)",
    ],
)
def test_wrong_types(source: str) -> None:
    assert outcome_of(source, CONTEXT) == TYPE


@pytest.mark.parametrize("source", ["n + absent", "absent < 1", "-absent", "n = 1 ? 2", "()"])
def test_missing_sides(source: str) -> None:
    assert outcome_of(source, CONTEXT) == MISSING


def test_messages_name_types_and_never_values() -> None:
    failure = failure_of("secret + 1", {"secret": "hunter2"})
    assert failure.message == "The left side of + must be a number, not a text."
    assert failure.position == 7
    assert failure.source == "secret + 1"


def test_branches_not_taken_are_not_evaluated() -> None:
    assert evaluate("false and s + 1", CONTEXT) is False
    assert evaluate("true or s + 1", CONTEXT) is True
    assert evaluate("true ? 1 : s + 1", CONTEXT) == 1


def test_long_chains_cost_no_depth() -> None:
    assert evaluate("+".join("1" * 2000)) == 2000
    assert evaluate("&".join(["'x'"] * 1000)) == "x" * 1000
    assert evaluate("1" + " ~> $coalesce" * 300) == 1


@pytest.mark.parametrize(
    ("source", "rounded"),
    [
        ("9007199254740992 + 1", 2.0**53 + 1),
        ("-9007199254740992 - 1", -(2.0**53) - 1),
        ("3037000500 * 3037000500", 3037000500.0 * 3037000500.0),
        ("big + 1", float(BIG) + 1),
        ("1 - big", 1 - float(BIG)),
        ("big - big", 0),
        ("big / 2", float(BIG) / 2),
        ("big % 7", float(BIG) % 7),
        ("big * 1.5", float(BIG) * 1.5),
        ("0.5 + big", 0.5 + float(BIG)),
    ],
)
def test_integers_beyond_what_a_double_holds_are_refused_and_were_rounded_once(source: str, rounded: float) -> None:
    failure = failure_of(source, CONTEXT)
    assert failure.kind == "type"
    assert "integers up to 2^53" in failure.message
    assert compile_expression(source).evaluate(CONTEXT, lambda: NOW, rounds=True) == rounded
