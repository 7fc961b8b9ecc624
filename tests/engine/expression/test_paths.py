"""Paths: fields, filters, wildcards, order, grouping, bindings, and what a sequence of one stands for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.expression.conftest import evaluate, outcome_of

ROWS: list[dict[str, Any]] = [
    {"id": 1, "kind": "a", "tags": ["x", "y"], "qty": 2},
    {"id": 2, "kind": "b", "tags": ["z"], "qty": 5},
    {"id": 3, "kind": "b", "tags": [], "qty": 1},
]
CONTEXT: dict[str, Any] = {
    "payload": {"rows": ROWS, "n": 5, "one": [{"id": 7}], "empty": [], "o": {"a": 1, "b": {"c": "deep"}}, "s": "hello"},
    "vars": {"and": 1},
}
MISSING = ("evaluate", "no-json-result")


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("payload.n", 5),
        ("payload.rows.id", [1, 2, 3]),
        ("payload.rows.tags", ["x", "y", "z"]),
        ("payload.one", [{"id": 7}]),
        ("payload.one.id", 7),
        ("payload.one.id[]", [7]),
        ("payload.empty", []),
        ("[payload.empty.id]", []),
        ("payload.'n'", 5),
        ("payload.`n`", 5),
        ("vars.and", 1),
        ("payload.rows[-1].id", 3),
        ("payload.rows.tags[0]", ["x", "z"]),
        ("(payload.rows.tags)[0]", "x"),
        ("payload.rows[kind = 'b'].id", [2, 3]),
        ("payload.rows[kind = 'a'].id", 1),
        ("payload.rows[kind = 'a'][]", [ROWS[0]]),
        ("payload.rows[[0, 2]].id", [1, 3]),
        ("payload.rows[[0..1]].id", [1, 2]),
        ("payload.rows[tags].id", [1, 2]),
        ("payload.rows[id].id", None),
        ("payload.s[0]", "hello"),
        ("payload.o.*", [1, {"c": "deep"}]),
        ("payload.o.**.c", "deep"),
        ("payload.rows.(id * qty)", [2, 10, 3]),
        ("payload.rows.[id, qty]", [[1, 2], [2, 5], [3, 1]]),
        ("payload.rows.{'k': kind}", [{"k": "a"}, {"k": "b"}, {"k": "b"}]),
        ("payload.rows^(qty).id", [3, 1, 2]),
        ("payload.rows^(>kind, qty).id", [3, 2, 1]),
        ("payload.rows^(absent).id", [1, 2, 3]),
        ("payload.rows{kind: id}", {"a": 1, "b": [2, 3]}),
        ("payload.rows{kind: $len(id)}", {"a": 0, "b": 2}),
        ("payload.rows#$i[$i > 0].id", [2, 3]),
        ("payload.rows#$i.{'i': $i, 'id': id}", [{"i": 0, "id": 1}, {"i": 1, "id": 2}, {"i": 2, "id": 3}]),
        ("payload.rows[id > 1]#$i.($i & ':' & id)", ["0:2", "1:3"]),
        ("payload.rows@$r.n", [5, 5, 5]),
        ("payload.rows@$r.tags@$t.($r.id & $t)", None),
        ("payload.rows.tags.%.id", [1, 1, 2]),
        ("payload.rows[%.n = 5].id", [1, 2, 3]),
        ("payload.rows.tags[%.id = 1]", ["x", "y"]),
        ("payload.o.b.%.a", 1),
        ("[payload.rows.id, 4]", [1, 2, 3, 4]),
        ("[[payload.rows.id], 4]", [[1, 2, 3], 4]),
        ("[{'a': 1}, {'a': 2}].a", [1, 2]),
        ("[{'a': 1}, {'a': 2}][1].a", 2),
    ],
)
def test_values(source: str, value: Any) -> None:
    expected = MISSING if value is None else ("value", value)
    assert outcome_of(source, CONTEXT) == expected


@pytest.mark.parametrize(
    "source",
    [
        "payload.absent",
        "payload.absent.deeper",
        "payload.n.x",
        "payload.s.length",
        "payload.rows.length",
        "payload.constructor",
        "payload.__proto__",
        "payload.rows[kind = 'zzz']",
        "payload.rows[9]",
        "payload.empty[0]",
        "$unbound",
    ],
)
def test_missing(source: str) -> None:
    assert outcome_of(source, CONTEXT) == MISSING
    assert evaluate(f"coalesce({source}, 'none')", CONTEXT) == "none"
    assert evaluate(f"[{source}]", CONTEXT) == []
    assert evaluate(f"{{'k': {source}}}", CONTEXT) == {}


def test_a_join_of_two_lists() -> None:
    context = {"orders": [{"id": 1, "by": "b"}, {"id": 2, "by": "a"}], "people": [{"key": "a", "name": "Ann"}]}
    source = "orders@$o.people@$p[$p.key = $o.by].{'order': $o.id, 'name': $p.name}"
    assert evaluate(source, context) == {"order": 2, "name": "Ann"}


def test_variables_live_in_their_block() -> None:
    assert evaluate("($x := 1; ($x := 2; $x); $x)") == 1
    assert evaluate("($x := payload.rows; $x[0].id + $x[1].id)", CONTEXT) == 3
    assert evaluate("([$y := 1]; $y)") == 1
    assert outcome_of("(([$z := 1]); $z)") == MISSING


def test_a_reused_path_does_not_remember() -> None:
    source = "payload.rows[kind = 'a'].id"
    assert evaluate(source, CONTEXT) == 1
    assert evaluate(source, {"payload": {"rows": {"kind": "a", "id": 9}}}) == 9
    assert evaluate(source, {"payload": {"rows": [{"kind": "a", "id": 1}, {"kind": "a", "id": 2}]}}) == [1, 2]


def test_grouping_an_empty_list_leaves_the_list_alone() -> None:
    context: dict[str, Any] = {"rows": []}
    assert evaluate("rows{'k': 1}", context) == {"k": 1}
    assert context == {"rows": []}
