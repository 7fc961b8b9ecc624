"""What a failed activity tells Temporal: one short sentence, and that it is for good when repeating it cannot help."""

from __future__ import annotations

from typing import Any, Final

from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from engine.errors import EngineError, Unavailable
from engine.store.database.refusals import as_engine_error

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
            if known is None:
                raise
            raise _told(known) from None


def _told(known: EngineError) -> ApplicationError:
    """Without the statement, the values and the causes that the error of a database carries."""
    final = not isinstance(known, Unavailable)
    return ApplicationError(known.sentences[:LONGEST], type=known.code, non_retryable=final)
