# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""One statement per step of a chain: the outcome of one step, and in the same breath what the run does next.

Only if the outcome is written by this statement is anything else: what comes next was computed from it. And nothing else is when
somebody has asked to cancel the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, TextClause, text

from engine.interpreter.times import iso_of, milliseconds_of
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Connection, Store
from engine.store.trace import attempt_statements as sql
from engine.store.trace.new_attempt import NewAttempt, claimed_values, error_values
from engine.store.trace.payloads import Placed, Sized, verified
from engine.store.trace.projection import Ended, Progress, Running, projecting
from engine.store.trace.settling_attempts import Settled, try_fail, try_succeed
from engine.values.jsonb_order import as_stored

Outcome = Sized | dict[str, Any]
"""An output, or the error as JSON."""
AttemptKey = tuple[str, str, int, int]
"""(path, iteration, visit, attempt)."""


class Overtaken(Exception):
    """The outcome of the step was written by another execution, or the run was closed: what was computed from ours is void."""


@dataclass(frozen=True, slots=True)
class Ours:
    """The outcome of a claimed attempt of ours; small enough to stand in its row."""

    attempt: NewAttempt
    outcome: Outcome
    at_ms: int

    @property
    def settled(self) -> Settled:
        """As a reader of the rows will see it."""
        if isinstance(self.outcome, Sized):
            return Settled(self.outcome.value, None, self.at_ms)
        return Settled(None, as_stored(self.outcome), self.at_ms)


@dataclass(frozen=True, slots=True)
class Written:
    """What a statement did besides writing the outcome."""

    went_on: bool
    """False: somebody has asked to cancel the run."""
    claimed: bool


async def settle_and_claim(where: Store | Connection, ours: Ours, progress: Progress, following: NewAttempt) -> Written:
    """Write the outcome, the trace after it, the run's position and the claim on the attempt that follows. Raises ``Overtaken``.

    ``claimed`` is False when the attempt that follows is there already, or its key is held: then ``claim`` tells more.
    """
    move = Running(following.step, following.attempt, following.seconds)
    statement, parameters = projecting(progress, move, first=_first(ours), beside=sql.CLAIM, query=CLAIMED)
    placed = Placed(following.input.text, None, following.input.size)
    row = await _execute(where, statement, {**parameters, **claimed_values(following, placed), **_values(ours)})
    return Written(went_on=row.live > 0, claimed=row.claimed > 0)


async def settle_and_end(where: Store | Connection, ours: Ours, progress: Progress, output: str) -> Written:
    """Write the outcome, the rest of the trace and the end of a run that has succeeded. Raises ``Overtaken``."""
    statement, parameters = projecting(progress, Ended("SUCCEEDED", None, output), first=_first(ours), query=LIVE)
    row = await _execute(where, statement, {**parameters, **_values(ours)})
    return Written(went_on=row.live > 0, claimed=False)


async def settle(store: Store, ours: Ours) -> Written:
    """Write the outcome alone. Raises ``Overtaken``."""
    if isinstance(ours.outcome, Sized):
        written = await try_succeed(store, ours.attempt, ours.outcome, ours.at_ms)
    else:
        written = await try_fail(store, ours.attempt, ours.outcome, ours.at_ms)
    if not written.settled:
        raise Overtaken
    return Written(went_on=not written.canceling, claimed=False)


@dataclass(frozen=True, slots=True)
class OnRecord:
    """What is on record of a run from an attempt on."""

    outcomes: Mapping[AttemptKey, Settled]
    succeeded: bool
    """Whether the run has ended well."""


async def on_record(store: Store, run_id: str, first: AttemptKey, limit: int) -> OnRecord:
    """The outcomes of an attempt and of those that were claimed after it, at most ``limit``, in one query."""
    path, iteration, visit, attempt = first
    parameters = {
        "run_id": run_id,
        "path": path,
        "iteration": iteration,
        "visit": visit,
        "attempt": attempt,
        "limit": limit,
    }
    async with store.connect() as connection:
        rows = (await connection.execute(_ON_RECORD, parameters)).all()
    outcomes = {
        (row.step_path, row.iteration, row.visit, row.attempt): Settled(
            _output(row), row.error_json if row.status == "FAILED" else None, milliseconds_of(row.completed_at)
        )
        for row in rows
        if row.status is not None
    }
    return OnRecord(outcomes, succeeded=bool(rows) and rows[0].run_status == "SUCCEEDED")


def _output(row: Row[Any]) -> Any:
    """Raises ``ForgedPayload``. One that is gone is None."""
    if row.output_ref is None or row.run_id is None:
        return row.output_json
    return verified(str(row.output_ref), row.of_run, row.of_tenant, row)


async def _execute(where: Store | Connection, statement: TextClause, parameters: Mapping[str, Any]) -> Row[Any]:
    row: Any
    if isinstance(where, Connection):
        row = (await where.execute(statement, parameters)).first()
    else:
        row = await execute_alone(where, statement, parameters)
    if row is None or not row.settled:
        raise Overtaken
    return row  # type: ignore[no-any-return] # the driver's row has the same names


def _first(ours: Ours) -> str:
    return SUCCESS if isinstance(ours.outcome, Sized) else FAILURE


def _values(ours: Ours) -> dict[str, Any]:
    step = ours.attempt.step
    where = {
        "of_path": step.path,
        "of_loop": step.iteration,
        "of_visit": step.visit,
        "of_attempt": ours.attempt.attempt,
    }
    outcome = ours.outcome
    if isinstance(outcome, Sized):
        return {**where, "settled_at": iso_of(ours.at_ms), "given": outcome.text, "given_size": outcome.size}
    values = error_values(outcome, ours.at_ms)
    return {**where, "settled_at": values["at"], "failure": values["error"], "message": values["message"]}


_THE_ATTEMPT: Final = """FROM held WHERE i.run_id = held.run_id AND i.step_path = :of_path AND i.iteration = :of_loop
        AND i.visit = :of_visit AND i.attempt = :of_attempt AND i.visit > 0 AND i.status = 'STARTED'
        RETURNING 1"""
SUCCESS: Final = f"""settled AS (
        UPDATE workflow_action_invocations i
        SET status = 'SUCCEEDED', output_json = CAST(:given AS jsonb), output_bytes = :given_size,
            completed_at = CAST(:settled_at AS timestamptz)
        {_THE_ATTEMPT}
    )"""
FAILURE: Final = f"""settled AS (
        UPDATE workflow_action_invocations i
        SET status = 'FAILED', error_json = CAST(:failure AS jsonb), error_message = :message,
            completed_at = CAST(:settled_at AS timestamptz)
        {_THE_ATTEMPT}
    )"""
LIVE: Final = "SELECT (SELECT count(*) FROM settled) settled, (SELECT count(*) FROM live) live"
CLAIMED: Final = f"{LIVE}, (SELECT count(*) FROM claim) claimed"

# A step is claimed when the one before it is settled, so the order of the claims is that of the steps.
_ON_RECORD: Final = text("""
    SELECT r.status AS run_status, i.step_path, i.iteration, i.visit, i.attempt, i.status, i.error_json, i.completed_at,
        i.output_json, i.output_ref, r.run_id AS of_run, r.tenant AS of_tenant, p.run_id, p.tenant, p.value_json
    FROM workflow_runs AS r
    LEFT JOIN workflow_action_invocations AS i ON i.run_id = r.run_id AND i.visit > 0
        AND i.status IN ('SUCCEEDED', 'FAILED') AND i.worker_identity IS NOT NULL AND i.started_at >= (
            SELECT f.started_at FROM workflow_action_invocations AS f
            WHERE f.run_id = r.run_id AND f.step_path = :path AND f.iteration = :iteration AND f.visit = :visit
                AND f.attempt = :attempt AND f.visit > 0)
    LEFT JOIN workflow_payloads AS p ON p.payload_id = i.output_ref
    WHERE r.run_id = CAST(:run_id AS uuid)
    ORDER BY i.started_at
    LIMIT :limit
""")
