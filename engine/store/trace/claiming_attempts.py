"""Claiming attempts of actions, before the action runs; each in one statement. ``settling_attempts`` writes how they end.

An attempt is one row, found by (run, path, iteration, visit, attempt). Its idempotency key is held while the row is STARTED
or SUCCEEDED, so two attempts with one key never run at once, and the second learns what the first one gave.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Row

from engine.errors import ACTION, RunError
from engine.interpreter.times import parse_instant
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Connection, Store
from engine.store.trace import attempt_statements as sql
from engine.store.trace import payloads
from engine.store.trace.new_attempt import (
    NewAttempt,
    claimed_values,
    error_values,
    identity_values,
    key_values,
    place_values,
)
from engine.store.trace.payloads import Placed
from engine.store.trace.projection import Progress, Running, projecting, write_progress
from engine.store.trace.settling_attempts import RunClosed, Settled, outcome_of
from engine.values.jsonb_order import as_stored
from engine.values.timestamps import iso_milliseconds

KEY_CONFLICT: Final = "IDEMPOTENCY_KEY_CONFLICT"


class KeyHeld(Exception):
    """Another run is executing the action with this idempotency key now. Try again later."""


Claim = Callable[[Store, NewAttempt, Progress], Awaitable[Settled | None]]
"""``claim``, or ``claim_after_rollback``."""


async def claim(store: Store, attempt: NewAttempt, progress: Progress) -> Settled | None:
    """Write the trace, the run's position and the claim on the attempt, in one transaction.

    None: the attempt is ours, run the action. Else: it was made before (by us or under the same key); this is what came of it.
    Raises ``RunClosed`` and ``KeyHeld``.
    """
    move = Running(attempt.step, attempt.attempt, attempt.seconds)
    statement, parameters = projecting(progress, move, beside=sql.CLAIM, query=sql.CLAIMED)
    if attempt.input.large:
        async with store.begin() as connection:
            placed = await payloads.place(connection, attempt.run_id, attempt.input)
            claimed = (
                await connection.execute(statement, {**parameters, **claimed_values(attempt, placed)})
            ).scalar_one()
    else:
        placed = Placed(attempt.input.text, None, attempt.input.size)
        row = await execute_alone(store, statement, {**parameters, **claimed_values(attempt, placed)})
        claimed = row is not None and row.claimed
    if claimed:
        return None
    async with store.begin() as connection:
        await connection.execute(sql.RUN_HELD, {"run_id": attempt.run_id})
        return await _resolve(connection, attempt)


async def claim_in(connection: Connection, attempt: NewAttempt) -> Settled | None:
    """As ``claim``, in the caller's transaction and without writing the trace, which ``succeed_in`` writes with the outcome.

    A second attempt with the same key waits here until the first transaction ends.
    """
    placed = await payloads.place(connection, attempt.run_id, attempt.input)
    parameters = claimed_values(attempt, placed)
    if (await connection.execute(sql.CLAIM_ONLY, parameters)).scalar_one():
        return None
    await connection.execute(sql.RUN_HELD, {"run_id": attempt.run_id})
    return await _resolve(connection, attempt)


async def claim_after_rollback(store: Store, attempt: NewAttempt, progress: Progress) -> Settled | None:
    """As ``claim``, of an attempt whose own transaction has failed.

    Another execution may be in such a transaction, which has inserted the attempt and will write the run's row. So this one
    inserts it before it locks that row.
    """
    async with store.begin() as connection:
        earlier = await claim_in(connection, attempt)
        move = Running(attempt.step, attempt.attempt, attempt.seconds)
        if earlier is None and not await write_progress(connection, progress, move):
            raise RunClosed(attempt.run_id)
        return earlier


async def _resolve(connection: Connection, attempt: NewAttempt) -> Settled | None:
    """The claim met a row that was there already; find out which."""
    own = (await connection.execute(sql.OWN, place_values(attempt))).first()
    if own is not None and own.status in ("SUCCEEDED", "FAILED"):
        return await outcome_of(connection, own)
    run = (await connection.execute(sql.RUN_STATUS, {"run_id": attempt.run_id})).first()
    if run is None or run.status not in ("RUNNING", "WAITING"):
        raise RunClosed(attempt.run_id)
    holder = (await connection.execute(sql.HOLDER, {**key_values(attempt), "input_text": attempt.input.text})).first()
    if holder is not None and (own is None or holder.invocation_id != own.invocation_id):
        if holder.status == "SUCCEEDED" and holder.bodies_deleted_at is not None:
            gone = f"whose output was deleted at {iso_milliseconds(holder.bodies_deleted_at)}. Use another key to do it again."
            return await _conflict(connection, attempt, holder, own, gone)
        if holder.status == "SUCCEEDED" and holder.same_input is False:
            other = "where it succeeded with another input. Use a key that differs where the input does."
            return await _conflict(connection, attempt, holder, own, other)
        if holder.status == "SUCCEEDED":
            return await _reuse(connection, attempt, holder, own)
        if not _abandoned(holder, attempt):
            raise KeyHeld(attempt.key)
        await connection.execute(sql.ABANDON, {"invocation_id": holder.invocation_id})
    if own is not None:
        # The worker of this very attempt died in the middle of it.
        taken = {"invocation_id": own.invocation_id, "worker": attempt.worker, "claimed_at": attempt.claimed_at}
        await connection.execute(sql.TAKE_OVER, taken)
        return None
    placed = await payloads.place(connection, attempt.run_id, attempt.input)
    parameters = claimed_values(attempt, placed)
    if not (await connection.execute(sql.CLAIM_ONLY, parameters)).scalar_one():
        raise KeyHeld(attempt.key)
    return None


def _abandoned(holder: Row[Any], attempt: NewAttempt) -> bool:
    """Whether nobody can be running the holder's action any more: its run has ended, or it is an earlier attempt of this step."""
    step = attempt.step
    same_step = (str(holder.run_id), holder.step_path, holder.iteration, holder.visit) == (
        attempt.run_id,
        step.path,
        step.iteration,
        step.visit,
    )
    return same_step or holder.run_status not in ("RUNNING", "WAITING")


async def _reuse(connection: Connection, attempt: NewAttempt, holder: Row[Any], own: Row[Any] | None) -> Settled:
    """Another execution succeeded under this key: its output is ours, and a row of our own says so."""
    step = attempt.step
    note = f"{attempt.key} (used by {attempt.run_id}:{step.path}:{step.iteration}:{step.visit})"
    settled = await outcome_of(connection, holder)
    # Copied: the other run may be deleted, and what belongs to it with it.
    given = await payloads.place(connection, attempt.run_id, attempt.input)
    answered = await payloads.place(connection, attempt.run_id, payloads.sized(settled.output))
    parameters = {
        **identity_values(attempt),
        "key": note,
        "holder": holder.invocation_id,
        "at": attempt.claimed_at,
        "input_ref": given.ref,
        "output_ref": answered.ref,
    }
    await connection.execute(sql.REUSED if own is None else sql.REUSED_BY_OWN, parameters)
    await connection.execute(sql.STEP_SUCCEEDED, {**place_values(attempt), "at": attempt.claimed_at})
    return replace(settled, at_ms=parse_instant(attempt.claimed_at))


async def _conflict(
    connection: Connection, attempt: NewAttempt, holder: Row[Any], own: Row[Any] | None, why: str
) -> Settled:
    """The key belongs to a request whose output is no answer to this one, or is gone."""
    error = RunError(
        ACTION,
        f"The idempotency key {attempt.key} of {attempt.action_id} belongs to run {holder.run_id} at {holder.step_path}, {why}",
        node_path=attempt.step.path,
        at=attempt.claimed_at,
        code=KEY_CONFLICT,
        details={"runId": str(holder.run_id), "stepPath": holder.step_path},
    ).to_json()
    at_ms = parse_instant(attempt.claimed_at)
    placed = await payloads.place(connection, attempt.run_id, attempt.input)
    parameters = {**claimed_values(attempt, placed), **error_values(error, at_ms)}
    await connection.execute(sql.CONFLICT if own is None else sql.CONFLICT_OF_OWN, parameters)
    return Settled(None, as_stored(error), at_ms)
