"""What a rule of an alert is about now: groups with how many there are, and a run to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, null, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by

from engine.records import Alert, AlertKind
from engine.store.database.transactions import Connection
from engine.store.runs.run_filter import is_stuck
from engine.store.schedules.reading import OVERDUE_AFTER
from engine.store.tables import workflow_runs

MOST_GROUPS: Final = 50
"""Of one rule at a time; the largest ones."""


@dataclass(frozen=True, slots=True)
class Group:
    """What somebody is told of in one message."""

    key: str
    count: int
    workflow_id: str | None = None
    code: str | None = None
    run_id: str | None = None
    """The latest run of the group."""


async def groups_of(connection: Connection, tenant: str, alert: Alert) -> list[Group]:
    """The groups with more than the rule's number."""
    values: dict[str, Any] = {
        "tenant": tenant,
        "workflow": alert.workflow,
        "more": alert.more_than,
        "minutes": alert.minutes,
        "most": MOST_GROUPS,
    }
    if alert.kind is AlertKind.FAILED:
        values["code"] = alert.code
    if alert.kind is AlertKind.SCHEDULE:
        values["overdue"] = OVERDUE_AFTER
    question = _stuck(alert) if alert.kind is AlertKind.STUCK else _QUESTIONS[alert.kind]
    rows = await connection.execute(question, values)
    return [
        Group(row.key[:300], row.number, row.workflow_id, row.code, None if row.run_id is None else str(row.run_id))
        for row in rows
    ]


def _stuck(alert: Alert) -> Select[tuple[Any, ...]]:
    """By the rule by which lists show a run as stuck."""
    runs = workflow_runs.c
    latest = func.array_agg(aggregate_order_by(runs.run_id, runs.started_at.desc()))
    found = select(
        runs.workflow_id.label("key"),
        func.count().label("number"),
        runs.workflow_id,
        null().label("code"),
        latest[1].label("run_id"),
    ).where(runs.tenant == bindparam("tenant"), is_stuck())
    if alert.workflow is not None:
        found = found.where(runs.workflow_id == bindparam("workflow"))
    return found.group_by(runs.workflow_id).having(func.count() > bindparam("more")).limit(bindparam("most"))


_QUESTIONS: Final = {
    # By the last change, of which there is an index; it is never before the end.
    AlertKind.FAILED: text("""
        SELECT workflow_id || ':' || coalesce(last_error_code, '') AS key, count(*) AS number, workflow_id,
            last_error_code AS code, (array_agg(run_id ORDER BY completed_at DESC))[1] AS run_id
        FROM workflow_runs
        WHERE tenant = CAST(:tenant AS uuid) AND status = 'FAILED'
            AND updated_at > now() - :minutes * interval '1 minute'
            AND completed_at > now() - :minutes * interval '1 minute'
            AND (CAST(:workflow AS text) IS NULL OR workflow_id = CAST(:workflow AS text))
            AND (CAST(:code AS text) IS NULL OR last_error_code = CAST(:code AS text))
        GROUP BY workflow_id, last_error_code HAVING count(*) > :more ORDER BY count(*) DESC LIMIT :most
    """),
    AlertKind.SCHEDULE: text("""
        SELECT workflow_id AS key, count(*) AS number, workflow_id, NULL::text AS code, NULL::uuid AS run_id
        FROM workflow_schedules
        WHERE tenant = CAST(:tenant AS uuid) AND status = 'scheduled' AND next_fire_at < now() - :overdue
            AND CAST(:minutes AS integer) > 0
            AND (CAST(:workflow AS text) IS NULL OR workflow_id = CAST(:workflow AS text))
        GROUP BY workflow_id HAVING count(*) > :more ORDER BY workflow_id LIMIT :most
    """),
    AlertKind.DELIVERY: text("""
        SELECT coalesce(event_name, target_kind) AS key, count(*) AS number, max(workflow_id) AS workflow_id,
            NULL::text AS code, (array_agg(run_id ORDER BY updated_at DESC))[1] AS run_id
        FROM workflow_event_deliveries
        WHERE tenant = CAST(:tenant AS uuid) AND status = 'failed'
            AND updated_at > now() - :minutes * interval '1 minute' AND CAST(:workflow AS text) IS NULL
        GROUP BY coalesce(event_name, target_kind) HAVING count(*) > :more ORDER BY count(*) DESC LIMIT :most
    """),
    AlertKind.TASK: text("""
        SELECT t.task_type AS key, count(*) AS number, max(r.workflow_id) AS workflow_id, NULL::text AS code,
            (array_agg(t.run_id ORDER BY t.created_at DESC))[1] AS run_id
        FROM workflow_human_tasks AS t JOIN workflow_runs AS r USING (run_id)
        WHERE t.tenant = CAST(:tenant AS uuid) AND t.status IN ('pending', 'claimed')
            AND t.created_at < now() - :minutes * interval '1 minute'
            AND (CAST(:workflow AS text) IS NULL OR r.workflow_id = CAST(:workflow AS text))
        GROUP BY t.task_type HAVING count(*) > :more ORDER BY count(*) DESC LIMIT :most
    """),
}
