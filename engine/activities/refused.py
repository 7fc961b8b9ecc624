"""What Postgres refuses for the values it is given fails the step: the same statement would be refused every time."""

from __future__ import annotations

from engine.activities.attempt import RequestedAttempt
from engine.activities.errors import error_of
from engine.errors import VALIDATION, StepFailure
from engine.interpreter.times import iso_of
from engine.store.database.refusals import as_refusal, as_violation
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Store
from engine.store.trace.projection import Running, projecting
from engine.store.trace.settling_attempts import RunClosed, Settled


def failure_of(error: BaseException, *, in_transaction: bool = False) -> StepFailure:
    """The failure of the step whose statement Postgres refused with ``error``. Raises ``error`` when it was no refusal.

    ``in_transaction``: the commit was that of an action, whose own writes can break a rule of their tables.
    """
    refusal = as_refusal(error) or (as_violation(error) if in_transaction else None)
    if refusal is None:
        raise error
    return StepFailure(VALIDATION, refusal.sentences, code=refusal.code, details=refusal.details)


async def without_claim(store: Store, step: RequestedAttempt, error: BaseException) -> Settled:
    """The end of an attempt that no row can hold: the trace up to it is written, the attempt is not.

    Raises ``error`` when it was no refusal, and ``RunClosed``.
    """
    failure = failure_of(error)
    attempt = step.attempt
    statement, parameters = projecting(step.progress, Running(attempt.step, attempt.attempt, attempt.seconds))
    row = await execute_alone(store, statement, parameters)
    if row is None or not row[0]:
        raise RunClosed(attempt.run_id)
    at_ms = step.now_ms()
    return Settled(None, error_of(failure, attempt.step.path, iso_of(at_ms)), at_ms)
