"""Budgets of one expression. All are counted, none is measured in time: every machine and every replay agrees."""

from __future__ import annotations

from typing import Final

from engine.expression.errors import TOO_LARGE, Fault

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


def out_of_steps(position: int) -> Fault:
    """The failure of an expression that has used all its steps."""
    return Fault(TOO_LARGE, f"The expression needs more than {STEPS} steps; give it less data or split it.", position)
