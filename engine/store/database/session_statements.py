"""Statements of code that is not ours, on a connection that others are given when its transaction is over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import event

from engine.errors import Invalid
from engine.store.database.transactions import Connection

SESSION_CHANGED: Final = "SESSION_CHANGED"
_OUTLASTS: Final = re.compile(
    r"""
    \A (?: \s | --[^\n]*\n | /\*.*?\*/ )* (?:
        SET \s+ (?! LOCAL\b | CONSTRAINTS\b | TRANSACTION\b
            | (?:SESSION\s+)? (?: ROLE\s+NONE | AUTHORIZATION\s+DEFAULT | [\w."]+ \s* (?:=|\bTO\b) \s* DEFAULT ) \s* ;? \s* \Z )
        | RESET \s+ (?: ALL | SESSION ) \b
        | (?: DISCARD | LISTEN ) \b
        | PREPARE \s+ TRANSACTION \b
        | (?: COMMIT | END | ROLLBACK | ABORT ) \b .* \b AND \s+ CHAIN \b
    )
    | \b set_config \s* \( [^()]* , \s* (?: false | 'f' | 'false' | 'off' ) \s* \)
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
"""What is in the text alone: a function of the database can do the same unseen."""


@contextmanager
def session_kept(connection: Connection) -> Iterator[None]:
    """While the block lasts, whoever executes a statement that would outlast the transaction of ``connection``, or begin another
    one, is refused: ``Invalid`` (SESSION_CHANGED). Through a pooler, even other programs would be given that session.
    """
    sync = connection.sync_connection
    if sync is None:
        yield
        return
    event.listen(sync, "before_cursor_execute", _refuse)
    try:
        yield
    finally:
        event.remove(sync, "before_cursor_execute", _refuse)


def _refuse(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
    found = _OUTLASTS.search(statement)
    if found is not None:
        begun = " ".join(found.group().split()[:3])
        raise Invalid(
            SESSION_CHANGED,
            f"The statement {begun!r} would change the session, which is not the action's own: others are given it afterwards.",
            "Write SET LOCAL, which ends with the transaction.",
        )
