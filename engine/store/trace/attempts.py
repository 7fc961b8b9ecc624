"""Attempts of actions: claimed before the action runs, settled after it, each in one statement.

An attempt is one row, found by (run, path, iteration, visit, attempt). Its idempotency key is held while the row is STARTED
or SUCCEEDED, so two attempts with one key never run at once, and the second learns what the first one gave.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Row

from engine.definition.step_ref import StepRef
from engine.errors import ACTION, RunError
from engine.interpreter.effects import Record, StepRecord
from engine.interpreter.times import iso_of, milliseconds_of, parse_instant
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
    output_values,
    place_values,
)
from engine.store.trace.payloads import Placed, Sized
from engine.store.trace.projection import Progress, Running, projecting, write_progress
from engine.values.jsonb_order import as_stored
from engine.values.timestamps import iso_milliseconds

KEY_CONFLICT: Final = "IDEMPOTENCY_KEY_CONFLICT"


class RunClosed(Exception):
    """The run is terminal: nothing may be done for it any more."""


class KeyHeld(Exception):
    """Another run is executing the action with this idempotency key now. Try again later."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How an attempt ended; ``error`` is None when it succeeded."""

    output: Any
    error: dict[str, Any] | None
    at_ms: int
    """When that was put on record, milliseconds since 1970: from then on it is the run's time."""


@dataclass(frozen=True, slots=True)
class Settling:
    """What became of writing an outcome."""

    settled: bool
    canceling: bool
    """Somebody has asked to cancel the run."""


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


async def succeed(store: Store, attempt: NewAttempt, output: Sized, at_ms: int) -> Settled:
    """Write the output and the step's success, and give what stands: this, or what a concurrent execution wrote first.

    Raises ``RunClosed`` when the run ended meanwhile.
    """
    if (await try_succeed(store, attempt, output, at_ms)).settled:
        return Settled(output.value, None, at_ms)
    if await _claimed_again(store, attempt) and (await try_succeed(store, attempt, output, at_ms)).settled:
        return Settled(output.value, None, at_ms)
    return await _settled_by_another(store, attempt)


async def try_succeed(store: Store, attempt: NewAttempt, output: Sized, at_ms: int) -> Settling:
    """As ``succeed``; not settled when it was by another execution, or the run was closed."""
    row: Any
    if output.large:
        async with store.begin() as connection:
            placed = await payloads.place(connection, attempt.run_id, output)
            row = (
                await connection.execute(sql.SUCCEED, {**place_values(attempt), **output_values(placed, at_ms)})
            ).first()
    else:
        placed = Placed(output.text, None, output.size)
        row = await execute_alone(store, sql.SUCCEED, {**place_values(attempt), **output_values(placed, at_ms)})
    return Settling(bool(row.settled), bool(row.canceling))


async def succeed_in(
    connection: Connection, attempt: NewAttempt, progress: Progress, output: Sized, at_ms: int
) -> Settling:
    """Write the output, the trace and the run's position in the caller's transaction. Raises ``RunClosed``."""
    placed = await payloads.place(connection, attempt.run_id, output)
    move = Running(attempt.step, attempt.attempt)
    statement, parameters = projecting(
        with_success(progress, attempt.step, at_ms), move, beside=sql.SUCCESS, query=sql.LIVE_ROWS
    )
    parameters |= {**place_values(attempt), **output_values(placed, at_ms)}
    row = (await connection.execute(statement, parameters)).one()
    if not row.live:
        raise RunClosed(attempt.run_id)
    return Settling(settled=True, canceling=row.canceling)


def with_success(progress: Progress, step: StepRef, at_ms: int) -> Progress:
    """A trace as the transaction that also does the step's work may write it: with the step succeeded already."""

    def settled(record: Record) -> Record:
        if isinstance(record, StepRecord) and record.step == step and record.status == "STARTED":
            return replace(record, status="SUCCEEDED", completed_at=iso_of(at_ms))
        return record

    return replace(progress, trace=tuple(settled(record) for record in progress.trace))


async def fail(store: Store, attempt: NewAttempt, error: dict[str, Any], at_ms: int) -> Settled:
    """Write the error on the attempt and on the step, which stays STARTED: what follows is the interpreter's decision.

    Gives what stands, and raises, as ``succeed`` does.
    """
    if (await try_fail(store, attempt, error, at_ms)).settled:
        return Settled(None, as_stored(error), at_ms)
    if await _claimed_again(store, attempt) and (await try_fail(store, attempt, error, at_ms)).settled:
        return Settled(None, as_stored(error), at_ms)
    return await _settled_by_another(store, attempt)


async def try_fail(store: Store, attempt: NewAttempt, error: dict[str, Any], at_ms: int) -> Settling:
    """As ``try_succeed``."""
    row = await execute_alone(store, sql.FAIL, {**place_values(attempt), **error_values(error, at_ms)})
    return Settling(bool(row.settled), bool(row.canceling))


async def _claimed_again(store: Store, attempt: NewAttempt) -> bool:
    """Claim an attempt of an open run whose row is gone, lost in a restore while the action ran: its outcome need not be lost."""
    async with store.begin() as connection:
        if (await connection.execute(sql.OWN, place_values(attempt))).first() is not None:
            return False
        placed = await payloads.place(connection, attempt.run_id, attempt.input)
        return bool((await connection.execute(sql.CLAIM_ONLY, claimed_values(attempt, placed))).scalar_one())


async def _settled_by_another(store: Store, attempt: NewAttempt) -> Settled:
    async with store.begin() as connection:
        own = (await connection.execute(sql.OWN, place_values(attempt))).first()
        if own is None or own.status not in ("SUCCEEDED", "FAILED"):
            raise RunClosed(attempt.run_id)
        return await _settled(connection, own)


async def _resolve(connection: Connection, attempt: NewAttempt) -> Settled | None:
    """The claim met a row that was there already; find out which."""
    own = (await connection.execute(sql.OWN, place_values(attempt))).first()
    if own is not None and own.status in ("SUCCEEDED", "FAILED"):
        return await _settled(connection, own)
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
    settled = await _settled(connection, holder)
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


async def _settled(connection: Connection, row: Row[Any]) -> Settled:
    at_ms = milliseconds_of(row.completed_at)
    if row.status == "FAILED":
        return Settled(None, row.error_json, at_ms)
    output = row.output_json if row.output_ref is None else await _kept_output(connection, row)
    return Settled(output, None, at_ms)


async def _kept_output(connection: Connection, row: Row[Any]) -> Any:
    return await payloads.read(connection, str(row.output_ref), run_id=str(row.run_id), tenant=str(row.tenant))
