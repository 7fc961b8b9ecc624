"""One family of errors.

Two kinds cross the engine, and they are different things:

* ``RunError`` is data: what went wrong *inside a run*. It is stored on steps and runs, and a definition can catch it.
* ``EngineError`` is an exception: an *operation* was refused. It carries a code, what happened and what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from engine.wording import sentences

VALIDATION: Final = "ValidationError"
EXPRESSION: Final = "ExpressionError"
TRANSIENT: Final = "TransientError"
ACTION: Final = "ActionError"
TIMEOUT: Final = "TimeoutError"
QUOTA: Final = "QuotaExceeded"
CHILD: Final = "ChildWorkflowError"
CANCELLATION: Final = "Cancellation"
"""Never catchable by a definition; recognised by exception type, never by text."""
CORRUPTION: Final = "InterpreterCorruption"
"""A broken plan or state. Fails the run; never catchable."""
EXECUTION_ID_TAKEN: Final = "EXECUTION_ID_TAKEN"
"""Code of a run whose id in Temporal belongs to an execution that is not its own, and of such an execution."""


@dataclass(frozen=True, slots=True)
class RunError:
    """A failure inside a run, as a definition sees it in ``error`` and as the rows store it."""

    category: str
    message: str
    node_path: str = ""
    at: str = ""
    """ISO-8601 UTC with milliseconds."""
    code: str | None = None
    details: Any = None

    def to_json(self) -> dict[str, Any]:
        """``{category, message, nodePath, at, code?, details?}``: the shape of ``error`` in expressions."""
        value: dict[str, Any] = {
            "category": self.category,
            "message": self.message,
            "nodePath": self.node_path,
            "at": self.at,
        }
        if self.code is not None:
            value["code"] = self.code
        if self.details is not None:
            value["details"] = self.details
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> RunError:
        """The inverse of ``to_json``; absent keys become defaults."""
        return cls(
            category=str(value.get("category", ACTION)),
            message=str(value.get("message", "")),
            node_path=str(value.get("nodePath") or ""),
            at=str(value.get("at") or ""),
            code=value.get("code"),
            details=value.get("details"),
        )


class StepFailure(Exception):
    """Raised by actions and by the interpreter's own steps to fail the current step with a category and a code."""

    def __init__(self, category: str, message: str, *, code: str | None = None, details: Any = None) -> None:
        super().__init__(message)
        self.category = category
        self.message = message
        self.code = code
        self.details = details


@dataclass
class EngineError(Exception):
    """An operation was refused or could not be done. Nothing was half-written."""

    code: str
    """Stable, upper snake case, for programs."""
    message: str
    """What happened, one sentence."""
    hint: str = ""
    """What to do next, one sentence."""
    details: dict[str, Any] = field(default_factory=dict)
    retryable: ClassVar[bool] = False
    """True when the same call can succeed later without anything being changed."""

    def __str__(self) -> str:
        return f"{self.code}: {self.sentences}"

    @property
    def sentences(self) -> str:
        """What happened and what to do next, for a person who has no use for the code."""
        return sentences(self.message, self.hint)

    def __reduce__(self) -> tuple[Any, ...]:
        # Task queues send exceptions from process to process.
        return type(self), (self.code, self.message, self.hint, self.details)


class NotFound(EngineError):
    """The thing named does not exist (for this tenant)."""


class Conflict(EngineError):
    """The thing is in a state that does not allow the operation."""


class Invalid(EngineError):
    """The input is wrong; nothing was written."""


class Unavailable(EngineError):
    """Temporal or Postgres cannot be reached now; trying again later can succeed."""

    retryable = True


class TimedOut(EngineError, TimeoutError):
    """What was waited for did not come in time; it may still come."""


class Forbidden(EngineError):
    """The actor's level does not allow the operation."""
