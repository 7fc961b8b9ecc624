# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""Deleting ended runs with everything that belongs to them, or only their inputs and outputs.

Steps, attempts, waits, tasks, log lines and snapshots go with the run's row (ON DELETE CASCADE); values by reference, settled
deliveries, answers that never reached it and what jobs have exported of it are deleted beside it. A run is kept while any run of
its tree is active: a parent reads what its children were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import TextClause, text

from engine.store.database.transactions import Connection
from engine.store.runs.masking import mask_what_stays

JUST_ENDED_SECONDS: Final = 60
"""So long after its end a run's execution may still have something to write."""


@dataclass(frozen=True, slots=True)
class OldRuns:
    """Which runs a rule is about."""

    tenant: str
    workflow_id: str
    """Empty: all but those of ``other_workflows``."""
    other_workflows: Sequence[str]
    days: int
    """Since their end."""

    def parameters(self) -> dict[str, Any]:
        """Of the conditions ``_OF_RULE``."""
        return {
            "tenant": self.tenant,
            "workflow": self.workflow_id,
            "others": list(self.other_workflows),
            "days": self.days,
        }


@dataclass(frozen=True, slots=True)
class Keeping:
    """What keeps a run from being deleted."""

    tree_is_live: bool
    just_ended: bool


async def what_keeps(connection: Connection, tenant: str, run_id: str) -> Keeping | None:
    """Of an ended run; None when it is gone."""
    values = {"tenant": tenant, "run": run_id, "seconds": JUST_ENDED_SECONDS}
    row = (await connection.execute(_WHAT_KEEPS, values)).one_or_none()
    return None if row is None else Keeping(row.tree_is_live, row.just_ended)


async def delete_run_rows(connection: Connection, tenant: str, run_id: str) -> bool:
    """False, and nothing is deleted, when the run is not there, or must be kept."""
    values = {"tenant": tenant, "run": run_id, "seconds": JUST_ENDED_SECONDS}
    return (await connection.execute(_DELETE_ONE, values)).first() is not None


async def delete_old_runs(connection: Connection, old: OldRuns, status: str, limit: int) -> int:
    """Delete at most ``limit`` runs of one status that are older than the rule says; how many."""
    values = {**old.parameters(), "status": status, "limit": limit, "seconds": JUST_ENDED_SECONDS}
    return len((await connection.execute(_DELETE_OLD, values)).all())


async def delete_old_bodies(connection: Connection, old: OldRuns, limit: int) -> int:
    """Delete the bodies of at most ``limit`` runs that are older than the rule says; how many. Not of runs from before the
    cutover, whose rows are never written. What was hidden in them is taken out of what stays.
    """
    chosen = await connection.execute(_OLD_BODIES, {**old.parameters(), "limit": limit})
    ids = [row.run_id for row in chosen]
    if ids:
        await mask_what_stays(connection, old.tenant, ids)
        await connection.execute(_DELETE_BODIES, {"runs": ids})
    return len(ids)


_TREE_IS_LIVE: Final = """
    (EXISTS (SELECT FROM workflow_runs AS root WHERE root.run_id = r.root_run_id AND root.status IN ('RUNNING', 'WAITING'))
    OR EXISTS (SELECT FROM workflow_runs AS other
        WHERE other.tenant = r.tenant AND other.root_run_id = coalesce(r.root_run_id, r.run_id)
            AND other.status IN ('RUNNING', 'WAITING')))
"""
_JUST_ENDED: Final = "(coalesce(r.completed_at, r.updated_at) >= now() - :seconds * interval '1 second')"
_ENDED: Final = f"r.status NOT IN ('RUNNING', 'WAITING') AND NOT {_JUST_ENDED} AND NOT {_TREE_IS_LIVE}"
# An index of the list leads by the start, which is never later than the end.
_OF_RULE: Final = """
    r.tenant = CAST(:tenant AS uuid) AND r.started_at < now() - :days * interval '1 day'
    AND coalesce(r.completed_at, r.updated_at) < now() - :days * interval '1 day'
    AND CASE WHEN CAST(:workflow AS text) = '' THEN r.workflow_id <> ALL(CAST(:others AS text[]))
        ELSE r.workflow_id = CAST(:workflow AS text) END
"""
_ONE: Final = "r.tenant = CAST(:tenant AS uuid) AND r.run_id = CAST(:run AS uuid)"


def _deleting(chosen: str) -> TextClause:
    """Of what its schedule says of a run, the code stays: the rest can be a copy of what was hidden in its payload."""
    return text(f"""
        WITH gone AS (
            SELECT r.run_id, r.tenant, r.workflow_id, r.trigger_fire_key FROM workflow_runs AS r WHERE {chosen}
        ), payloads AS (
            DELETE FROM workflow_payloads AS p USING gone WHERE p.run_id = gone.run_id
        ), exports AS (
            DELETE FROM workflow_job_files AS f USING gone WHERE f.run_id = gone.run_id
        ), deliveries AS (
            DELETE FROM workflow_event_deliveries AS d USING gone
            WHERE d.run_id = gone.run_id AND (d.status <> 'pending' OR d.event_id IS NULL)
        ), occurrences AS (
            UPDATE workflow_schedule_fires AS f SET reason = split_part(f.reason, ':', 1)
            FROM gone JOIN workflow_schedules AS s ON s.tenant = gone.tenant AND s.workflow_id = gone.workflow_id
            WHERE f.schedule_id = s.schedule_id AND f.fire_key = gone.trigger_fire_key AND f.reason IS NOT NULL
        ), schedules AS (
            UPDATE workflow_schedules AS s SET last_error = split_part(s.last_error, ':', 1)
            FROM gone WHERE s.tenant = gone.tenant AND s.workflow_id = gone.workflow_id
                AND s.last_fire_key = gone.trigger_fire_key AND s.last_error IS NOT NULL
        )
        DELETE FROM workflow_runs AS r USING gone WHERE r.run_id = gone.run_id RETURNING r.run_id
    """)


_DELETE_ONE: Final = _deleting(f"{_ONE} AND {_ENDED} FOR UPDATE")
_DELETE_OLD: Final = _deleting(
    f"r.status = :status AND {_OF_RULE} AND {_ENDED} ORDER BY r.started_at, r.run_id LIMIT :limit FOR UPDATE SKIP LOCKED"
)
_WHAT_KEEPS: Final = text(
    f"SELECT {_TREE_IS_LIVE} AS tree_is_live, {_JUST_ENDED} AS just_ended FROM workflow_runs AS r WHERE {_ONE}"
)
_OLD_BODIES: Final = text(f"""
    SELECT CAST(r.run_id AS text) AS run_id FROM workflow_runs AS r
    WHERE r.bodies_deleted_at IS NULL AND r.completed_at IS NOT NULL AND r.engine = 'temporal'
        AND r.status NOT IN ('RUNNING', 'WAITING') AND {_OF_RULE} AND NOT {_TREE_IS_LIVE}
    ORDER BY r.completed_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_DELETE_BODIES: Final = text("""
    WITH old AS (
        SELECT r.run_id FROM workflow_runs AS r WHERE r.run_id = ANY(CAST(:runs AS uuid[]))
    ), payloads AS (
        DELETE FROM workflow_payloads AS p USING old WHERE p.run_id = old.run_id
    ), exports AS (
        DELETE FROM workflow_job_files AS f USING old WHERE f.run_id = old.run_id
    ), attempts AS (
        UPDATE workflow_action_invocations AS a SET input_json = NULL, output_json = NULL, input_ref = NULL, output_ref = NULL,
            input_bytes = NULL, output_bytes = NULL
        FROM old WHERE a.run_id = old.run_id
    ), deliveries AS (
        UPDATE workflow_event_deliveries AS d SET payload = NULL
        FROM old WHERE d.run_id = old.run_id AND d.status <> 'pending' AND d.payload IS NOT NULL
    ), waits AS (
        UPDATE workflow_run_waits AS w SET payload = NULL FROM old WHERE w.run_id = old.run_id AND w.payload IS NOT NULL
    ), tasks AS (
        UPDATE workflow_human_tasks AS t SET context_json = NULL, response_json = NULL
        FROM old WHERE t.run_id = old.run_id
    )
    UPDATE workflow_runs AS r SET input_json = NULL, input_text = NULL, output_json = NULL, bodies_deleted_at = now()
    FROM old WHERE r.run_id = old.run_id RETURNING r.run_id
""")
