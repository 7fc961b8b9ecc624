"""Opening a wait: its rows, the human task, and the events that came before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import TextClause, text

from engine.definition.step_ref import StepRef
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Connection, Store
from engine.store.trace.projection import Progress, Waiting, projecting
from engine.values.json_policy import dumps_for_storage, storable_text

EVENTS_PER_PAGE: Final = 50
"""Not fewer than the router takes at once."""


@dataclass(frozen=True, slots=True)
class TaskToCreate:
    """A task for a person, created together with the wait for its answer."""

    task_id: str
    task_type: str
    title: str
    description: str | None
    context: Any


@dataclass(frozen=True, slots=True)
class EarlyEvent:
    """An event published since the run, or the event that started it."""

    event_id: str
    event_name: str
    key: str | None
    """The key by which it matches the wait; its first key when any would do."""
    payload: Any
    received_at: datetime
    arrival: int | None
    """None: it is not routed yet, so its place is not known."""


async def open_wait(store: Store, progress: Progress, waiting: Waiting, task: TaskToCreate | None = None) -> bool:
    """Write the trace, which holds the wait, and say on the run's row that it waits; with a task, create that too.

    One transaction, repeatable. False: the run is closed.
    """
    if task is None:
        statement, parameters = projecting(progress, waiting)
    else:
        statement, parameters = projecting(progress, waiting, beside=_TASK)
        parameters |= _task_parameters(task, waiting.step)
    row = await execute_alone(store, statement, parameters)
    return row is not None and bool(row[0])


async def early_events(
    store: Store, run_id: str, event_name: str, key: str | None, *, after: int, unrouted: bool
) -> Sequence[EarlyEvent]:
    """Events of this name (and key, None: any) since the run's beginning, in order of arrival, after ``after``.

    A run that an event started looks back to the arrival of that event, one that was launched in somebody's transaction to
    that launch, any other to its start. ``unrouted`` adds those that are committed and have no number yet, first of all. At
    most ``EVENTS_PER_PAGE``.

    After a restore of Postgres, numbers up to ``after`` are given again: a run that has lost records first looks back to its
    beginning.

    What the run has used already is not left out: only its own state knows that for certain, because rows
    may tell of a workflow task that is being repeated. To be asked after the wait was committed: whatever is routed by a later
    transaction finds it, and what is being routed meanwhile is among the first ``EVENTS_PER_PAGE`` without a number.
    """
    parameters = {**_of_wait(run_id, event_name, key), "after": after, "unrouted": unrouted}
    async with store.connect() as connection:
        return await _events(connection, _EARLY, parameters)


async def events_since(
    connection: Connection, run_id: str, event_name: str, key: str | None, since: datetime
) -> Sequence[EarlyEvent]:
    """Routed events of this name (and key, None: any) received since then, oldest first; at most ``EVENTS_PER_PAGE``."""
    return await _events(connection, _SINCE, {**_of_wait(run_id, event_name, key), "since": since})


def _of_wait(run_id: str, event_name: str, key: str | None) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "name": storable_text(event_name),
        "key": None if key is None else storable_text(key),
        "limit": EVENTS_PER_PAGE,
    }


async def _events(connection: Connection, statement: TextClause, parameters: dict[str, Any]) -> Sequence[EarlyEvent]:
    rows = (await connection.execute(statement, parameters)).all()
    return [EarlyEvent(r.event_id, r.event_name, r.key, r.payload, r.created_at, r.number) for r in rows]


def _task_parameters(task: TaskToCreate, step: StepRef) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "task_type": task.task_type,
        "title": storable_text(task.title),
        "description": task.description and storable_text(task.description),
        "context": dumps_for_storage(task.context),
        "task_path": step.path,
        "task_iteration": step.iteration,
        "task_visit": step.visit,
    }


_TASK: Final = """task AS (
        INSERT INTO workflow_human_tasks
            (task_id, tenant, run_id, step_path, iteration, visit, task_type, title, description, context_json, priority)
        SELECT CAST(:task_id AS uuid), live.tenant, live.run_id, :task_path, :task_iteration, :task_visit, :task_type, :title,
            :description, CAST(:context AS jsonb), 'medium'
        FROM live
        ON CONFLICT (task_id) DO NOTHING
    )"""

# With a key the index on the event's first key cannot be used alone: an event may match by any of its keys.
_OF_THE_WAIT: Final = """e.tenant = run.tenant AND e.event_name = :name
        AND (CAST(:key AS text) IS NULL OR e.correlation_key = :key
            OR (jsonb_typeof(e.correlation_keys) = 'array' AND e.correlation_keys ? CAST(:key AS text)))"""
# Each way to bound the events has an index of its own. Below zero are those of a transaction of their producer: their time is
# that of their routing. Bodies are read of the page alone.
_EARLY: Final = text(f"""
    WITH run AS (
        SELECT r.tenant, r.started_at, r.events_after,
            CASE WHEN CAST(:unrouted AS boolean) AND r.lost_records IS NOT NULL THEN 0 ELSE CAST(:after AS bigint) END AS after
        FROM workflow_runs AS r WHERE r.run_id = CAST(:run_id AS uuid)
    ), by_number AS MATERIALIZED (
        SELECT e.tenant, e.event_id, e.arrival, e.arrival AS number
        FROM run JOIN workflow_runtime_events AS e ON {_OF_THE_WAIT}
        WHERE run.events_after IS NOT NULL AND e.state = 'routed' AND e.arrival > greatest(run.after, run.events_after)
        ORDER BY e.arrival LIMIT :limit
    ), by_time AS MATERIALIZED (
        SELECT e.tenant, e.event_id, e.arrival, e.arrival AS number
        FROM run JOIN workflow_runtime_events AS e ON {_OF_THE_WAIT}
        WHERE run.events_after IS NULL AND e.state = 'routed' AND e.created_at >= run.started_at AND e.arrival > run.after
    ), not_routed AS MATERIALIZED (
        SELECT e.tenant, e.event_id, e.arrival, CAST(NULL AS bigint) AS number
        FROM run JOIN workflow_runtime_events AS e ON {_OF_THE_WAIT}
        WHERE CAST(:unrouted AS boolean) AND e.state = 'received'
            AND (run.events_after IS NOT NULL OR e.arrival < 0 OR e.created_at >= run.started_at)
        ORDER BY e.arrival LIMIT :limit
    ), page AS (
        SELECT * FROM (
            SELECT * FROM by_number UNION ALL SELECT * FROM by_time UNION ALL SELECT * FROM not_routed
        ) AS found
        ORDER BY number IS NOT NULL, arrival LIMIT :limit
    )
    SELECT e.event_id, e.event_name, coalesce(CAST(:key AS text), e.correlation_key) AS key, e.payload, e.created_at,
        page.number
    FROM page JOIN workflow_runtime_events AS e ON e.tenant = page.tenant AND e.event_id = page.event_id
    ORDER BY page.number IS NOT NULL, page.arrival
""")  # noqa: S608 - our own fragments, no input
_SINCE: Final = text(f"""
    SELECT e.event_id, e.event_name, coalesce(CAST(:key AS text), e.correlation_key) AS key, e.payload, e.created_at,
        e.arrival AS number
    FROM workflow_runs AS run JOIN workflow_runtime_events AS e ON {_OF_THE_WAIT}
    WHERE run.run_id = CAST(:run_id AS uuid) AND e.state = 'routed' AND e.created_at >= :since
    ORDER BY e.arrival LIMIT :limit
""")  # noqa: S608 - our own fragments, no input
