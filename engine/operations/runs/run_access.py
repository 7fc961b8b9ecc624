"""Finding the run an operation is about, and refusing what may not be done to it."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Sequence
from typing import Final

from engine import advice
from engine.errors import Conflict, Invalid, NotFound
from engine.ids import once_each
from engine.store.database.transactions import Connection
from engine.store.runs import runs
from engine.store.runs.runs import Run
from engine.values.json_policy import storable_text
from engine.values.request_limits import MAX_TARGETS
from engine.values.terminal_text import VISIBLE
from engine.wording import counted

MIN_REASON: Final = 3
MAX_REASON: Final = 1000
_BLANKS: Final = frozenset((*map(chr, VISIBLE), "\u2800", "\ufe0e", "\ufe0f"))
"""What is not drawn, or would mislead, and beside it an empty cell of Braille and the selectors of emoji."""


async def require_run(connection: Connection, tenant: str, run_id: str) -> Run:
    """A run of the tenant. Raises ``NotFound`` (RUN_NOT_FOUND), also for what is no id and for a run of another tenant."""
    found = await runs.load_run(connection, tenant, run_id) if is_run_id(run_id) else None
    if found is None:
        raise run_not_found(run_id)
    return found


def run_not_found(run_id: str) -> NotFound:
    """The refusal of an operation on a run that is not there."""
    return NotFound("RUN_NOT_FOUND", f"There is no run {storable_text(str(run_id))[:100]}.", "Look it up in the list.")


def is_run_id(value: str | uuid.UUID) -> bool:
    """Whether ``value`` is a uuid as we write them, or one that was read from a column of the caller's own."""
    text = str(value)
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def distinct_runs(run_ids: Sequence[str]) -> list[str]:
    """``run_ids``, each once. Raises ``Invalid`` (TOO_MANY_TARGETS)."""
    distinct = once_each(run_ids)
    if len(distinct) > MAX_TARGETS:
        raise Invalid(
            "TOO_MANY_TARGETS",
            f"{counted(len(distinct), 'run')}; {MAX_TARGETS} at a time are allowed.",
            "Choose fewer at a time.",
        )
    return distinct


def refuse_historical(run: Run) -> None:
    """Raises ``Conflict`` (RUN_READ_ONLY) for a run from before the cutover."""
    if run.historical:
        raise Conflict(
            "RUN_READ_ONLY",
            f"Run {run.run_id} is from before the cutover; it can only be read and replayed.",
            advice.REPLAY.to("Replay it to run it again", run=run.run_id),
        )


def checked_reason(reason: str) -> str:
    """``reason`` without surrounding space; what is no text is none. Raises ``Invalid`` (REASON_TOO_SHORT, REASON_TOO_LONG)."""
    text = storable_text(reason).strip() if isinstance(reason, str) else ""
    if len(_seen(text)) < MIN_REASON:
        raise Invalid(
            "REASON_TOO_SHORT", f"The reason needs at least {MIN_REASON} characters.", "Say why; it is audited."
        )
    if len(text) > MAX_REASON:
        raise Invalid(
            "REASON_TOO_LONG", f"The reason has {len(text)} characters; {MAX_REASON} are allowed.", "Shorten it."
        )
    return text


def _seen(text: str) -> str:
    """What is seen of a text: without control characters, zero widths and the like, and without space at its ends."""
    return "".join(sign for sign in text if sign not in _BLANKS and unicodedata.category(sign)[0] != "C").strip()
