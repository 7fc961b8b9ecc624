"""Statements that Postgres refuses for what they hold: repeating them would never succeed."""

from __future__ import annotations

from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError

from engine.errors import Invalid

TOO_LARGE: Final = "DATABASE_VALUE_TOO_LARGE"
OUT_OF_RANGE: Final = "DATABASE_VALUE_OUT_OF_RANGE"
REFUSED: Final = "DATABASE_VALUE_REFUSED"
CONSTRAINT: Final = "DATABASE_CONSTRAINT"

DATABASE_ERRORS: Final = (DBAPIError, psycopg.Error)
"""What statements raise, through SQLAlchemy and by the driver directly."""
_OUT_OF_RANGE: Final = ("22003", "22008", "22015")
"""SQLSTATEs of a number, a time and an interval outside what the type holds."""


def as_refusal(error: BaseException) -> Invalid | None:
    """``error`` as what is wrong with the values of a statement (SQLSTATE classes 22 and 54); else None.

    The values themselves are not repeated.
    """
    state = sqlstate_of(error)
    if state.startswith("54"):
        return Invalid(
            TOO_LARGE,
            "Postgres cannot hold a value of this size where it belongs.",
            "Shorten keys, ids and names; keep large values elsewhere and pass a reference.",
            {"sqlstate": state},
        )
    if state in _OUT_OF_RANGE:
        return Invalid(
            OUT_OF_RANGE,
            "A number or a time lies outside what Postgres can hold.",
            "Use a smaller one.",
            {"sqlstate": state},
        )
    if state.startswith("22"):
        return Invalid(REFUSED, "Postgres refuses a value.", "Look at what is written.", {"sqlstate": state})
    return None


def as_violation(error: BaseException) -> Invalid | None:
    """``error`` as the rule of a table that a transaction has broken (SQLSTATE class 23); else None."""
    state = sqlstate_of(error)
    if not state.startswith("23"):
        return None
    return Invalid(
        CONSTRAINT,
        "What the transaction has written breaks a rule of its tables.",
        "Look at what the action writes, and at the constraints that are checked at the commit.",
        {"sqlstate": state},
    )


def sqlstate_of(error: BaseException) -> str:
    """The SQLSTATE of a database error; empty when it has none."""
    cause = getattr(error, "orig", None) or error
    return str(getattr(cause, "sqlstate", None) or "")
