# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""Tries of actions: claimed before the action runs, settled after it, each in one statement.

A try is one row, found by (run, path, iteration, visit, attempt). Its idempotency key is held while the row is STARTED or
SUCCEEDED, so two tries with one key never run at once, and the second learns what the first one gave.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Row, text

from engine.interpreter.effects import Record, StepRecord, StepRef
from engine.store import payloads
from engine.store.json_policy import dumps_for_storage, storable_text
from engine.store.payloads import Placed, Sized
from engine.store.projection import Progress, Running, projecting
from engine.store.single_statement import execute_alone
from engine.store.trace_rows import DURATION_MS
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
    statement, parameters = projecting(progress, move, beside=_CLAIM, query=_CLAIMED)
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
    if (await connection.execute(_CLAIM_ONLY, parameters)).scalar_one():
        return None
    return await _resolve(connection, attempt)


async def succeed(store: Store, attempt: Try, output: Sized) -> Settled:
    """Write the output and the step's success, and give what stands: this, or what a concurrent execution wrote first.

    Raises ``RunClosed`` when the run ended meanwhile.
    """
    if output.large:
        async with store.begin() as connection:
            placed = await payloads.place(connection, attempt.run_id, output)
            row = (await connection.execute(_SUCCEED, {**_where(attempt), **_output(placed)})).first()
    else:
        placed = Placed(output.text, None, output.size)
        row = await execute_alone(store, _SUCCEED, {**_where(attempt), **_output(placed)})
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
    statement, parameters = projecting(replace(progress, trace=trace), move, beside=_SUCCESS)
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
    row = await execute_alone(store, _FAIL, {**_where(attempt), **_error(error)})
    if row is not None and row.settled:
        return Settled(None, as_stored(error))
    return await _settled_by_another(store, attempt)


async def _settled_by_another(store: Store, attempt: Try) -> Settled:
    async with store.begin() as connection:
        own = (await connection.execute(_OWN, _where(attempt))).first()
        if own is None or own.status not in ("SUCCEEDED", "FAILED"):
            raise RunClosed(attempt.run_id)
        return await _settled(connection, own)


async def _resolve(connection: Connection, attempt: Try) -> Settled | None:
    """The claim met a row that was there already; find out which."""
    own = (await connection.execute(_OWN, _where(attempt))).first()
    if own is not None and own.status in ("SUCCEEDED", "FAILED"):
        return await _settled(connection, own)
    run = (await connection.execute(_RUN_STATUS, {"run_id": attempt.run_id})).first()
    if run is None or run.status not in ("RUNNING", "WAITING"):
        raise RunClosed(attempt.run_id)
    holder = (await connection.execute(_HOLDER, _key(attempt))).first()
    if holder is not None and (own is None or holder.invocation_id != own.invocation_id):
        if holder.status == "SUCCEEDED":
            return await _reuse(connection, attempt, holder, own)
        if not _abandoned(holder, attempt):
            raise KeyHeld(attempt.key)
        await connection.execute(_ABANDON, {"invocation_id": holder.invocation_id})
    if own is not None:
        # The worker of this very try died in the middle of it.
        await connection.execute(_TAKE_OVER, {"invocation_id": own.invocation_id, "worker": attempt.worker})
        return None
    placed = await payloads.place(connection, attempt.run_id, attempt.input)
    parameters = {**_identity(attempt), **_input(placed)}
    if not (await connection.execute(_CLAIM_ONLY, parameters)).scalar_one():
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
    await connection.execute(_REUSED if own is None else _REUSED_BY_OWN, parameters)
    await connection.execute(_STEP_SUCCEEDED, _where(attempt))
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
        "key": attempt.key,
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
        "code": error.get("code") or error.get("category"),
    }


_CLAIM: Final = """claim AS (
        INSERT INTO workflow_action_invocations
            (run_id, tenant, step_path, iteration, visit, attempt, action_id, action_version, idempotency_key, status,
             worker_identity, input_json, input_ref, input_bytes, started_at)
        SELECT live.run_id, live.tenant, :path, :iteration, :visit, :attempt, :action_id, :action_version, :key, 'STARTED',
            :worker, CAST(:input AS jsonb), CAST(:input_ref AS uuid), :input_bytes, clock_timestamp()
        FROM live
        ON CONFLICT DO NOTHING
        RETURNING 1
    )"""
_CLAIMED: Final = "SELECT count(*) AS claimed FROM claim"

_LIVE: Final = """live AS (
        SELECT r.run_id, r.tenant FROM workflow_runs AS r
        WHERE r.run_id = CAST(:run_id AS uuid) AND r.status IN ('RUNNING', 'WAITING')"""
_CLAIM_ONLY: Final = text(f"WITH {_LIVE}), {_CLAIM} {_CLAIMED}")

_THE_TRY: Final = """i.run_id = CAST(:run_id AS uuid) AND i.step_path = :path AND i.iteration = :iteration
        AND i.visit = :visit AND i.attempt = :attempt AND i.visit > 0"""
_THE_STEP: Final = """s.run_id = CAST(:run_id AS uuid) AND s.step_path = :path AND s.iteration = :iteration
        AND s.visit = :visit AND s.visit > 0 AND s.status = 'STARTED'"""
_SUCCESS: Final = f"""settled AS (
        UPDATE workflow_action_invocations AS i
        SET status = 'SUCCEEDED', output_json = CAST(:output AS jsonb), output_ref = CAST(:output_ref AS uuid),
            output_bytes = :output_bytes, completed_at = clock_timestamp()
        WHERE {_THE_TRY} AND i.status = 'STARTED'
        RETURNING 1
    )"""
_STEP_SUCCESS: Final = f"""UPDATE workflow_run_steps AS s
        SET status = 'SUCCEEDED', error_json = NULL, completed_at = clock_timestamp(),
            duration_ms = {DURATION_MS}"""
_SUCCEED: Final = text(
    f"WITH {_SUCCESS}, step AS ({_STEP_SUCCESS} FROM settled WHERE {_THE_STEP}) SELECT count(*) AS settled FROM settled"
)
_STEP_SUCCEEDED: Final = text(f"{_STEP_SUCCESS} WHERE {_THE_STEP}")


_FAIL: Final = text(f"""WITH failed AS (
        UPDATE workflow_action_invocations AS i
        SET status = 'FAILED', error_json = CAST(:error AS jsonb), error_message = :message,
            completed_at = clock_timestamp()
        WHERE {_THE_TRY} AND i.status = 'STARTED'
        RETURNING run_id
    ), step AS (
        UPDATE workflow_run_steps AS s SET error_json = CAST(:error AS jsonb) FROM failed WHERE {_THE_STEP}
    ), run AS (
        UPDATE workflow_runs AS r SET last_error_code = :code, updated_at = now()
        FROM failed WHERE r.run_id = failed.run_id AND r.status IN ('RUNNING', 'WAITING')
    ) SELECT count(*) AS settled FROM failed
""")

_COLUMNS: Final = "invocation_id, status, output_json, output_ref, error_json"
_OWN: Final = text(f"SELECT {_COLUMNS} FROM workflow_action_invocations AS i WHERE {_THE_TRY} FOR UPDATE")
_RUN_STATUS: Final = text("SELECT status FROM workflow_runs WHERE run_id = CAST(:run_id AS uuid)")
_HOLDER: Final = text("""
    SELECT i.invocation_id, i.status, i.output_json, i.output_ref, i.error_json,
        i.run_id, i.step_path, i.iteration, i.visit,
        (SELECT r.status FROM workflow_runs AS r WHERE r.run_id = i.run_id) AS run_status
    FROM workflow_action_invocations AS i
    WHERE i.tenant = CAST(:tenant AS uuid) AND i.action_id = :action_id AND i.action_version = :action_version
        AND i.idempotency_key = :key AND i.status IN ('STARTED', 'SUCCEEDED')
    FOR UPDATE OF i
""")
_ABANDON: Final = text("""
    UPDATE workflow_action_invocations SET status = 'ABANDONED', completed_at = clock_timestamp()
    WHERE invocation_id = CAST(:invocation_id AS uuid)
""")
_TAKE_OVER: Final = text("""
    UPDATE workflow_action_invocations
    SET status = 'STARTED', worker_identity = :worker, started_at = clock_timestamp(), completed_at = NULL
    WHERE invocation_id = CAST(:invocation_id AS uuid)
""")
_REUSED: Final = text("""
    INSERT INTO workflow_action_invocations
        (run_id, tenant, step_path, iteration, visit, attempt, action_id, action_version, idempotency_key, status,
         input_json, input_ref, input_bytes, output_json, output_ref, output_bytes, started_at, completed_at)
    SELECT CAST(:run_id AS uuid), h.tenant, :path, :iteration, :visit, :attempt, h.action_id, h.action_version, :key,
        'SUCCEEDED', h.input_json, h.input_ref, h.input_bytes, h.output_json, h.output_ref, h.output_bytes,
        clock_timestamp(), clock_timestamp()
    FROM workflow_action_invocations AS h WHERE h.invocation_id = CAST(:holder AS uuid)
    ON CONFLICT DO NOTHING
""")
_REUSED_BY_OWN: Final = text(f"""
    UPDATE workflow_action_invocations AS i
    SET status = 'SUCCEEDED', idempotency_key = :key, output_json = h.output_json, output_ref = h.output_ref,
        output_bytes = h.output_bytes, completed_at = clock_timestamp()
    FROM workflow_action_invocations AS h
    WHERE h.invocation_id = CAST(:holder AS uuid) AND {_THE_TRY}
""")
