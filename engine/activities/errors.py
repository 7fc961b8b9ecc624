"""Failures of activities: values the interpreter decides about, or errors that Temporal retries."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from engine.actions.raised import json_of
from engine.errors import EXECUTION_ID_TAKEN, StepFailure
from engine.store.database.transactions import Store
from engine.store.runs.loading import LoadedRun
from engine.store.trace.projection import Progress, has_row, was_written
from engine.values.json_policy import storable_text
from engine.workflow.plans import unread_of
from engine.workflow.wire import ACTION_NOT_HERE, STEPS_NOT_HERE

MAX_ERROR_BYTES: Final = 32 * 1024
"""Largest error that is stored or handed back, as JSON."""
_CUT: Final = "...[truncated]"

MAX_WORD_CHARACTERS: Final = 200
"""Longest category and code; lists of runs are indexed by them."""

RUN_CLOSED: Final = "RunClosed"
ROW_LOST: Final = "RunRowLost"
TOO_LARGE_FOR_A_LOCAL_ONE: Final = "TooLargeForALocalActivity"


def error_of(failure: StepFailure, node_path: str, at: str) -> dict[str, Any]:
    """The failure as rows and histories hold it, cut to ``MAX_ERROR_BYTES``: code, details, then the message.

    What no row can hold is replaced here, or left out: a repeat, which reads it from its row, sees the same.
    """
    error: dict[str, Any] = {
        "category": storable_text(failure.category[:MAX_WORD_CHARACTERS]),
        "message": storable_text(failure.message),
        "nodePath": node_path,
        "at": at,
    }
    if failure.code is not None:
        error["code"] = storable_text(failure.code[:MAX_WORD_CHARACTERS])
    if failure.details is not None:
        error["details"] = json_of(failure.details)
    if _size(error) <= MAX_ERROR_BYTES:
        return error
    if "details" in error:
        error["details"] = {"truncated": True, "size": _size(error["details"]), "max": MAX_ERROR_BYTES}
    excess = _size(error) - MAX_ERROR_BYTES
    if excess > 0:
        # Cut by the escaped form, whose length is what counts; an escape that was cut through goes too.
        escaped = json.dumps(error["message"])[1:-1]
        error["message"] = _unescaped(escaped[: max(0, len(escaped) - excess - len(_CUT))]) + _CUT
    return error


async def require_repeat(store: Store, progress: Progress) -> None:
    """To be called when a projection found its run closed. Raises ``closed_or_lost``, unless it had been written before."""
    if not await was_written(store, progress):
        raise await closed_or_lost(store, progress.run_id)


async def closed_or_lost(store: Store, run_id: str) -> ApplicationError:
    """``run_closed()``; or, where the run has no row at all, a failure that Temporal repeats: the database was restored to a
    moment before the run, and the reconciler has the row written again or ends the execution where one can see it.
    """
    if await has_row(store, run_id):
        return run_closed()
    return row_lost(run_id)


def row_lost(run_id: str) -> ApplicationError:
    """What Temporal repeats, here or at another worker: the row may be there later, or in another database."""
    return ApplicationError(f"{ROW_LOST}: the run {run_id} has no row in this database.", type=ROW_LOST)


def run_closed() -> ApplicationError:
    """The run is over for everybody else: the workflow must end, and repeating would change nothing."""
    return ApplicationError(
        "The run's row is closed: it was ended from outside, and its workflow ends now.",
        type=RUN_CLOSED,
        non_retryable=True,
    )


def not_its_execution(run_id: str, workflow_id: str) -> ApplicationError:
    """Somebody has started it by hand, under another id, with what belongs to a run: it must end, and touch no row of the run."""
    return ApplicationError(
        f"The execution {workflow_id[:200]} is not that of the run {run_id[:100]}: somebody else has started it.",
        {"code": EXECUTION_ID_TAKEN},
        type=EXECUTION_ID_TAKEN,
        non_retryable=True,
    )


def too_large_for_a_local_one() -> ApplicationError:
    """The workflow calls the same activity again at once, as an ordinary one."""
    return ApplicationError(
        f"{TOO_LARGE_FOR_A_LOCAL_ONE}: The answer goes by an activity of its own.",
        type=TOO_LARGE_FOR_A_LOCAL_ONE,
        non_retryable=True,
    )


_MOVE_ON: Final = timedelta(seconds=0.5)
_MOVES: Final = 30
"""Whoever asks Temporal first gets a task, so among workers of two releases it may be the wrong one several times in a row."""


def not_here(action_id: str, version: int, worker: str) -> ApplicationError:
    """This worker lacks the action: Temporal gives the attempt to a worker again, for a while at once, then after a pause that
    grows to 15 s."""
    return _elsewhere(ACTION_NOT_HERE, f"{action_id}@{version} is not on the worker {worker}.")


def require_known_steps(run: LoadedRun, definition: str) -> None:
    """Raises ApplicationError, as ``not_here``, when a later release has published the run's version, with steps, settings of
    steps or expressions of its own.

    ``definition``: its JSON text. A version from before this engine published may have steps that nobody knows; these fail when
    they are reached.
    """
    unread = None if run.action_traits is None else unread_of(definition)
    if unread is not None:
        said = f"version {run.workflow_version} of {run.workflow_id} has steps of another release: {unread}."
        raise _elsewhere(STEPS_NOT_HERE, said)


def _elsewhere(kind: str, said: str) -> ApplicationError:
    pause = _MOVE_ON if activity.info().attempt <= _MOVES else None
    return ApplicationError(f"{kind}: {said}", type=kind, next_retry_delay=pause)


def _size(value: Any) -> int:
    return len(json.dumps(value))


def _unescaped(cut: str) -> str:
    for dropped in range(12):
        # At most a surrogate pair, two escapes of six characters, has been cut through.
        try:
            text: str = json.loads(f'"{cut[: len(cut) - dropped]}"')
        except json.JSONDecodeError:
            continue
        if not text or not "\ud800" <= text[-1] <= "\udbff":
            return text
    return ""
