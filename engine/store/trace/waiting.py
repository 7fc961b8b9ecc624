"""Opening a wait: its rows, the human task, and the events that came before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from engine.definition.step_ref import StepRef
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Store
from engine.store.trace.projection import Progress, Waiting, projecting
from engine.values.json_policy import dumps_for_storage, storable_text

EVENTS_PER_PAGE: Final = 100


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
    """An event published since the run started."""

    event_id: str
    event_name: str
    key: str | None
    """The key by which it matches the wait; its first key when any would do."""
    payload: Any
    received_at: datetime
    arrival: int


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
    store: Store, run_id: str, event_name: str, key: str | None, *, after: int, recent: bool
) -> Sequence[EarlyEvent]:
    """Events of this name (and key, None: any) published since the run started, in order of arrival, after ``after``.

    ``recent`` adds those of the last minute before it, and those that are still to arrive: an event may be committed after one
    that arrived later. At most ``EVENTS_PER_PAGE``.

    What the run has used already is not left out: only its own state knows that for certain, because rows
    may tell of a workflow task that is being repeated. To be asked after the wait was committed: whatever comes later finds it.
    """
    parameters = {
        "run_id": run_id,
        "name": storable_text(event_name),
        "key": None if key is None else storable_text(key),
        "after": after,
        "recent": recent,
        "limit": EVENTS_PER_PAGE,
    }
    async with store.connect() as connection:
        rows = (await connection.execute(_EARLY, parameters)).all()
    return [EarlyEvent(r.event_id, r.event_name, r.key, r.payload, r.created_at, r.arrival) for r in rows]


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
_FOUND: Final = """
    SELECT e.event_id, e.event_name, coalesce(CAST(:key AS text), e.correlation_key) AS key, e.payload, e.created_at,
        e.arrival
    FROM workflow_runs AS r
    JOIN workflow_runtime_events AS e ON e.tenant = r.tenant AND e.event_name = :name
    WHERE r.run_id = CAST(:run_id AS uuid)
        AND (CAST(:key AS text) IS NULL OR e.correlation_key = :key
            OR (jsonb_typeof(e.correlation_keys) = 'array' AND e.correlation_keys ? CAST(:key AS text)))
"""
# Below zero are committed events that are not routed yet and had been submitted in a transaction of their producer.
_EARLY: Final = text(f"""
    {_FOUND} AND e.created_at >= r.started_at AND e.arrival >= 0
        AND (e.arrival > :after OR (CAST(:recent AS boolean) AND e.created_at > now() - interval '1 minute'))
    UNION ALL
    {_FOUND} AND e.state = 'received' AND e.arrival < 0 AND CAST(:recent AS boolean)
    ORDER BY arrival
    LIMIT :limit
""")
