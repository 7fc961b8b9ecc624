"""What is refused before anything runs, and where the failure points."""

from __future__ import annotations

import pytest

from engine.expression import ExpressionFailure, compile_expression


def refused(source: str) -> ExpressionFailure:
    with pytest.raises(ExpressionFailure) as caught:
        compile_expression(source)
    assert caught.value.stage == "compile"
    assert caught.value.source == source
    return caught.value


@pytest.mark.parametrize(
    ("source", "position"),
    [
        ("", 0),
        ("  ", 2),
        ("a.", 2),
        ("a..", 1),
        ("a b", 2),
        ("bad(", 4),
        ("[1,", 3),
        ('{"a":}', 5),
        ('{"a"}', 4),
        ("1 +", 3),
        ("1,2", 1),
        ('"open', 0),
        ("a.`open", 2),
        ('"\\q"', 1),
        ('"\\u12"', 1),
        ('"\\ud800"', 1),
        ("1 /* never closed", 2),
        ("1e999", 0),
        ("01", 1),
        ("a || b", 2),
        ("!a", 0),
        ("not a", 4),
        ("a?.b", 2),
        ("{{a}}", 3),
        ("1 === 1", 4),
        ("1 !== 2", 4),
        ("a = = 1", 4),
        ("5 % % 2", 6),
        ("@", 0),
        ("1.a", 0),
        ("a.1", 2),
        ("1 := 2", 0),
        ("a@b", 2),
        ("a#b", 2),
        ("a[0]@$x", 4),
        ("a^(b)@$x", 5),
        ("a{b: c}{d: e}", 7),
        ("$x{a: 1}[0]", 8),
        ("payload ~> ", 11),
        ("a ~ b", 2),
        ("function(x){1}", 9),
        ("a / /", 4),
        ("//", 0),
    ],
)
def test_syntax(source: str, position: int) -> None:
    failure = refused(source)
    assert failure.kind == "syntax"
    assert failure.position == position
    assert failure.message


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("sum([1])", "sum"),
        ("$sum([1])", "sum"),
        ("payload.count(1)", "count"),
        ("a[$count(b) > 1]", "count"),
        ("a.($sum($))", "sum"),
        ("a{b: $sum(c)}", "sum"),
        ("a^($sum(b))", "sum"),
        ("|a|{'b': $sum(c)}|", "sum"),
        ("[1..$sum(a)]", "sum"),
        ("evil()", "evil"),
        ("$sum(?)", "sum"),
        ("a ~> $sum", "sum"),
        ("a ~> sum(1)", "sum"),
        ("a ~> $x", "x"),
        ("a ?? 1", "exists"),
        ("($len := $eval; $len('1'))", "len"),
        ("a@$append.b", "append"),
        ("a#$len.b", "len"),
        ("a[0]#$len", "len"),
        ("(a)(1)", None),
        ("$len(1)(2)", None),
        ("$len[0](1)", None),
    ],
)
def test_disallowed_functions(source: str, name: str | None) -> None:
    failure = refused(source)
    assert failure.kind == "disallowed-function"
    assert "disallowed function" in failure.message or "cannot be bound again" in failure.message
    assert failure.name == name


@pytest.mark.parametrize(
    "source",
    [
        "function($x){$x}",
        "λ($x){$x}",
        "function($x)<n:n>{$x}",
        "function($x){$x}(1)",
        "(function(){1})()",
        "($f := function($x){$x}; 1)",
        "$filter(a, function($v){$v > 1})",
        "a ~> function($x){$x}",
        "[function(){1}]",
    ],
)
def test_lambdas(source: str) -> None:
    assert refused(source).kind == "lambda"


@pytest.mark.parametrize(
    "source", ["a ~> /x/", "a ~> |b|{}|", "a ~> (b)", "a ~> b.c", "a ~> 1", "a ~> append(1)[0]", "a ~> append(1) & 'x'"]
)
def test_applications_that_cannot_be_checked(source: str) -> None:
    assert refused(source).kind == "unverifiable-apply"


def test_two_equals_signs_are_one_operator_and_texts_are_left_alone() -> None:
    evaluate = lambda source: compile_expression(source).evaluate({"n": 5}, lambda: "")  # noqa: E731 - three uses below
    assert evaluate("n == 5 and n==5") is True
    assert evaluate('"a == b" & "len(x)"') == "a == blen(x)"
    assert evaluate("{'==': n}") == {"==": 5}
