"""What the actions and the other workflows that a run called were given, and what they gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, func, select

from engine.errors import CHILD, Conflict
from engine.interpreter.ledger import StepKey, WaitKey
from engine.interpreter.recorded_run import NOT_KEPT, AttemptKey, RecordedAttempt, RecordedStep, RecordedWait
from engine.store.database.reader import Reader
from engine.store.tables import workflow_action_invocations, workflow_payloads, workflow_runs
from engine.store.trace.payloads import ForgedPayload, Kept, final_scopes_id, verified
from engine.store.trace.recorded_rows import of_run, position, step_key

MAX_RECORDED_BYTES: Final = 64 * 1024 * 1024
"""Most that is read of what a run's actions were given and gave; it is held in memory while states are computed."""
_IDS_AT_ONCE: Final = 1000
_ENDED: Final = ("SUCCEEDED", "FAILED")

attempts = workflow_action_invocations.c
payloads = workflow_payloads.c
runs = workflow_runs.c


async def read_attempts(
    reader: Reader,
    run_id: str,
    steps: Mapping[StepKey, RecordedStep],
    waits: Mapping[WaitKey, RecordedWait],
    *,
    inputs: bool,
) -> dict[AttemptKey, RecordedAttempt]:
    """The attempts that have ended, as far as the run knows. Raises ``Conflict`` (RUN_TOO_LARGE)."""
    await _refuse_too_large(reader, run_id, inputs=inputs)
    acted = await _attempts(reader, run_id, inputs=inputs)
    called = await _calls(reader, run_id, waits)
    return {**acted, **_with_failures(called, steps, waits)}


async def _refuse_too_large(reader: Reader, run_id: str, *, inputs: bool) -> None:
    size: ColumnElement[int] = func.coalesce(attempts.output_bytes, 0)
    if inputs:
        size = size + func.coalesce(attempts.input_bytes, 0)
    row = await reader.row(select(func.coalesce(func.sum(size), 0)).where(of_run(attempts, reader, run_id)))
    if row is not None and row[0] > MAX_RECORDED_BYTES:
        raise Conflict(
            "RUN_TOO_LARGE",
            f"The actions of this run answered with {row[0]} bytes; {MAX_RECORDED_BYTES} can be read at once.",
            "Look at the tries of its steps one by one.",
        )


async def _attempts(reader: Reader, run_id: str, *, inputs: bool) -> dict[AttemptKey, RecordedAttempt]:
    """Attempts of actions that have ended, with what is kept of their values."""
    output, given = workflow_payloads.alias("output"), workflow_payloads.alias("given")
    source = workflow_action_invocations.outerjoin(output, output.c.payload_id == attempts.output_ref)
    columns = [
        *position(attempts),
        attempts.attempt,
        attempts.status,
        attempts.error_json,
        attempts.output_json,
        attempts.output_ref,
        *_kept(output, "output"),
    ]
    if inputs:
        source = source.outerjoin(given, given.c.payload_id == attempts.input_ref)
        columns += [
            attempts.input_json,
            attempts.input_ref,
            *_kept(given, "input"),
        ]
    question = select(*columns).select_from(source)
    rows = await reader.rows(question.where(of_run(attempts, reader, run_id), attempts.status.in_(_ENDED)))
    return {
        (*step_key(row), row.attempt): RecordedAttempt(
            input=_value(reader, run_id, row, "input") if inputs else NOT_KEPT,
            output=_value(reader, run_id, row, "output"),
            error=row.error_json if row.status == "FAILED" else None,
        )
        for row in rows
    }


def _kept(payload: Any, side: str) -> list[ColumnElement[Any]]:
    return [payload.c[name].label(f"{side}_of_{name}") for name in ("run_id", "tenant", "value_json")]


def _value(reader: Reader, run_id: str, row: Row[Any], side: str) -> Any:
    columns = row._mapping
    inline, reference = columns[f"{side}_json"], columns[f"{side}_ref"]
    if reference is None:
        # An input that was refused for its size is noted by the code of the refusal.
        return NOT_KEPT if isinstance(inline, dict) and inline.keys() == {"$omitted"} else inline
    kept = Kept(*(columns[f"{side}_of_{name}"] for name in ("run_id", "tenant", "value_json")))
    try:
        return NOT_KEPT if kept.run_id is None else verified(reference, run_id, reader.tenant, kept)
    except ForgedPayload:
        return NOT_KEPT


async def _calls(
    reader: Reader, run_id: str, waits: Mapping[WaitKey, RecordedWait]
) -> dict[AttemptKey, RecordedAttempt]:
    """Calls of other workflows that have ended, as far as the caller knows; without what they failed with."""
    ended = {
        (path, iteration, visit, attempt): wait.key or ""
        for (path, iteration, visit, kind, attempt), wait in waits.items()
        if kind == "child" and wait.status == "RESOLVED"
    }
    if not ended:
        return {}
    question = select(runs.run_id, runs.status, runs.input_json).where(
        runs.tenant == reader.tenant, runs.parent_run_id == run_id
    )
    children = {row.run_id: row for row in await reader.rows(question)}
    scopes = await _final_scopes(reader, (row.run_id for row in children.values() if row.status == "SUCCEEDED"))
    found = {}
    for key, child_run_id in ended.items():
        # A child that was refused has no row; nobody knows what it would have been given.
        child = children.get(child_run_id)
        found[key] = RecordedAttempt(
            input=NOT_KEPT if child is None else child.input_json, output=scopes.get(child_run_id, NOT_KEPT)
        )
    return found


async def _final_scopes(reader: Reader, child_run_ids: Iterable[str]) -> dict[str, Any]:
    names = {final_scopes_id(child): child for child in child_run_ids}
    ids = list(names)
    found: dict[str, Any] = {}
    for start in range(0, len(ids), _IDS_AT_ONCE):
        question = select(payloads.payload_id, payloads.run_id, payloads.value_json).where(
            payloads.payload_id.in_(ids[start : start + _IDS_AT_ONCE]), payloads.tenant == reader.tenant
        )
        rows = await reader.rows(question)
        found |= {names[row.payload_id]: row.value_json for row in rows if row.run_id == names[row.payload_id]}
    return found


def _with_failures(
    called: Mapping[AttemptKey, RecordedAttempt],
    steps: Mapping[StepKey, RecordedStep],
    waits: Mapping[WaitKey, RecordedWait],
) -> dict[AttemptKey, RecordedAttempt]:
    """The failed ones among the calls of other workflows, told by what the caller made of them.

    The last one's error is the step's own. Of an earlier one only that it failed matters: it was followed by another.
    """
    result = {}
    for (path, iteration, visit, attempt), call in called.items():
        step = steps.get((path, iteration, visit))
        error: dict[str, Any] | None = None
        if (path, iteration, visit, "retry", attempt) in waits:
            error = {"category": CHILD, "message": "The child run failed; another was tried."}
        elif step is not None and step.error is not None and step.error.get("category") == CHILD:
            details = step.error.get("details")
            cause = details.get("cause") if isinstance(details, dict) else None
            error = {**step.error, "details": {"cause": cause}}
        result[path, iteration, visit, attempt] = RecordedAttempt(call.input, None if error else call.output, error)
    return result
