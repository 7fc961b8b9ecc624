"""The language against JSONata: a live port as oracle for generated expressions, and recorded answers of JSONata 2.2.1.

A difference is either a mistake of ours, or it has a line in DIFFERENCES, and a paragraph in docs/expressions.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.expression import grammar, port
from tests.engine.expression.conftest import failure_of, outcome_of

Outcome = tuple[str, Any]
RECORDED = json.loads((Path(__file__).parent / "jsonata_2_2_1.json").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Difference:
    """A way in which an answer of the port may differ from ours, and who is right."""

    reason: str
    applies: Callable[[Example], bool]


@dataclass(frozen=True, slots=True)
class Example:
    """A generated expression, and what came out."""

    source: str
    context: dict[str, Any]
    ours: Outcome
    theirs: Outcome

    def has_null(self) -> bool:
        """Whether a null could have got lost in the port."""
        return "null" in self.source or "null" in json.dumps(self.context)

    def has_missing_item(self) -> bool:
        """Whether our result is there, but something in it is missing."""
        missing = ("evaluate", "no-json-result")
        return self.ours == missing and outcome_of(f"$coalesce({self.source}, null)", self.context) == missing


DIFFERENCES = (
    Difference(
        "A % that no step can provide is refused when the expression is compiled; JSONata takes it for missing.",
        lambda example: example.ours == ("compile", "syntax") and "%" in example.source,
    ),
    Difference(
        "An array constructor at the head of a path works like any other step; JSONata forgets its filters and bindings, "
        "and finds nothing when its filter leaves one object.",
        lambda example: re.search(r"\](\[.*\])?[.#@]", example.source) is not None,
    ),
    Difference(
        "The port gives missing when one side of an operator is missing; JSONata, and we, look at the type of the other first.",
        lambda example: example.ours == ("evaluate", "type") and example.theirs[0] != "compile",
    ),
    Difference(
        "The port has one value for null and for a missing item of an array; JSONata, and we, have two.",
        lambda example: example.theirs[0] == "value" and (example.has_null() or example.has_missing_item()),
    ),
    Difference(
        "The port breaks with an exception of Python.",
        lambda example: example.theirs[0] == "crash",
    ),
    Difference(
        "The port builds the left side of ?: twice from one tree, and so negates it twice, or refuses a binding in it.",
        lambda example: "?:" in example.source,
    ),
)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return float(one) == float(other)  # JSONata has doubles only; our integers keep all their digits
    return bool(one == other)


def _agree(ours: Outcome, theirs: Outcome) -> bool:
    if ours[0] == "compile" or theirs[0] == "compile":
        return ours[0] == theirs[0]
    return ours[0] == theirs[0] and _same(ours[1], theirs[1])


differing: dict[str, list[str]] = {}
examined = 0


@settings(
    max_examples=3000,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)
@given(st.integers(0, 2**48))
def test_generated_expressions_mean_what_they_mean_in_the_port(seed: int) -> None:
    global examined  # noqa: PLW0603 - counted over all examples, for the test below
    choices = grammar.from_seed(seed)
    context, source = grammar.context(choices), grammar.expression(choices)
    examined += 1
    ours, theirs = outcome_of(source, context), port.outcome(source, context)
    if _agree(ours, theirs):
        return
    example = Example(source, context, ours, theirs)
    reasons = [difference.reason for difference in DIFFERENCES if difference.applies(example)]
    assert reasons, example
    differing.setdefault(reasons[0], []).append(source)


def test_listed_differences_are_rare() -> None:
    """The list explains differences; it must not hide them: what it covers stays below three in a hundred."""
    assert examined >= 2500
    assert sum(map(len, differing.values())) < examined * 0.03, {
        reason: len(found) for reason, found in differing.items()
    }


@pytest.mark.parametrize("number", range(len(RECORDED["contexts"])))
def test_recorded_answers_of_jsonata(number: int) -> None:
    context = RECORDED["contexts"][number]
    wrong = []
    for index, source, recorded in RECORDED["cases"]:
        if index != number:
            continue
        theirs = ("value", recorded["value"]) if "value" in recorded else tuple(recorded["error"])
        ours = outcome_of(source, context)
        if not _agree(ours, theirs):
            wrong.append((source, ours, theirs))
    assert not wrong


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("%", "syntax"),
        ("%.a", "syntax"),
        ("a.%.%", "syntax"),
        ("(%.a).b", "syntax"),
        ("a{k: %.b}", "syntax"),
        ("*[%.a = 1]", "syntax"),
    ],
)
def test_a_parent_nobody_provides_is_refused(source: str, kind: str) -> None:
    failure = failure_of(source, {"a": {"b": 1}})
    assert (failure.stage, failure.kind) == ("compile", kind)
    assert "%" in failure.message
