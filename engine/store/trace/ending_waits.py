# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""Ending a wait: on record before anything is made of it, and once. Who says later that it ended otherwise is told how it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from engine.definition.step_ref import StepRef
from engine.interpreter.effects import EventArrived
from engine.interpreter.times import iso_of, milliseconds_of
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Store
from engine.store.trace.projection import lost_records
from engine.values.json_policy import dumps_for_storage, storable_text


@dataclass(frozen=True, slots=True)
class OpenWait:
    """One wait of a run, found by its place."""

    run_id: str
    step: StepRef
    wait_type: str
    attempt: int


@dataclass(frozen=True, slots=True)
class WaitEnd:
    """How a wait ended."""

    status: str
    at_ms: int
    """Milliseconds since 1970, on Postgres's clock, and not before the wait was due."""
    event: EventArrived | None
    """The event that resolved it."""
    run_open: bool


async def end_wait(store: Store, wait: OpenWait, status: str, seq: int, event: EventArrived | None) -> WaitEnd | None:
    """Put on record that the wait has ended, unless it has already, and give what stands. None: the run's row is closed.

    An event that is in no table of events is kept with the wait. A wait that has no row, although its run is open, was lost in a
    restore of Postgres: whoever ends it has waited, so it is written.
    """
    parameters = {
        **_where(wait),
        "status": status,
        "seq": seq,
        "matched": None if event is None else event.event_id,
        "own": None if event is None or event.stored else dumps_for_storage(_own(event)),
    }
    row = await execute_alone(store, _END, parameters)
    if row is not None:
        return WaitEnd(status, milliseconds_of(row.resolved_at), event, run_open=True)
    ended = await ended_wait(store, wait)
    if ended is None and await execute_alone(store, _END_LOST, {**parameters, **_of_event(event)}) is not None:
        ended = await ended_wait(store, wait)
    return ended


async def ended_wait(store: Store, wait: OpenWait) -> WaitEnd | None:
    """How the wait has ended; None when that is not on record."""
    row = await execute_alone(store, _ENDED, _where(wait))
    if row is None:
        return None
    at_ms = milliseconds_of(row.resolved_at)
    event: EventArrived | None = None
    if row.own is not None:
        event = EventArrived(row.matched_event_id, row.own["name"], row.key, row.own["payload"], iso_of(at_ms))
    elif row.event_id is not None:
        received = iso_of(milliseconds_of(row.event_at))
        event = EventArrived(row.event_id, row.event_name, row.key, row.event_payload, received, stored=True)
    return WaitEnd(row.status, at_ms, event, run_open=row.run_open)


def _own(event: EventArrived) -> dict[str, Any]:
    return {"event": {"name": event.event_name, "payload": event.payload}}


def _of_event(event: EventArrived | None) -> dict[str, Any]:
    if event is None:
        return {"event_name": None, "key": None}
    return {"event_name": storable_text(event.event_name), "key": event.key and storable_text(event.key)}


def _where(wait: OpenWait) -> dict[str, Any]:
    step = wait.step
    return {
        "run_id": wait.run_id,
        "path": step.path,
        "iteration": step.iteration,
        "visit": step.visit,
        "wait_type": wait.wait_type,
        "attempt": wait.attempt,
    }


_THE_WAIT: Final = """w.run_id = CAST(:run_id AS uuid) AND w.step_path = :path AND w.iteration = :iteration
        AND w.visit = :visit AND w.wait_type = :wait_type AND w.attempt = :attempt AND w.visit > 0"""
# Whole milliseconds, as all times of a run, and never before the wait began or was due: clocks differ.
_END: Final = text(f"""
    WITH live AS (
        SELECT r.run_id FROM workflow_runs AS r
        WHERE r.run_id = CAST(:run_id AS uuid) AND r.status IN ('RUNNING', 'WAITING')
        FOR NO KEY UPDATE
    ), ended AS (
        UPDATE workflow_run_waits AS w
        SET status = :status, matched_event_id = :matched, seq = :seq,
            payload = CASE WHEN CAST(:own AS jsonb) IS NULL THEN w.payload
                ELSE coalesce(w.payload, '{{}}'::jsonb) || CAST(:own AS jsonb) END,
            resolved_at = greatest(date_trunc('milliseconds', clock_timestamp()), w.created_at,
                CASE WHEN w.wait_type = 'time' OR :status = 'TIMED_OUT' THEN w.timeout_at END)
        FROM live WHERE {_THE_WAIT} AND w.status = 'WAITING'
        RETURNING w.run_id, w.resolved_at
    ), run AS (
        UPDATE workflow_runs AS r SET seq = greatest(r.seq, :seq), updated_at = now()
        FROM ended WHERE r.run_id = ended.run_id
    )
    SELECT resolved_at FROM ended
""")
_END_LOST: Final = text(f"""
    WITH live AS (
        SELECT r.run_id, r.tenant FROM workflow_runs AS r
        WHERE r.run_id = CAST(:run_id AS uuid) AND r.status IN ('RUNNING', 'WAITING')
        FOR NO KEY UPDATE
    ), ended AS (
        INSERT INTO workflow_run_waits
            (run_id, tenant, step_path, iteration, visit, wait_type, attempt, event_name, key, status, matched_event_id,
             payload, seq, resolved_at)
        SELECT live.run_id, live.tenant, :path, :iteration, :visit, :wait_type, :attempt, :event_name, :key, :status,
            :matched, CAST(:own AS jsonb), :seq, date_trunc('milliseconds', clock_timestamp())
        FROM live
        ON CONFLICT DO NOTHING
        RETURNING run_id
    ), run AS (
        UPDATE workflow_runs AS r
        SET lost_records = {lost_records("(CAST(:seq AS int) - 1)")}, seq = greatest(r.seq, :seq), updated_at = now()
        FROM ended WHERE r.run_id = ended.run_id
    )
    SELECT 1 FROM ended
""")
_ENDED: Final = text(f"""
    SELECT w.status, w.matched_event_id, w.resolved_at, w.payload -> 'event' AS own,
        coalesce(w.key, e.correlation_key) AS key, e.event_id, e.event_name, e.payload AS event_payload,
        e.created_at AS event_at, r.status IN ('RUNNING', 'WAITING') AS run_open
    FROM workflow_run_waits AS w
    JOIN workflow_runs AS r ON r.run_id = w.run_id
    LEFT JOIN workflow_runtime_events AS e ON e.tenant = w.tenant AND e.event_id = w.matched_event_id
    WHERE {_THE_WAIT} AND w.status <> 'WAITING'
""")
