"""What actions have answered and no row tells yet: a repeat on the same worker writes it, and does not begin the action again.

The write of an outcome is tried again for some time. When that is over, or the activity is, Temporal repeats the activity; as
long as Postgres takes no writes nothing but this worker's memory knows that its action is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from engine.errors import StepFailure
from engine.store.database.refusals import may_pass
from engine.store.trace.new_attempt import NewAttempt
from engine.store.trace.payloads import Sized

MOST_BYTES: Final = 64 * 1024 * 1024
_BYTES_OF_EACH: Final = 1_000
"""About what an outcome takes besides its text."""

_Place = tuple[str, str, str, int, int, str]


class OutcomesInHand:
    """Of one worker process; when they are more than ``most_bytes``, the oldest are dropped, and their actions run again."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._outcomes: dict[_Place, Sized | StepFailure] = {}

    def of(self, attempt: NewAttempt) -> Sized | StepFailure | None:
        """What the action answered for the attempt; None: it is not in hand."""
        return self._outcomes.get(_place(attempt))

    @contextmanager
    def until_written(self, attempt: NewAttempt, outcome: Sized | StepFailure) -> Iterator[None]:
        """Keep the outcome while the block writes it; afterwards too, if Postgres may take it later or the block was given up."""
        self._keep(_place(attempt), outcome)
        try:
            yield
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if not may_pass(error):
                self._drop(_place(attempt))
            raise
        else:
            self._drop(_place(attempt))

    def _keep(self, place: _Place, outcome: Sized | StepFailure) -> None:
        self._drop(place)
        self._outcomes[place] = outcome
        self._bytes += _bytes_of(outcome)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._outcomes)))

    def _drop(self, place: _Place) -> None:
        dropped = self._outcomes.pop(place, None)
        if dropped is not None:
            self._bytes -= _bytes_of(dropped)


def _place(attempt: NewAttempt) -> _Place:
    step = attempt.step
    return (attempt.run_id, step.path, step.iteration, step.visit, attempt.attempt, attempt.key)


def _bytes_of(outcome: Sized | StepFailure) -> int:
    return _BYTES_OF_EACH + (outcome.size if isinstance(outcome, Sized) else 0)
