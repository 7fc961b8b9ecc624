"""Failures of expressions, with stage, kind and position in the source; and the limits of an evaluation."""

from __future__ import annotations

from typing import Final, Literal

Stage = Literal["compile", "evaluate"]
Kind = Literal[
    "no-json-result",
    "disallowed-function",
    "lambda",
    "unverifiable-apply",
    "syntax",
    "type",
    "not-a-function",
    "too-large",
]

NO_JSON_RESULT: Final = "no-json-result"
"""The result is missing, a function, or contains one of these."""
DISALLOWED_FUNCTION: Final = "disallowed-function"
LAMBDA: Final = "lambda"
UNVERIFIABLE_APPLY: Final = "unverifiable-apply"
"""The right side of ``~>`` is not something that can be checked before the expression runs."""
SYNTAX: Final = "syntax"
TYPE: Final = "type"
"""An operator met a value it does not work on."""
NOT_A_FUNCTION: Final = "not-a-function"
TOO_LARGE: Final = "too-large"
"""A limit: length or nesting of the source, steps, size or nesting of the result."""

# Budgets of one expression. All are counted, none is measured in time: every machine and every replay agrees.
SOURCE_BYTES: Final = 4096
"""Longest source, in bytes of UTF-8."""
NESTING: Final = 64
"""Deepest nesting of operands, brackets and branches in a source."""
STEPS: Final = 100_000
"""Evaluation steps: one for each node of the expression evaluated for an element, and for each element visited."""
RESULT_CHARACTERS: Final = 262_144
"""Largest result, in characters of its compact JSON."""
RESULT_NESTING: Final = 128
"""Deepest nesting of lists and objects in a result; below what the store accepts, so that a result can be stored."""
CHARACTERS_PER_STEP: Final = 64
"""Building a text costs a step for this many characters."""


class ExpressionFailure(Exception):
    """An expression that does not compile or does not evaluate.

    Messages name operators, functions and types, never the values met: those may be secret.
    """

    def __init__(  # noqa: PLR0917 - the order in which a failure is spoken of
        self, stage: Stage, kind: Kind, message: str, source: str, position: int, name: str | None = None
    ) -> None:
        super().__init__(message)
        self.stage: Final = stage
        self.kind: Final = kind
        self.message: Final = message
        self.source: Final = source
        self.position: Final = position
        """Offset in ``source``, in characters from 0."""
        self.name: Final = name
        """The name of the function refused, for kind disallowed-function and not-a-function."""


def lambda_refused(position: int) -> Fault:
    """The failure of an expression that defines a function."""
    return Fault(LAMBDA, "Functions cannot be defined in an expression.", position)


class Fault(Exception):
    """A failure while the source is not at hand; ``Expression`` and ``compile_expression`` make it an ExpressionFailure."""

    def __init__(self, kind: Kind, message: str, position: int, name: str | None = None) -> None:
        super().__init__(message)
        self.kind: Final = kind
        self.message: Final = message
        self.position: Final = position
        self.name: Final = name

    def at_stage(self, stage: Stage, source: str) -> ExpressionFailure:
        """The failure to show, with the source it is about."""
        return ExpressionFailure(stage, self.kind, self.message, source, self.position, self.name)


def out_of_steps(position: int) -> Fault:
    """The failure of an expression that has used all its steps."""
    return Fault(TOO_LARGE, f"The expression needs more than {STEPS} steps; give it less data or split it.", position)
