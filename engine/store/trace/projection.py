# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""From trace records to rows: steps, waits, logs, attempts of pure actions, and the run's own row.

One statement writes everything an activity was handed, so a projection is all there or not at all, and costs one round trip.
Every write is guarded: rows of a closed run, rows that are further than the record (``seq``), and steps and waits that are
terminal stay as they are. So a repeated or late activity is harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import TextClause, text

from engine.definition.step_ref import StepRef
from engine.interpreter.effects import Record
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Connection, Store
from engine.store.trace.trace_rows import TRACE_CTES, trace_rows
from engine.values.json_policy import dumps_for_storage, storable_text

COUNTING_BLOCK: Final = 20
"""Units a run without a limit counts ahead, so that the tenant's one counter row is not locked by every step of every run."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: what every projecting activity is handed."""

    run_id: str
    trace: tuple[Record, ...]
    seq: int
    """Sequence number of the last record the run has made, in this trace or before it."""
    steps_started: int


@dataclass(frozen=True, slots=True)
class Running:
    """The run is at a step; None: still at the one the row names."""

    step: StepRef | None = None
    attempt: int = 1
    seconds: float | None = None
    """How long its action may take; None: it has none."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The run waits at a step, and gives back the quota units it does not need while it does."""

    step: StepRef
    waiting_on: str
    """event, time, human, quota, retry or child."""
    since: str
    attempt: int = 1
    error: dict[str, Any] | None = None
    """Why, when that is a trouble: the quota is used up."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over."""

    status: str
    error: dict[str, Any] | None = None
    output: str | None = None
    """JSON text of the final vars; None when they are kept elsewhere."""
    known: int | None = None
    """The last record the run knows of: when its rows are further, nothing is written. None: they cannot be."""


Move = Running | Waiting | Ended


async def write_progress(connection: Connection, progress: Progress, move: Move) -> bool:
    """Write a trace and the run's new state. False: the run is closed, nothing was written."""
    statement, parameters = projecting(progress, move)
    return bool((await connection.execute(statement, parameters)).scalar_one())


async def was_written(store: Store, progress: Progress) -> bool:
    """Whether the trace was written before the run was closed: then a projection that finds it closed is only a repeat.

    A workflow task in which a run ended is repeated, with all that was done in it, when a signal or a cancel came at its end.
    """
    row = await execute_alone(store, _WRITTEN, {"run_id": progress.run_id, "seq": progress.seq})
    return row is not None and bool(row[0])


async def has_row(store: Store, run_id: str) -> bool:
    """Whether the run has a row, open or closed."""
    return await execute_alone(store, _ROW, {"run_id": run_id}) is not None


def projecting(
    progress: Progress, move: Move, *, first: str = "", beside: str = "", query: str = "SELECT count(*) FROM live"
) -> tuple[TextClause, dict[str, Any]]:
    """The one statement that writes a trace and a move, and its parameters, for callers that add to it or run it alone.

    ``beside``: a further CTE, which selects from ``live`` (the run's id and tenant, or nothing when it is closed). ``first``: a
    CTE that everything else depends on: it selects from ``held``, the open run, locked, and when it gives no row nothing is
    written. The default ``query`` gives 1, or 0 when nothing was written.
    """
    rows = trace_rows(progress.run_id, progress.trace)
    statement = _statement(_kind_of(move), frozenset(rows), first, beside, query)
    return statement, {**rows, **_move_parameters(progress, move)}


def lost_records(before: str) -> str:
    """What the row ``r`` has to tell of lost records when the next that is written comes after record ``before``, in SQL.

    A run's records have no gap between them: where the row has not the one before, a restore of Postgres has taken it.
    """
    lost = f"range_merge(int4range(r.seq + 1, {before}, '[]'), coalesce(r.lost_records, 'empty'))"
    return f"CASE WHEN r.seq < {before} THEN {lost} ELSE r.lost_records END"


def _move_parameters(progress: Progress, move: Move) -> dict[str, Any]:
    """Values of the parameters that the run's part of a projection names."""
    parameters: dict[str, Any] = {
        "run_id": progress.run_id,
        "seq": progress.seq,
        "before": (progress.trace[0].seq if progress.trace else progress.seq + 1) - 1,
        "started": progress.steps_started,
    }
    match move:
        case Running(step=None):
            pass
        case Running(step=step, attempt=attempt) if step is not None:
            parameters |= {**_place(step, attempt), "seconds": move.seconds}
        case Waiting():
            parameters |= _place(move.step, move.attempt)
            parameters |= {
                "waiting_on": move.waiting_on,
                "waiting_since": datetime.fromisoformat(move.since),
                "error": move.error and dumps_for_storage(move.error),
            }
        case Ended():
            error = move.error
            parameters |= {
                "status": move.status,
                "error": error and dumps_for_storage(error),
                "code": error and storable_text(str(error.get("code") or error.get("category"))),
                "node_path": (error or {}).get("nodePath") or None if move.status == "FAILED" else None,
                "output": move.output,
                "known": move.known,
            }
    return parameters


_ROW: Final = text("SELECT 1 FROM workflow_runs AS r WHERE r.run_id = CAST(:run_id AS uuid)")
_WRITTEN: Final = text("SELECT r.seq >= :seq FROM workflow_runs AS r WHERE r.run_id = CAST(:run_id AS uuid)")


def _place(step: StepRef, attempt: int) -> dict[str, Any]:
    return {
        "node_path": step.path,
        "node_step_id": step.step_id,
        "loop": step.iteration,
        "attempt": attempt,
    }


def _kind_of(move: Move) -> str:
    match move:
        case Running(step=None):
            return "still"
        case Running():
            return "running"
        case Waiting():
            return "waiting"
        case Ended():
            return "ended"


# What a failure of an earlier attempt said stays visible during the next one, and goes when the run is at another step.
_AT_STEP: Final = """node_path = :node_path, node_step_id = :node_step_id, node_iteration = :loop,
            attempt = :attempt, last_error_code = CASE WHEN CAST(:attempt AS int) > 1 OR r.waiting_on = 'retry'
                THEN r.last_error_code END"""
_SETS: Final[Mapping[str, str]] = {
    "still": "status = 'RUNNING', waiting_on = NULL, waiting_since = NULL, error_json = NULL, step_due_at = NULL",
    "running": f"""status = 'RUNNING', waiting_on = NULL, waiting_since = NULL, error_json = NULL, {_AT_STEP},
            step_due_at = now() + :seconds * interval '1s'""",
    "waiting": """status = 'WAITING', step_due_at = NULL, error_json = CAST(:error AS jsonb),
            node_path = :node_path, node_step_id = :node_step_id, node_iteration = :loop, attempt = :attempt,
            last_error_code = CASE WHEN :waiting_on = 'retry' THEN r.last_error_code END,
            waiting_since = CASE WHEN r.waiting_on = :waiting_on AND r.node_path = :node_path
                AND r.node_iteration = :loop THEN r.waiting_since ELSE CAST(:waiting_since AS timestamptz) END,
            waiting_on = :waiting_on""",
    # Whoever started the run may have died before it said so; one that has ended was started.
    "ended": """status = :status, step_due_at = NULL, waiting_on = NULL, waiting_since = NULL, completed_at = now(),
            launch_state = 'started', launch_error = NULL, next_launch_at = NULL,
            error_json = CAST(:error AS jsonb), output_json = CAST(:output AS jsonb), last_error_code = :code,
            node_step_id = CASE WHEN r.node_path = :node_path THEN r.node_step_id END,
            node_iteration = CASE WHEN r.node_path = :node_path THEN r.node_iteration ELSE '' END,
            node_path = :node_path""",
}
_GIVING_BACK: Final = frozenset(("waiting", "ended"))

PERIOD_START: Final = "date_trunc('month', now(), 'UTC')"
"""The quota's period is the calendar month, UTC."""
PERIOD_END: Final = "(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC'"

_END_OF_THAT_PERIOD: Final = "(run.leased_from AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'"


def _run_ctes(kind: str, first: str) -> str:
    """The CTEs that lock the run's row, move it, and count its steps.

    ``live`` is empty when the run is closed; everything else that is written selects from it. The row itself moves only
    forward: a workflow task that is repeated after its worker died writes again what is there already. But the end of a run
    is its end, however little this execution has seen of it. Units come from the run's lease first; what is beyond it is
    counted now, and, where no limit can be crossed, a few ahead.
    """
    gives_back = kind in _GIVING_BACK
    ahead = "0" if gives_back else f"CASE WHEN live.quota_limit IS NULL THEN {COUNTING_BLOCK} ELSE 0 END"
    unused = ", greatest(0, live.quota_leased - live.started) AS unused" if gives_back else ""
    left = "0" if gives_back else "r.quota_leased - live.started"
    behind = " AND (CAST(:known AS int) IS NULL OR r.seq <= :known)" if kind == "ended" else ""
    canceling = "r.cancel_requested_at IS NOT NULL AS canceling, " if first else ""
    held = f", {first}, live AS (SELECT held.* FROM held, settled WHERE NOT canceling)" if first else ""
    # What settles an attempt finds it claimed, so its row has all before it.
    gap = "" if first else f" lost_records = {lost_records(':before')},"
    ctes = f"""{"held" if first else "live"} AS MATERIALIZED (
        SELECT r.run_id, r.tenant, r.quota_leased, {canceling}r.seq <= :seq AS forward,
            greatest(0, :started - r.step_count) AS started,
            (SELECT quota_limit FROM workflow_settings s WHERE s.tenant = r.tenant)
        FROM workflow_runs r
        WHERE r.run_id = CAST(:run_id AS uuid) AND r.status IN ('RUNNING', 'WAITING'){behind}
        FOR NO KEY UPDATE
    ){held}, run AS (
        UPDATE workflow_runs r SET
            {_SETS[kind]},{gap}
            seq = greatest(r.seq, :seq), step_count = r.step_count + live.started, updated_at = now(),
            quota_leased = CASE WHEN live.started > r.quota_leased THEN {ahead} ELSE {left} END,
            quota_period_start = CASE WHEN live.started > r.quota_leased THEN {PERIOD_START}
                ELSE r.quota_period_start END
        FROM live WHERE r.run_id = live.run_id{"" if kind == "ended" else " AND live.forward"}
        RETURNING r.tenant, r.quota_period_start AS leased_from, live.quota_limit,
            CASE WHEN live.started > live.quota_leased
                THEN live.started - live.quota_leased + {ahead} ELSE 0 END AS counted{unused}
    ), counted AS (
        INSERT INTO workflow_step_usage_periods AS u (tenant, period_start, period_end, effective_limit, used_count)
        SELECT run.tenant, run.leased_from, {_END_OF_THAT_PERIOD}, run.quota_limit, run.counted
        FROM run WHERE run.counted > 0
        ON CONFLICT (tenant, period_start, period_end) DO UPDATE
        SET used_count = u.used_count + excluded.used_count, effective_limit = excluded.effective_limit,
            updated_at = now()
    )"""
    if gives_back:
        ctes += """, given_back AS (
        UPDATE workflow_step_usage_periods AS u
        SET used_count = greatest(0, u.used_count - run.unused), updated_at = now()
        FROM run WHERE run.unused > 0 AND u.tenant = run.tenant AND u.period_start = run.leased_from
    )"""
    return ctes


@lru_cache(maxsize=256)
def _statement(kind: str, rows: frozenset[str], first: str, beside: str, query: str) -> TextClause:
    ctes = [_run_ctes(kind, first), *(TRACE_CTES[row] for row in sorted(rows)), *([beside] if beside else [])]
    # Without the space that makes our sources readable: the driver keeps what it knows of a statement only up to 4,096
    # characters. No literal in them has space in it.
    return text(" ".join(f"WITH {', '.join(ctes)} {query}".split()))
