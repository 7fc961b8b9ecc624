"""One expression of a plan: compiled at its first use; its failures name its place in the definition."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Protocol

from engine.errors import EXPRESSION, StepFailure
from engine.expression import Expression, ExpressionFailure, Reads, compile_expression
from engine.values.json_size import json_size

_SOURCE_SHOWN: Final = 500
_STABLE_MESSAGES: Final = {
    "no-json-result": "Expression result is not JSON-serializable",
    "lambda": "Expression defines a lambda, which is not allowed",
    "too-large": "Expression exceeds the max output size or another limit",
}
"""Messages that definitions have learned to read; the evaluator's own words are in the details then."""
_LARGE_BYTES: Final = 8192
_LARGE_COST: Final = 20_000
"""What looking through a large result costs, in evaluation steps; the expression itself does not count it."""


class Meter(Protocol):
    """What an evaluation uses: a clock, a counter of evaluation steps with a limit, and the rules of the run's semantics."""

    @property
    def rounds(self) -> bool:
        """Whether arithmetic rounds integers beyond 2^53 instead of refusing them."""
        ...

    def clock(self) -> str:
        """``nowIso()``."""
        ...

    def admit(self) -> None:
        """Raise StepFailure when the step's evaluations have cost too much already."""
        ...

    def spend(self, steps: int) -> None:
        """Count evaluation steps."""
        ...


class Formula:
    """One expression of a plan.

    Compilation waits for the first use, so that a large definition costs nothing for the branches a run never takes, and an
    expression that does not compile fails its own step only.
    """

    __slots__ = ("_expression", "_failure", "path", "source")

    def __init__(self, source: str, path: str) -> None:
        self.source: Final = source
        self.path: Final = path
        """JSON pointer of the field in the definition."""
        self._expression: Expression | None = None
        self._failure: ExpressionFailure | None = None

    def evaluate(self, context: Mapping[str, Any], meter: Meter) -> Any:
        """The value, a JSON value that is never missing. Raises StepFailure (ExpressionError, code = the kind of failure)."""
        expression = self._expression
        if expression is None:
            expression = self._compiled()
        meter.admit()
        try:
            value = expression.evaluate(context, meter.clock, meter.spend, rounds=meter.rounds)
        except ExpressionFailure as failure:
            raise self._failed(failure) from failure
        if isinstance(value, dict | list) and json_size(value, _LARGE_BYTES) > _LARGE_BYTES:
            meter.spend(_LARGE_COST)
        return value

    def selects(self, context: Mapping[str, Any]) -> bool:
        """Whether what it finds may be none, one or many, so that one alone is no array."""
        return self._compiled().selects(partial(_maps, context))

    def wrong_type(self, message: str) -> StepFailure:
        """The failure of an expression whose value has a type its place does not take."""
        return StepFailure(
            EXPRESSION, message, code="type", details={"source": self.source[:_SOURCE_SHOWN], "path": self.path}
        )

    def _compiled(self) -> Expression:
        if self._failure is not None:
            raise self._failed(self._failure)
        try:
            self._expression = compile_expression(self.source)
        except ExpressionFailure as failure:
            self._failure = failure
            raise self._failed(failure) from failure
        return self._expression

    def _failed(self, failure: ExpressionFailure) -> StepFailure:
        details: dict[str, Any] = {
            "source": self.source[:_SOURCE_SHOWN],
            "position": failure.position,
            "path": self.path,
            "stage": failure.stage,
        }
        message = _STABLE_MESSAGES.get(failure.kind, failure.message)
        if message is not failure.message:
            details["reason"] = failure.message
        return StepFailure(EXPRESSION, message, code=failure.kind, details=details)


def _maps(context: Mapping[str, Any], reads: Reads) -> bool:
    """Whether the path takes a field of each item of an array of this context."""
    value: Any = context
    for name, index in reads[:-1]:
        value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, list):
            if index is None:
                return True
            value = value[index] if -len(value) <= index < len(value) else None
    return False
