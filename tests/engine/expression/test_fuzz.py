"""Whatever is thrown at the language, nothing but ExpressionFailure comes back."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.expression import grammar
from tests.engine.expression.conftest import outcome_of

TOKEN_TEXT = """
. .. [ ] { } ( ) , @ # ; : := ? ?: ?? + - * ** / % | = == != < <= > >= ^ & ! ~ ~> and or in true false null $ $$ $x $len
len coalesce append toString nowIso function λ a b payload items 0 1 -1 2.5 1e9 'x' "y" `z` /re/ /* */ \\ " ' ` é 🍄 \x00
"""
TOKENS = TOKEN_TEXT.split()
CONTEXT: dict[str, Any] = {
    "a": {"b": [1, {"a": None}], "len": 3},
    "items": [{"a": 1, "b": "x"}, {"a": [], "b": {}}, [[{"a": 2}]], "text", 3.5, False],
    "payload": {"items": [{"b": "y"}], "a": float("nan"), "b": 10**400},
    "x": "\ud800",
}
KINDS = {
    "no-json-result",
    "disallowed-function",
    "lambda",
    "unverifiable-apply",
    "syntax",
    "type",
    "not-a-function",
    "too-large",
}
HURRY = settings(derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


def holds(source: str, context: Any = CONTEXT) -> None:
    stage, detail = outcome_of(source, context)
    assert stage in ("value", "compile", "evaluate")
    if stage != "value":
        assert detail in KINDS


@settings(HURRY, max_examples=1500)
@given(st.text(max_size=60))
def test_any_text(source: str) -> None:
    holds(source)


@settings(HURRY, max_examples=2500)
@given(st.lists(st.sampled_from(TOKENS), max_size=30), st.sampled_from(["", " "]))
def test_any_sequence_of_tokens(tokens: list[str], glue: str) -> None:
    holds(glue.join(tokens))


@settings(HURRY, max_examples=600)
@given(st.binary(max_size=80))
def test_any_bytes(source: bytes) -> None:
    holds(source.decode("utf-8", "surrogateescape"))
    holds(source.decode("latin-1"))


@pytest.mark.parametrize("seed", range(20))
def test_mutilated_expressions(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        source = grammar.expression(grammar.Choices(rng.randrange))
        for _ in range(3):
            at = rng.randrange(len(source) + 1)
            source = (
                source[:at]
                + rng.choice((rng.choice(TOKENS), "", source[at : at + 9]))
                + source[at + rng.randrange(3) :]
            )
            holds(source)


@settings(HURRY, max_examples=400)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(grammar.NAMES), inner, max_size=3),
        max_leaves=12,
    ),
    st.integers(0, 2**32),
)
def test_any_document(document: Any, seed: int) -> None:
    source = grammar.expression(grammar.from_seed(seed))
    holds(source, {"a": document, "items": document, "payload": {"items": document}})
    holds("[a, '' & a, toString(a), len(a), a = items, a in [a], a.**, a^($), {'k': a}]", {"a": document})
