"""An expression at its place in a definition: compiled at its first use, and failing with where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.errors import EXPRESSION, StepFailure
from engine.expression import Expression, ExpressionFailure, compile_expression

_SOURCE_SHOWN: Final = 500


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

    def evaluate(self, context: Mapping[str, Any], now_iso: Callable[[], str]) -> Any:
        """The value, a JSON value that is never missing. Raises StepFailure (ExpressionError, code = the kind of failure)."""
        expression = self._expression
        if expression is None:
            expression = self._compiled()
        try:
            return expression.evaluate(context, now_iso)
        except ExpressionFailure as failure:
            raise self._failed(failure) from failure

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
        return StepFailure(
            EXPRESSION,
            failure.message,
            code=failure.kind,
            details={
                "source": self.source[:_SOURCE_SHOWN],
                "position": failure.position,
                "path": self.path,
                "stage": failure.stage,
            },
        )
