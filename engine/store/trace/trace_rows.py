"""Trace records as rows: one JSON array per table, and the CTEs that write them beside a projection's CTE ``live``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from engine.interpreter.effects import LogRecord, PureCall, Record, StepRecord, WaitRecord
from engine.values.json_policy import dumps_for_storage, storable_text

MAX_DURATION_MS: Final = 2**31 - 1
"""What the column holds: 24.8 days. A longer step shows that; its times say the rest."""


def duration_ms(until: str) -> str:
    """How long the step ``s`` has taken ``until`` then, in SQL."""
    return f"greatest(0, least({MAX_DURATION_MS}, round(extract(epoch FROM {until} - s.started_at) * 1000)))"


STEP_OF_X: Final = """SELECT FROM workflow_run_steps AS s
        WHERE s.run_id = x.run_id AND (s.step_path, s.iteration, s.visit) = (x.step_path, x.iteration, x.visit)"""
"""The step ``s`` of a row ``x``, in SQL, to be continued with ``AND``."""


def trace_rows(run_id: str, trace: Iterable[Record]) -> dict[str, str]:
    """The trace as JSON arrays of rows, by the kind of row; kinds without rows are absent."""
    steps: dict[tuple[str, str, int], StepRecord] = {}
    waits: dict[tuple[str, str, int, str, int], tuple[str, WaitRecord]] = {}
    logs: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for record in trace:
        match record:
            case StepRecord():
                # The last state of each step is enough, and one statement may touch a row only once.
                steps[record.step.path, record.step.iteration, record.step.visit] = record
                if record.call is not None:
                    calls.append(_call_row(run_id, record, record.call))
            case WaitRecord():
                step = record.step
                wait = (step.path, step.iteration, step.visit, record.wait_type, record.attempt)
                opened, earlier = waits.get(wait, (record.at, None))
                waits[wait] = (opened, record if earlier is None else _merged(earlier, record))
            case LogRecord():
                logs.append(_log_row(record))
    rows = {
        "steps": [_step_row(record) for record in steps.values()],
        "waits": [_wait_row(opened, record) for opened, record in waits.values()],
        "logs": logs,
        "calls": calls,
    }
    return {kind: dumps_for_storage(values) for kind, values in rows.items() if values}


TRACE_CTES: Final[Mapping[str, str]] = {
    "steps": """steps AS (
        INSERT INTO workflow_run_steps AS s
            (run_id, tenant, step_path, iteration, visit, definition_step_id, step_type, status, attempt, seq,
             duration_ms, outcome_json, error_json, handled_by, started_at, completed_at)
        SELECT live.run_id, live.tenant, t.step_path, t.iteration, t.visit, t.definition_step_id, t.step_type, t.status,
            t.attempt, t.seq, t.duration_ms, t.outcome_json, t.error_json, t.handled_by, t.started_at, t.completed_at
        FROM live, jsonb_populate_recordset(NULL::workflow_run_steps, CAST(:steps AS jsonb)) t
        ON CONFLICT (run_id, step_path, iteration, visit) WHERE visit > 0 DO UPDATE SET
            status = excluded.status, attempt = excluded.attempt, seq = excluded.seq,
            duration_ms = coalesce(s.duration_ms, excluded.duration_ms),
            outcome_json = coalesce(excluded.outcome_json, s.outcome_json), error_json = excluded.error_json,
            handled_by = excluded.handled_by, completed_at = coalesce(s.completed_at, excluded.completed_at)
        WHERE s.seq < excluded.seq AND (s.status = excluded.status OR s.status IN ('STARTED', 'RETRY_SCHEDULED'))
    )""",
    "waits": """waits AS (
        INSERT INTO workflow_run_waits AS w
            (run_id, tenant, step_path, iteration, visit, wait_type, attempt, key, event_name, timeout_at, status,
             matched_event_id, payload, seq, created_at, resolved_at)
        SELECT live.run_id, live.tenant, t.path, t.iteration, t.visit, t.wait_type, t.attempt, t.key, t.event_name,
            t.timeout_at, t.status, t.matched_event_id, t.payload, t.seq, t.created_at, t.resolved_at
        FROM live, jsonb_to_recordset(CAST(:waits AS jsonb)) AS t(
            path text, iteration text, visit int, wait_type text, attempt int, key text, event_name text,
            timeout_at timestamptz, status text, matched_event_id text, payload jsonb, seq int,
            created_at timestamptz, resolved_at timestamptz)
        ON CONFLICT (run_id, step_path, iteration, visit, wait_type, attempt) WHERE visit > 0 DO UPDATE SET
            status = excluded.status, matched_event_id = excluded.matched_event_id, seq = excluded.seq,
            payload = CASE WHEN jsonb_typeof(w.payload) = 'object' AND jsonb_typeof(excluded.payload) = 'object'
                THEN w.payload || excluded.payload ELSE coalesce(excluded.payload, w.payload) END,
            resolved_at = excluded.resolved_at
        WHERE w.status = 'WAITING' AND w.seq < excluded.seq
    )""",
    "logs": """logs AS (
        INSERT INTO workflow_run_logs
            (run_id, tenant, step_path, iteration, level, message, context_json, source, seq, created_at)
        SELECT live.run_id, live.tenant, t.path, t.iteration, t.level, t.message, t.context, 'workflow', t.seq, t.at
        FROM live, jsonb_to_recordset(CAST(:logs AS jsonb)) AS t(
            path text, iteration text, level text, message text, context jsonb, seq int, at timestamptz)
        ON CONFLICT (run_id, seq) WHERE seq IS NOT NULL DO NOTHING
    )""",
    "calls": """calls AS (
        INSERT INTO workflow_action_invocations
            (run_id, tenant, step_path, iteration, visit, attempt, action_id, action_version, idempotency_key, status,
             input_json, output_json, input_bytes, output_bytes, error_message, error_json, started_at, completed_at)
        SELECT live.run_id, live.tenant, t.path, t.iteration, t.visit, t.attempt, t.action, t.version, t.key, t.status,
            t.input, t.output, t.input_bytes, t.output_bytes, t.message, t.error, t.at, t.at
        FROM live, jsonb_to_recordset(CAST(:calls AS jsonb)) AS t(
            path text, iteration text, visit int, attempt int, action text, version int, key text, status text,
            input jsonb, output jsonb, input_bytes int, output_bytes int, message text, error jsonb, at timestamptz)
        ON CONFLICT DO NOTHING
    )""",
}
"""How each kind of row is written, beside the CTE ``run``."""


def _step_row(record: StepRecord) -> dict[str, Any]:
    """By column."""
    step = record.step
    return {
        "step_path": step.path,
        "iteration": step.iteration,
        "visit": step.visit,
        "definition_step_id": step.step_id,
        "step_type": step.step_type,
        "status": record.status,
        "attempt": record.attempt,
        "seq": record.seq,
        "duration_ms": _milliseconds(record.started_at, record.completed_at),
        "outcome_json": record.outcome,
        "error_json": record.error,
        "handled_by": record.handled_by,
        "started_at": record.started_at,
        "completed_at": record.completed_at,
    }


def _wait_row(opened: str, record: WaitRecord) -> dict[str, Any]:
    step = record.step
    return {
        "path": step.path,
        "iteration": step.iteration,
        "visit": step.visit,
        "wait_type": record.wait_type,
        "attempt": record.attempt,
        "key": record.key and storable_text(record.key),
        "event_name": record.event_name,
        "timeout_at": record.timeout_at,
        "status": record.status,
        "matched_event_id": record.matched_event_id,
        "payload": record.payload,
        "seq": record.seq,
        "created_at": opened,
        "resolved_at": None if record.status == "WAITING" else record.at,
    }


def _merged(earlier: WaitRecord, later: WaitRecord) -> WaitRecord:
    """A wait that opened and ended within one trace; the end need not repeat what the beginning said."""
    payload = later.payload
    if isinstance(earlier.payload, dict) and isinstance(payload, dict):
        payload = {**earlier.payload, **payload}
    return replace(
        later,
        event_name=later.event_name or earlier.event_name,
        key=later.key if later.key is not None else earlier.key,
        timeout_at=later.timeout_at or earlier.timeout_at,
        payload=payload if payload is not None else earlier.payload,
    )


def _log_row(record: LogRecord) -> dict[str, Any]:
    return {
        "path": record.step and record.step.path,
        "iteration": record.step and record.step.iteration,
        "level": record.level,
        "message": record.message,
        "context": record.context,
        "seq": record.seq,
        "at": record.at,
    }


def _call_row(run_id: str, record: StepRecord, call: PureCall) -> dict[str, Any]:
    step = record.step
    return {
        "path": step.path,
        "iteration": step.iteration,
        "visit": step.visit,
        "attempt": record.attempt,
        "action": call.action_id,
        "version": call.action_version,
        "key": f"run:{run_id}:{step.path}:{step.iteration}:{step.visit}",
        "status": "SUCCEEDED" if call.error is None else "FAILED",
        "input": call.input,
        "output": call.output,
        "input_bytes": len(dumps_for_storage(call.input).encode()),
        "output_bytes": len(dumps_for_storage(call.output).encode()),
        "message": call.error and call.error.get("message"),
        "error": call.error,
        "at": record.completed_at or record.started_at,
    }


def _milliseconds(start: str, end: str | None) -> int | None:
    if end is None:
        return None
    taken = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return max(0, min(MAX_DURATION_MS, round(taken.total_seconds() * 1000)))
