"""Tries of actions: claimed before the action runs, settled after it, each in one statement.

A try is one row, found by (run, path, iteration, visit, attempt). Its idempotency key is held while the row is STARTED or
SUCCEEDED, so two tries with one key never run at once, and the second learns what the first one gave.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row

from engine.interpreter.effects import Record, StepRecord, StepRef
from engine.store import invocation_statements as sql
from engine.store import payloads
from engine.store.json_policy import dumps_for_storage, storable_text
from engine.store.payloads import Placed, Sized
from engine.store.projection import Progress, Running, projecting
from engine.store.single_statement import execute_alone
from engine.store.transactions import Connection, Store
from engine.stored_order import as_stored


class RunClosed(Exception):
    """The run is terminal: nothing may be done for it any more."""


class KeyHeld(Exception):
    """Another run is in the middle of the action with this idempotency key. Try again later."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try of an action."""

    run_id: str
    tenant: str
    step: StepRef
    attempt: int
    action_id: str
    action_version: int
    key: str
    worker: str
    input: Sized


@dataclass(frozen=True, slots=True)
class Settled:
    """How a try ended; ``error`` is None when it succeeded."""

    output: Any
    error: dict[str, Any] | None


async def claim(store: Store, attempt: Try, progress: Progress) -> Settled | None:
    """Write the trace, the run's position and the claim on the try, in one transaction.

    None: the try is ours, run the action. Else: it was made before (by us or under the same key); this is what came of it.
    Raises ``RunClosed`` and ``KeyHeld``.
    """
    move = Running(attempt.step, attempt.attempt)
    statement, parameters = projecting(progress, move, beside=sql.CLAIM, query=sql.CLAIMED)
    parameters |= _identity(attempt)
    if attempt.input.large:
        async with store.begin() as connection:
            placed = await payloads.place(connection, attempt.run_id, attempt.input)
            claimed = (await connection.execute(statement, {**parameters, **_input(placed)})).scalar_one()
    else:
        placed = Placed(attempt.input.text, None, attempt.input.size)
        row = await execute_alone(store, statement, {**parameters, **_input(placed)})
        claimed = row is not None and row.claimed
    if claimed:
        return None
    async with store.begin() as connection:
        return await _resolve(connection, attempt)


async def claim_in(connection: Connection, attempt: Try) -> Settled | None:
    """As ``claim``, in the caller's transaction and without writing the trace, which ``succeed_in`` writes with the outcome.

    A second try of the same key waits here until the first transaction ends.
    """
    placed = await payloads.place(connection, attempt.run_id, attempt.input)
    parameters = {**_identity(attempt), **_input(placed)}
    if (await connection.execute(sql.CLAIM_ONLY, parameters)).scalar_one():
        return None
    return await _resolve(connection, attempt)


async def succeed(store: Store, attempt: Try, output: Sized) -> Settled:
    """Write the output and the step's success, and give what stands: this, or what a concurrent execution wrote first.

    Raises ``RunClosed`` when the run ended meanwhile.
    """
    if output.large:
        async with store.begin() as connection:
            placed = await payloads.place(connection, attempt.run_id, output)
            row = (await connection.execute(sql.SUCCEED, {**_where(attempt), **_output(placed)})).first()
    else:
        placed = Placed(output.text, None, output.size)
        row = await execute_alone(store, sql.SUCCEED, {**_where(attempt), **_output(placed)})
    if row is not None and row.settled:
        return Settled(output.value, None)
    return await _settled_by_another(store, attempt)


async def succeed_in(
    connection: Connection, attempt: Try, progress: Progress, output: Sized, completed_at: str
) -> Settled:
    """As ``succeed``, with the trace and the run's position, in the caller's transaction. Raises ``RunClosed``."""
    placed = await payloads.place(connection, attempt.run_id, output)
    trace = tuple(_with_success(record, attempt.step, completed_at) for record in progress.trace)
    move = Running(attempt.step, attempt.attempt)
    statement, parameters = projecting(replace(progress, trace=trace), move, beside=sql.SUCCESS)
    parameters |= {**_where(attempt), **_output(placed)}
    if not (await connection.execute(statement, parameters)).scalar_one():
        raise RunClosed(attempt.run_id)
    return Settled(output.value, None)


def _with_success(record: Record, step: StepRef, completed_at: str) -> Record:
    """The record of the step as the transaction that also did its work may write it: already succeeded."""
    if isinstance(record, StepRecord) and record.step == step and record.status == "STARTED":
        return replace(record, status="SUCCEEDED", completed_at=completed_at)
    return record


async def fail(store: Store, attempt: Try, error: dict[str, Any]) -> Settled:
    """Write the error on the try and on the step, which stays STARTED: what follows is the interpreter's decision.

    Gives what stands, and raises, as ``succeed`` does.
    """
    row = await execute_alone(store, sql.FAIL, {**_where(attempt), **_error(error)})
    if row is not None and row.settled:
        return Settled(None, as_stored(error))
    return await _settled_by_another(store, attempt)


async def _settled_by_another(store: Store, attempt: Try) -> Settled:
    async with store.begin() as connection:
        own = (await connection.execute(sql.OWN, _where(attempt))).first()
        if own is None or own.status not in ("SUCCEEDED", "FAILED"):
            raise RunClosed(attempt.run_id)
        return await _settled(connection, own)


async def _resolve(connection: Connection, attempt: Try) -> Settled | None:
    """The claim met a row that was there already; find out which."""
    own = (await connection.execute(sql.OWN, _where(attempt))).first()
    if own is not None and own.status in ("SUCCEEDED", "FAILED"):
        return await _settled(connection, own)
    run = (await connection.execute(sql.RUN_STATUS, {"run_id": attempt.run_id})).first()
    if run is None or run.status not in ("RUNNING", "WAITING"):
        raise RunClosed(attempt.run_id)
    holder = (await connection.execute(sql.HOLDER, _key(attempt))).first()
    if holder is not None and (own is None or holder.invocation_id != own.invocation_id):
        if holder.status == "SUCCEEDED":
            return await _reuse(connection, attempt, holder, own)
        if not _abandoned(holder, attempt):
            raise KeyHeld(attempt.key)
        await connection.execute(sql.ABANDON, {"invocation_id": holder.invocation_id})
    if own is not None:
        # The worker of this very try died in the middle of it.
        await connection.execute(sql.TAKE_OVER, {"invocation_id": own.invocation_id, "worker": attempt.worker})
        return None
    placed = await payloads.place(connection, attempt.run_id, attempt.input)
    parameters = {**_identity(attempt), **_input(placed)}
    if not (await connection.execute(sql.CLAIM_ONLY, parameters)).scalar_one():
        raise KeyHeld(attempt.key)
    return None


def _abandoned(holder: Row[Any], attempt: Try) -> bool:
    """Whether nobody can be running the holder's action any more: its run has ended, or it is an earlier try of this step."""
    step = attempt.step
    same_step = (str(holder.run_id), holder.step_path, holder.iteration, holder.visit) == (
        attempt.run_id,
        step.path,
        step.iteration,
        step.visit,
    )
    return same_step or holder.run_status not in ("RUNNING", "WAITING")


async def _reuse(connection: Connection, attempt: Try, holder: Row[Any], own: Row[Any] | None) -> Settled:
    """Another execution succeeded under this key: its output is ours, and a row of our own says so."""
    step = attempt.step
    note = f"{attempt.key} (used by {attempt.run_id}:{step.path}:{step.iteration}:{step.visit})"
    parameters = {**_identity(attempt), "key": note, "holder": holder.invocation_id}
    await connection.execute(sql.REUSED if own is None else sql.REUSED_BY_OWN, parameters)
    await connection.execute(sql.STEP_SUCCEEDED, _where(attempt))
    return await _settled(connection, holder)


async def _settled(connection: Connection, row: Row[Any]) -> Settled:
    if row.status == "FAILED":
        return Settled(None, row.error_json)
    output = row.output_json if row.output_ref is None else await payloads.read(connection, row.output_ref)
    return Settled(output, None)


def _where(attempt: Try) -> dict[str, Any]:
    step = attempt.step
    return {
        "run_id": attempt.run_id,
        "path": step.path,
        "iteration": step.iteration,
        "visit": step.visit,
        "attempt": attempt.attempt,
    }


def _key(attempt: Try) -> dict[str, Any]:
    return {
        "tenant": attempt.tenant,
        "action_id": attempt.action_id,
        "action_version": attempt.action_version,
        "key": storable_text(attempt.key),
    }


def _identity(attempt: Try) -> dict[str, Any]:
    return {**_key(attempt), **_where(attempt), "worker": attempt.worker}


def _input(placed: Placed) -> dict[str, Any]:
    return {"input": placed.inline, "input_ref": placed.ref, "input_bytes": placed.size}


def _output(placed: Placed) -> dict[str, Any]:
    return {"output": placed.inline, "output_ref": placed.ref, "output_bytes": placed.size}


def _error(error: dict[str, Any]) -> dict[str, Any]:
    return {
        "error": dumps_for_storage(error),
        "message": storable_text(str(error.get("message", ""))),
        "code": storable_text(str(error.get("code") or error.get("category"))),
    }
