"""Statements that Postgres refuses for what they hold: repeating them would never succeed."""

from __future__ import annotations

from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError

from engine.errors import EngineError, Invalid
from engine.store.database.engine import as_denied, as_unavailable

TOO_LARGE: Final = "DATABASE_VALUE_TOO_LARGE"
OUT_OF_RANGE: Final = "DATABASE_VALUE_OUT_OF_RANGE"
NO_TEXT: Final = "DATABASE_TEXT_REFUSED"
REFUSED: Final = "DATABASE_VALUE_REFUSED"
CONSTRAINT: Final = "DATABASE_CONSTRAINT"

DATABASE_ERRORS: Final = (DBAPIError, psycopg.Error, UnicodeEncodeError)
"""What statements raise, through SQLAlchemy and by the driver directly; the last for a text that is none."""
_OUT_OF_RANGE: Final = ("22003", "22008", "22015")
"""SQLSTATEs of a number, a time and an interval outside what the type holds."""
_NOT_A_TEXT: Final = ("22021", "22P05")
"""SQLSTATEs of bytes that are no text in the encoding of the database, and of a character that its jsonb cannot hold."""


def as_refusal(error: BaseException) -> Invalid | None:
    """``error`` as what is wrong with the values of a statement (SQLSTATE classes 22 and 54, and what the driver refuses).

    None for any other error. The values themselves are not repeated.
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
    if state in _NOT_A_TEXT or _is_no_text(error):
        return Invalid(
            NO_TEXT,
            "A text has a character that Postgres cannot hold.",
            "Leave out NUL and halves of surrogate pairs.",
            {"sqlstate": state} if state else {},
        )
    if state.startswith("22"):
        return Invalid(REFUSED, "Postgres refuses a value.", "Look at what is written.", {"sqlstate": state})
    return None


def may_pass(error: BaseException) -> bool:
    """Whether the statement that met ``error`` may be taken at another time: Postgres is away or in trouble of any kind, a plan
    or a right is missing, and nothing that the statement holds is refused.
    """
    if as_unavailable(error) is not None:
        return True
    told = isinstance(error, DBAPIError | psycopg.Error)
    return told and as_refusal(error) is None and as_violation(error) is None


def as_engine_error(error: BaseException, *, question: bool = False) -> EngineError | None:
    """``error`` in our own words, whatever Postgres or its driver means by it; None when it is none of what they say.

    ``question``: as for ``as_unavailable``.
    """
    return as_unavailable(error, question=question) or as_denied(error) or as_refusal(error)


def _is_no_text(error: BaseException) -> bool:
    """Whether the driver found that before anything was sent."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, UnicodeEncodeError):
        return cause.encoding == "utf-8"
    return isinstance(cause, psycopg.DataError) and "NUL" in str(cause)


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
