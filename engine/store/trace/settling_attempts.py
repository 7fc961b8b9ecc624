"""Settling attempts of actions, after the action has run; each in one statement. ``claiming_attempts`` claims them before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row

from engine.definition.step_ref import StepRef
from engine.interpreter.effects import Record, StepRecord
from engine.interpreter.times import iso_of, milliseconds_of
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Connection, Store
from engine.store.trace import attempt_statements as sql
from engine.store.trace import payloads
from engine.store.trace.new_attempt import NewAttempt, claimed_values, error_values, output_values, place_values
from engine.store.trace.payloads import Placed, Sized
from engine.store.trace.projection import Progress, Running, projecting
from engine.values.jsonb_order import as_stored


class RunClosed(Exception):
    """The run is terminal: nothing may be done for it any more."""


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
        return await outcome_of(connection, own)


async def outcome_of(connection: Connection, row: Row[Any]) -> Settled:
    """Of the row of an attempt that has ended."""
    at_ms = milliseconds_of(row.completed_at)
    if row.status == "FAILED":
        return Settled(None, row.error_json, at_ms)
    output = row.output_json if row.output_ref is None else await _kept_output(connection, row)
    return Settled(output, None, at_ms)


async def _kept_output(connection: Connection, row: Row[Any]) -> Any:
    return await payloads.read(connection, str(row.output_ref), run_id=str(row.run_id), tenant=str(row.tenant))
