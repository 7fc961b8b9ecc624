"""What leaves an expression: plain JSON of bounded size, sharing with the context and never changing it."""

from __future__ import annotations

import copy
from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from engine.expression import compile_expression
from engine.expression.errors import RESULT_CHARACTERS, RESULT_NESTING
from tests.engine.expression.conftest import evaluate, failure_of, outcome_of

TOO_LARGE = ("evaluate", "too-large")


class ReadOnly(Mapping[str, Any]):
    """A context that counts how it is read, and cannot be walked."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        self.read: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.read.append(name)
        return self.fields[name]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("the context was walked")

    def __len__(self) -> int:
        raise AssertionError("the context was measured")


def test_a_path_reads_only_what_it_names() -> None:
    context = ReadOnly({"payload": {"a": [{"b": 1}]}, "vars": {}})
    assert evaluate("payload.a[0].b + 1", context) == 2
    assert evaluate("payload.a.b", context) == 1
    assert set(context.read) == {"payload"}


def test_any_mapping_is_a_context() -> None:
    context = ChainMap({"local": 1}, {"payload": {"a": 2}})
    assert evaluate("local + payload.a", context) == 3
    assert evaluate("$", context) == {"local": 1, "payload": {"a": 2}}
    assert evaluate("'' & $", ChainMap({"a": 1})) == '{"a":1}'
    assert evaluate("$.*", ChainMap({"a": 1, "b": [2]})) == [1, 2]
    assert evaluate("**.c", ChainMap({"a": {"c": 3}})) == 3
    assert evaluate("$ ? 1 : 2", ChainMap({})) == 2


def test_results_are_plain_lists_and_dicts() -> None:
    context = {"rows": [{"id": 1, "t": [1]}, {"id": 2, "t": [2]}]}
    for source in (
        "rows.id",
        "{'a': rows.id}",
        "[[rows.id]]",
        "rows.[id]",
        "rows^(id)",
        "[1..3]",
        "rows.id[]",
        "rows.*",
    ):
        value = evaluate(source, context)
        pending = [value]
        while pending:
            item = pending.pop()
            assert type(item) in (list, dict, int), source
            pending += item if isinstance(item, list) else item.values() if isinstance(item, dict) else []


def test_the_context_is_shared_and_never_changed() -> None:
    context = {"rows": [{"id": 2, "t": [1, [2]]}, {"id": 1, "t": []}], "empty": []}
    before = copy.deepcopy(context)
    for source in (
        "rows^(id)",
        "rows{'k': t}",
        "append(rows, 1)",
        "rows.t[]",
        "empty#$i{'k': 1}",
        "rows#$i[0]",
        "rows.t.**",
        "$",
    ):
        evaluate(source, context)
        assert context == before, source
    assert evaluate("rows", context) is context["rows"]


def test_size_is_counted_as_compact_json() -> None:
    fits = "x" * (RESULT_CHARACTERS - 2)
    assert evaluate("big", {"big": fits}) == fits
    assert outcome_of("big", {"big": fits + "x"}) == TOO_LARGE
    assert outcome_of("big", {"big": '"' * (RESULT_CHARACTERS // 2)}) == TOO_LARGE
    assert evaluate("len(big)", {"big": fits * 3}) == len(fits) * 3
    numbers = [1] * ((RESULT_CHARACTERS - 2) // 2)
    assert evaluate("list", {"list": numbers}) == numbers
    assert outcome_of("list", {"list": [*numbers, 1]}) == TOO_LARGE
    assert outcome_of("o", {"o": {"k": fits}}) == TOO_LARGE
    assert outcome_of("o", {"o": {fits: 1}}) == TOO_LARGE
    assert outcome_of("o", {"o": [10**400] * 1000}) == TOO_LARGE


def test_nesting_of_results_is_bounded() -> None:
    def nested(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return value

    assert evaluate("v", {"v": nested(RESULT_NESTING)}) == nested(RESULT_NESTING)
    assert outcome_of("v", {"v": nested(RESULT_NESTING + 1)}) == TOO_LARGE
    assert evaluate("v[0] ? 1 : 2", {"v": nested(900)}) == 1


def test_missing_results_say_what_to_do() -> None:
    failure = failure_of("payload.absent", {"payload": {}})
    assert failure.kind == "no-json-result"
    assert "coalesce" in failure.message


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_are_not_finite_become_null(value: float) -> None:
    assert evaluate("v", {"v": value}) is None
    assert evaluate("[v, {'a': v}]", {"v": value}) == [None, {"a": None}]


def test_an_expression_is_told_apart_by_its_paths() -> None:
    expression = compile_expression("payload.a.b & ($.vars.c ? $$.meta : local[x = 1].y) & {'k': event.payload.id}")
    assert expression.context_paths == (
        ("payload", "a", "b"),
        ("vars", "c"),
        ("meta",),
        ("local",),
        ("event", "payload", "id"),
    )
    assert compile_expression("payload.a.b").simple_path == ("payload", "a", "b")
    assert compile_expression("payload.a[0]").simple_path is None
    assert compile_expression("payload.a + 1").simple_path is None
