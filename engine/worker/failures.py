"""What a failed activity tells Temporal: one short sentence, and that it is for good when repeating it cannot help."""

from __future__ import annotations

from typing import Any, Final

from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from engine.errors import EngineError, Unavailable
from engine.store.database.refusals import DATABASE_ERRORS, as_engine_error, sqlstate_of
from engine.wording import sentence

LONGEST: Final = 2_000
"""Characters of a message; a server refuses failures above some kilobytes, and then nobody is told anything."""


class ShortFailures(Interceptor):
    """Of every activity of a worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See the module."""
        return _ShortFailure(next)


class _ShortFailure(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except FailureError:
            raise
        except Exception as error:
            known = error if isinstance(error, Unavailable) else as_engine_error(error)
            if known is not None:
                raise _told(known) from None
            if isinstance(error, DATABASE_ERRORS):
                # Its trace alone, of two libraries, is beyond the size.
                raise _said(error) from None
            raise


def _told(known: EngineError) -> ApplicationError:
    """Without the statement, the values and the causes that the error of a database carries."""
    final = not isinstance(known, Unavailable)
    return ApplicationError(known.sentences[:LONGEST], type=known.code, non_retryable=final)


def _said(error: Exception) -> ApplicationError:
    """What Postgres says that is none of our words: a column that a migration has yet to make, an index that is broken."""
    cause = getattr(error, "orig", None) or error
    said = (str(cause).strip().splitlines() or [""])[0]
    state = sqlstate_of(error)
    text = (
        f"Postgres refuses a statement of the engine: {said} ({type(cause).__name__}{state and f', SQLSTATE {state}'})"
    )
    return ApplicationError(sentence(text)[:LONGEST], type="POSTGRES_REFUSED")
