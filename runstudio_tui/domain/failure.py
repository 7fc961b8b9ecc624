"""Which error an operator should read first, of the several a failed run carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.records import Attempt, ErrorInfo, RunStatus, RunSummary, Step, StepStatus


@dataclass(frozen=True, slots=True)
class Failure:
    """What to show: the closest cause, and what was said above it."""

    message: str
    source: str
    """Error category, or the action that failed."""
    code: str | None
    path: str
    at: datetime | None
    technical: str | None = None
    """The message of the level above, when it says something else."""
    details: object = None


def step_failure(step: Step, tries: Sequence[Attempt]) -> Failure | None:
    """The error of a step: that of its last failed try with a message, else its own, else None."""
    own = step.error
    failed = [item for item in tries if item.error is not None and item.error.message.strip()]
    if failed and own is not None:
        item = failed[-1]
        cause = item.error
        if cause is not None:
            technical = own.message if own.message and own.message != cause.message else None
            code = cause.code or own.code
            return Failure(cause.message, item.action, code, step.path, cause.at or own.at, technical, cause.details)
    return _plain(own, step.path) if own is not None else None


def run_failure(summary: RunSummary, failed_step: Step | None, tries: Sequence[Attempt]) -> Failure | None:
    """The error of a run that is FAILED or CANCELED; None for any other, whatever was handled on its way.

    ``failed_step`` is the unhandled failed step, where there is one.
    """
    if summary.row.status not in (RunStatus.FAILED, RunStatus.CANCELED):
        return None
    own = summary.error
    if failed_step is not None and failed_step.status is StepStatus.FAILED:
        found = step_failure(failed_step, tries)
        if found is not None:
            if own is None or not own.message or own.message in (found.message, found.technical):
                return found
            return Failure(
                found.message,
                found.source,
                found.code,
                found.path,
                found.at,
                found.technical or own.message,
                found.details,
            )
    return _plain(own, summary.row.node_path or "") if own is not None else None


def _plain(error: ErrorInfo, path: str) -> Failure:
    return Failure(error.message, error.category, error.code, error.path or path, error.at, None, error.details)
