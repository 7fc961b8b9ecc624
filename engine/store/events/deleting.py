"""Deleting events that have come to their end, with their deliveries.

An event stays, however old, while it is not routed or a delivery of it is due; with the run that ended a wait with it, whose
state at a step is computed from it; with a run that it started, where something can be hidden in it that the payload of the run
shows as another place; and while a live run could look back to it: one that began before it arrived, in a version that has a
wait of its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from engine.store.database.transactions import Connection


@dataclass(frozen=True, slots=True)
class OldEvents:
    """Which events a rule is about."""

    tenant: str
    days: int | None
    """Of those that were delivered, or that nothing took; None: kept for ever."""
    dead_days: int | None
    """Of those with a delivery that failed or was skipped."""


@dataclass(frozen=True, slots=True)
class Place:
    """The last event that was looked at, in the order of their submission."""

    created_at: datetime
    event_id: str


async def delete_old_events(
    connection: Connection, old: OldEvents, after: Place | None, limit: int
) -> tuple[int, Place | None]:
    """Look at the next ``limit`` events that are old enough, and delete those that nothing keeps.

    How many went, and up to where it looked; None: it has looked at all.
    """
    values = {
        "tenant": old.tenant,
        "days": old.days,
        "dead_days": old.dead_days,
        "at": None if after is None else after.created_at,
        "id": None if after is None else after.event_id,
        "limit": limit,
    }
    row = (await connection.execute(_DELETE, values)).one()
    place = None if row.looked_at < limit else Place(row.last_at, row.last_id)
    return int(row.deleted), place


_DELETE: Final = text("""
    WITH looked_at AS MATERIALIZED (
        SELECT e.event_id, e.event_name, e.created_at, e.arrival, e.state
        FROM workflow_runtime_events AS e
        WHERE e.tenant = CAST(:tenant AS uuid)
            AND e.created_at < now() - least(CAST(:days AS integer), CAST(:dead_days AS integer)) * interval '1 day'
            AND (CAST(:at AS timestamptz) IS NULL
                OR (e.created_at, e.event_id) > (CAST(:at AS timestamptz), CAST(:id AS text)))
        ORDER BY e.created_at, e.event_id LIMIT :limit
    ), live AS (
        SELECT workflow_id, workflow_version, min(events_after) AS events_after,
            min(started_at) FILTER (WHERE events_after IS NULL) AS started_at
        FROM workflow_runs
        WHERE tenant = CAST(:tenant AS uuid) AND status IN ('RUNNING', 'WAITING')
        GROUP BY workflow_id, workflow_version
    ), awaited AS MATERIALIZED (
        SELECT name #>> '{}' AS event_name, min(live.events_after) AS events_after, min(live.started_at) AS started_at
        FROM live
        JOIN workflow_definition_versions AS v ON v.tenant = CAST(:tenant AS uuid)
            AND v.workflow_id = live.workflow_id AND v.version = live.workflow_version
        CROSS JOIN LATERAL jsonb_path_query(v.definition_json, '$.**.eventName') AS name
        GROUP BY 1
    ), launching AS (
        SELECT min(arrival) AS arrival FROM workflow_event_deliveries
        WHERE tenant = CAST(:tenant AS uuid) AND status = 'pending' AND target_kind = 'launch'
    ), gone AS (
        DELETE FROM workflow_runtime_events AS e USING looked_at AS l, launching
        WHERE e.tenant = CAST(:tenant AS uuid) AND e.event_id = l.event_id AND e.state = 'routed'
            AND (launching.arrival IS NULL OR l.arrival < launching.arrival)
            AND NOT EXISTS (
                SELECT FROM workflow_event_deliveries AS d
                WHERE d.tenant = e.tenant AND d.event_id = e.event_id AND d.status = 'pending')
            AND l.created_at < now() - interval '1 day' * CASE WHEN EXISTS (
                SELECT FROM workflow_event_deliveries AS d
                WHERE d.tenant = e.tenant AND d.event_id = e.event_id AND d.status IN ('failed', 'skipped')
            ) THEN CAST(:dead_days AS integer) ELSE CAST(:days AS integer) END
            AND NOT EXISTS (
                SELECT FROM workflow_run_waits AS w WHERE w.tenant = e.tenant AND w.matched_event_id = e.event_id)
            AND NOT EXISTS (
                SELECT FROM workflow_event_deliveries AS d
                JOIN workflow_runs AS r ON r.tenant = d.tenant AND r.run_id = d.run_id
                LEFT JOIN workflow_payload_schemas AS s ON s.tenant = e.tenant AND s.ref = e.payload_schema_ref
                WHERE d.tenant = e.tenant AND d.event_id = e.event_id AND d.target_kind = 'launch'
                    AND r.bodies_deleted_at IS NULL
                    AND (r.trigger_mapping_applied OR jsonb_path_exists(s.schema_json, '$.**."x-sensitive"')))
            AND NOT EXISTS (
                SELECT FROM awaited AS a WHERE a.event_name = l.event_name
                    AND (l.arrival > a.events_after OR l.created_at >= a.started_at))
        RETURNING e.event_id
    ), deliveries AS (
        DELETE FROM workflow_event_deliveries AS d USING gone
        WHERE d.tenant = CAST(:tenant AS uuid) AND d.event_id = gone.event_id
    )
    SELECT (SELECT count(*) FROM gone) AS deleted, (SELECT count(*) FROM looked_at) AS looked_at,
        last.created_at AS last_at, last.event_id AS last_id
    FROM (SELECT 1) AS one
    LEFT JOIN LATERAL (
        SELECT created_at, event_id FROM looked_at ORDER BY created_at DESC, event_id DESC LIMIT 1
    ) AS last ON true
""")
