"""Budgets hold for the worst that fits into a source, and no limit depends on time or on the machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from engine.expression import compile_expression
from engine.expression.errors import NESTING, SOURCE_BYTES, STEPS
from tests.engine.expression.conftest import NOW, evaluate, outcome_of

MANY = [{"id": number, "g": str(number % 7)} for number in range(30_000)]
BOMBS = [
    "[1..9000000]",
    "[1..999999999999]",
    "[1..100000].[1..100000]",
    "[1..300].([1..300].([1..300]))",
    "(" + "$x := $x & $x & 'xxxxxxxx'; " * 120 + "$x)",
    "($x := 'xxxxxxxx'; " + "$x := $x & $x; " * 200 + "len($x))",
    "($x := [1]; " + "$x := [$x, $x]; " * 200 + "$x)",
    "($x := [1]; " + "$x := [[$x], [$x]]; " * 150 + "'' & $x)",
    "($x := [1]; " + "$x := [[$x], [$x]]; " * 150 + "toString($x))",
    "($x := [0]; " + "$x := [[$x], [$x]]; " * 150 + "$x ? 1 : 2)",
    "($x := [1]; $y := [1]; " + "$x := [[$x], [$x]]; $y := [[$y], [$y]]; " * 80 + "$x = $y)",
    "($x := [1]; " + "$x := [[$x], [$x]]; " * 150 + "{'k': $x}.**)",
    "($x := [1]; " + "$x := [[$x], [$x]]; " * 150 + "{'k': $x}.*)",
    "($x := {'a': 1}; " + "$x := [[$x], [$x]]; " * 150 + "$x.a)",
    "($x := 3; " + "$x := $x * $x; " * 250 + "$x)",
    "many@$a.many@$b.many@$c.($a.id)",
    "many^(g, id)^(>id)",
    "many{g: many{g: id}}",
    "many.(many.id)",
    "many[id in $$.many.id]",
    "many.('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' & $$.text & id)",
    "many.$append($$.many, id)",
    "many[$$.many.id]",
    "**.**.**",
]


@pytest.mark.parametrize("source", BOMBS, ids=range(len(BOMBS)))
def test_bombs_end_soon(source: str) -> None:
    context = {"many": MANY, "text": "y" * 100_000}
    started = time.process_time()
    stage, kind = outcome_of(source, context)
    assert time.process_time() - started < 5, source
    assert (stage, kind) == ("evaluate", "too-large") or stage == "value" or kind == "type"


def test_most_bombs_hit_a_budget() -> None:
    context = {"many": MANY, "text": "y" * 100_000}
    assert sum(outcome_of(source, context) == ("evaluate", "too-large") for source in BOMBS) >= len(BOMBS) - 2


def test_a_filter_over_a_real_list_fits() -> None:
    assert len(evaluate("many[id > 10].g", {"many": MANY[:15_000]})) == 14_989
    assert evaluate("len(many.id)", {"many": MANY}) == 30_000


def test_steps_are_counted_and_told() -> None:
    told: list[int] = []
    compile_expression("a + 1").evaluate({"a": 1}, lambda: NOW, told.append)
    compile_expression("len([1..1000])").evaluate({}, lambda: NOW, told.append)
    assert told[0] < 10
    assert 1000 < told[1] < 3000
    with pytest.raises(Exception, match="steps"):
        compile_expression("[1..1000000]").evaluate({}, lambda: NOW, told.append)
    assert told[2] > STEPS


def test_length_of_a_source() -> None:
    assert evaluate("'" + "x" * (SOURCE_BYTES - 2) + "'") == "x" * (SOURCE_BYTES - 2)
    assert outcome_of("'" + "x" * (SOURCE_BYTES - 1) + "'") == ("compile", "too-large")
    assert outcome_of("'" + "é" * (SOURCE_BYTES // 2) + "'") == ("compile", "too-large")


SHAPES: list[Callable[[int], str]] = [
    lambda n: "(" * n + "a" + ")" * n,
    lambda n: "[" * n + "1" + "]" * n,
    lambda n: '{"a":' * n + "1" + "}" * n,
    lambda n: "rows[" * n + "true" + "]" * n,
    lambda n: "$$.rows[" * n + "true" + "]" * n,
    lambda n: "$coalesce(" * n + "1" + ")" * n,
    lambda n: "rows.$coalesce(" * n + "1" + ")" * n,
    lambda n: "true ? " * n + "1",
    lambda n: "false ? 1 : " * n + "1",
    lambda n: "false ?: " * n + "1",
    lambda n: "-" * n + "a",
    lambda n: "$x := " * n + "1",
    lambda n: "[1,2]^(" * n + "1" + ")" * n,
    lambda n: "rows{'a':" * n + "1" + "}" * n,
    lambda n: "$$.rows@$x[" * n + "true" + "]" * n,
    lambda n: "$$.rows.(" * n + "1" + ")" * n,
    lambda n: "(a or b and c = d & 1 * " * n + "1" + ")" * n,
    lambda n: "1 ~> append(2 ~> coalesce(" * n + "1" + "))" * n,
    lambda n: "function($x){" * n + "1" + "}" * n,
    lambda n: "$coalesce" + "(1)" * n,
    lambda n: "a" + "[0]" * n,
    lambda n: "a" + ".a" * n + ".%" * n,
    lambda n: "|a|" * n,
    lambda n: "a.b." * n + "c",
]


@pytest.mark.parametrize("shape", SHAPES, ids=[shape(1) for shape in SHAPES])
def test_nesting_fails_in_order_and_within_a_small_stack(shape: Callable[[int], str]) -> None:
    """Everything runs, or is refused, with 600 frames: what a caller deep inside a framework has left at least."""
    context: dict[str, Any] = {"a": {"a": 1}, "rows": [{"a": 1}]}
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(_frames_in_use() + 600)
        for depth in (1, NESTING // 4, NESTING // 2 - 1, NESTING - 2, NESTING, NESTING + 1, 200, 2000):
            outcome_of(shape(depth), context)
    finally:
        sys.setrecursionlimit(limit)


def _frames_in_use() -> int:
    frame, count = sys._getframe(), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1  # type: ignore[assignment] - the outermost frame has no caller
    return count


@pytest.mark.parametrize(
    "source", ["v", "v.**", "v ? 1 : 2", "'' & v", "toString(v)", "v = v", "v.a.a", "[v]", "v in [v]", "v.*"]
)
def test_data_of_any_depth_does_not_exhaust_the_stack(source: str) -> None:
    for wrap in (lambda inner: [inner], lambda inner: {"a": inner}):
        one: Any = 1
        other: Any = 1
        for _ in range(20_000):
            one, other = wrap(one), wrap(other)
        outcome_of(source, {"v": one, "w": other})


def test_speed_does_not_depend_on_the_document() -> None:
    """A path costs the same in a document of a hundred bytes and of a megabyte."""

    def fastest(context: dict[str, Any]) -> float:
        expression = compile_expression("payload.deep.value")
        best = float("inf")
        for _ in range(7):
            started = time.perf_counter()
            for _ in range(500):
                expression.evaluate(context, lambda: NOW)
            best = min(best, time.perf_counter() - started)
        return best / 500

    deep = {"value": 1}
    small = fastest({"payload": {"deep": deep}})
    large = fastest({"payload": {"deep": deep, "rows": [{"id": n, "name": "n" * 20} for n in range(20_000)]}})
    assert large < small * 3
