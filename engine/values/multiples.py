"""Multiples as people count them: of decimal numbers, as they are written, and not of the doubles nearest to them."""

from __future__ import annotations

from fractions import Fraction


def is_multiple(value: int | float, factor: int | float) -> bool:
    """Whether ``value`` is a whole number of times ``factor``, which is not 0: 19.99 of 0.01 is. Both are finite."""
    return (Fraction(str(value)) / Fraction(str(factor))).denominator == 1
