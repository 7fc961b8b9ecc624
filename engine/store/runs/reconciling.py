"""Run rows that may differ from Temporal: finding them, and closing a run from outside.

Nothing here ever touches a run from before the cutover: its engine is not ``temporal``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import case, exists, func, literal_column, select, text, tuple_, update

from engine.contract import ENGINE
from engine.store.database.transactions import Connection
from engine.store.runs.closing import close_what_is_open
from engine.store.runs.runs import RUN_COLUMNS, Run, is_active, is_pending
from engine.store.tables import workflow_runs as runs
from engine.store.trace.trace_rows import STEP_OF_X
from engine.values.json_policy import dumps_for_storage

COUNT_CAP: Final = 10_000


@dataclass(frozen=True, slots=True)
class Position:
    """Keyset position in the list of open runs: after the run last changed then, with this id."""

    updated_at: datetime
    run_id: str


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What was still open although its run or its step had ended, and was closed."""

    waits: int
    tasks: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A child run at work for which its parent does not wait."""

    run_id: str
    tenant: str
    parent_run_id: str


@dataclass(frozen=True, slots=True)
class Gaps:
    """Rows in need of the reconciler, each count up to ``COUNT_CAP``."""

    pending_launches: int
    """Runs that Temporal has not been told of although their time has come."""
    leftover_waits: int
    leftover_tasks: int
    leftover_attempts: int
    oldest_pending: datetime | None


async def pending_launches(connection: Connection, limit: int) -> list[Run]:
    """Active runs whose launch is due to be tried again, the longest overdue first; those that were queued in their order."""
    question = (
        select(*RUN_COLUMNS)
        .where(is_pending(), is_active(), runs.c.engine == ENGINE)
        .where(runs.c.next_launch_at <= func.now())
        .order_by(runs.c.next_launch_at, runs.c.queue_place, runs.c.run_id)
        .limit(limit)
    )
    return [Run(*row) for row in await connection.execute(question)]


async def claim_launches(connection: Connection, limit: int, *, lease_seconds: float) -> list[list[Run]]:
    """As ``pending_launches``, those that were never tried, for the caller alone: they are due again after ``lease_seconds``.

    In lines: those of one workflow that were queued, in their order; of the others each is alone. A run that was due from its
    beginning was launched in somebody's transaction, and dated when that began. It starts now. One that was queued waits while
    somebody has claimed those before it, or is about to.
    """
    ahead = runs.alias("ahead")
    # Once for the statement: each due run asking for itself takes seconds when thousands are.
    claimed = (
        select(ahead.c.tenant, ahead.c.workflow_id, func.min(ahead.c.queue_place).label("place"))
        .where(ahead.c.launch_state == literal_column("'pending'"), ahead.c.status == literal_column("'RUNNING'"))
        .where(ahead.c.next_launch_at > func.now(), ahead.c.launch_attempts == 0, ahead.c.queue_place.is_not(None))
        .group_by(ahead.c.tenant, ahead.c.workflow_id)
        .cte("claimed")
        .prefix_with("MATERIALIZED")
    )
    behind = exists().where(
        claimed.c.tenant == runs.c.tenant,
        claimed.c.workflow_id == runs.c.workflow_id,
        claimed.c.place < runs.c.queue_place,
    )
    due = (
        select(runs.c.run_id)
        .where(is_pending(), is_active(), runs.c.engine == ENGINE)
        .where(runs.c.next_launch_at <= func.now(), runs.c.launch_attempts == 0, ~behind)
        .order_by(runs.c.next_launch_at, runs.c.queue_place, runs.c.run_id)
        .limit(limit)
        .with_for_update(of=runs, skip_locked=True)
    )
    claim = (
        update(runs)
        .where(runs.c.run_id.in_(due.scalar_subquery()))
        .values(
            next_launch_at=func.now() + timedelta(seconds=lease_seconds),
            started_at=case((runs.c.next_launch_at <= runs.c.started_at, func.now()), else_=runs.c.started_at),
            updated_at=func.now(),
        )
    )
    lines: dict[tuple[str, str, str], list[tuple[int, Run]]] = {}
    for *columns, place in await connection.execute(claim.returning(*RUN_COLUMNS, runs.c.queue_place)):
        run = Run(*columns)
        alone = run.run_id if place is None else ""
        lines.setdefault((run.tenant, run.workflow_id, alone), []).append((place or 0, run))
    first = {
        (tenant, workflow_id): min(place for place, _ in line)
        for (tenant, workflow_id, alone), line in lines.items()
        if not alone
    }
    for tenant, workflow_id in await _behind_others(connection, first):
        given_back = [run.run_id for _, run in lines.pop((tenant, workflow_id, ""))]
        await connection.execute(update(runs).where(runs.c.run_id.in_(given_back)).values(next_launch_at=func.now()))
    return [[run for _, run in sorted(line, key=itemgetter(0))] for line in lines.values()]


async def _behind_others(connection: Connection, first: dict[tuple[str, str], int]) -> list[tuple[str, str]]:
    """Of workflows, each with the place of the first run that was claimed of it, those of which an earlier one is pending: it was
    skipped, as another worker was about to claim it at the same moment.
    """
    if not first:
        return []
    question = (
        select(runs.c.tenant, runs.c.workflow_id, func.min(runs.c.queue_place))
        .where(is_pending(), is_active(), runs.c.engine == ENGINE)
        .where(runs.c.launch_attempts == 0, runs.c.queue_place.is_not(None))
        .where(tuple_(runs.c.tenant, runs.c.workflow_id).in_(list(first)))
        .group_by(runs.c.tenant, runs.c.workflow_id)
    )
    earliest = {(tenant, workflow_id): place for tenant, workflow_id, place in await connection.execute(question)}
    return [line for line, place in first.items() if earliest.get(line, place) < place]


async def open_runs(connection: Connection, after: Position | None, limit: int, *, idle_seconds: float) -> list[Run]:
    """Started, active runs that have not changed for ``idle_seconds``, the longest unchanged first, after a position."""
    question = (
        select(*RUN_COLUMNS)
        .where(is_active(), runs.c.launch_state == "started", runs.c.engine == ENGINE)
        .where(runs.c.updated_at < func.now() - timedelta(seconds=idle_seconds))
        .order_by(runs.c.updated_at, runs.c.run_id)
        .limit(limit)
    )
    if after is not None:
        question = question.where(tuple_(runs.c.updated_at, runs.c.run_id) > (after.updated_at, after.run_id))
    return [Run(*row) for row in await connection.execute(question)]


async def still_open(connection: Connection, run_ids: list[str]) -> list[Run]:
    """Those of ``run_ids`` whose row is active and was started."""
    question = select(*RUN_COLUMNS).where(
        runs.c.run_id.in_(run_ids), is_active(), runs.c.launch_state == "started", runs.c.engine == ENGINE
    )
    return [Run(*row) for row in await connection.execute(question)]


async def close_run(
    connection: Connection, run_id: str, status: str, error: dict[str, Any] | None, output: Any = None
) -> bool:
    """Close a run, and everything open in it, from outside. False: it was closed before, or is from before the cutover.

    Its children are compared with Temporal one by one: the rows of all may be older than their executions.
    Its leased quota units are given back. ``error`` has ``code`` and ``message``; None only for SUCCEEDED. ``output``: the
    final vars, None when they are unknown or too large for the row.
    """
    values = {
        "run_id": run_id,
        "status": status,
        "error": None if error is None else dumps_for_storage(error),
        "code": None if error is None else error["code"],
        "output": None if output is None else dumps_for_storage(output),
    }
    if (await connection.execute(_CLOSE, values)).first() is None:
        return False
    await close_what_is_open(connection, run_id)
    return True


async def close_leftovers(connection: Connection, limit: int) -> Leftovers:
    """Close open waits, tasks and attempts of runs that have ended, and tasks and attempts whose step has: at most ``limit`` of
    each. What somebody holds is left to the next pass.
    """
    statements = (_CLOSE_WAITS, _CLOSE_TASKS, _CLOSE_ATTEMPTS)
    return Leftovers(*[(await connection.execute(statement, {"limit": limit})).rowcount for statement in statements])


async def abandoned_children(connection: Connection, limit: int, *, idle_seconds: float) -> list[Abandoned]:
    """Children at work whose parent has ended, or has gone on without them, ``idle_seconds`` ago, and which nobody has asked to
    cancel. The oldest first.
    """
    rows = await connection.execute(_ABANDONED, {"limit": limit, "idle": idle_seconds})
    return [Abandoned(str(row.run_id), str(row.tenant), str(row.parent_run_id)) for row in rows]


async def count_gaps(connection: Connection) -> Gaps:
    """What the reconciler would have to do now, without asking Temporal."""
    return Gaps(*(await connection.execute(_GAPS, {"cap": COUNT_CAP})).one())


_CLOSE: Final = text("""
    WITH before AS MATERIALIZED (
        SELECT run_id, tenant, quota_leased, quota_period_start FROM workflow_runs
        WHERE run_id = CAST(:run_id AS uuid) AND status IN ('RUNNING', 'WAITING') AND engine = 'temporal'
        FOR NO KEY UPDATE
    ), given_back AS (
        UPDATE workflow_step_usage_periods AS u
        SET used_count = greatest(0, u.used_count - before.quota_leased), updated_at = now()
        FROM before
        WHERE before.quota_leased > 0 AND u.tenant = before.tenant AND u.period_start = before.quota_period_start
    )
    UPDATE workflow_runs AS r SET
        status = CAST(:status AS text),
        node_path = CASE WHEN CAST(:status AS text) = 'FAILED' THEN r.node_path END,
        waiting_on = NULL, waiting_since = NULL, quota_leased = 0, next_launch_at = NULL,
        launch_state = CASE WHEN r.launch_state = 'queued' THEN 'pending' ELSE r.launch_state END,
        error_json = CAST(:error AS jsonb), last_error_code = :code, output_json = CAST(:output AS jsonb),
        completed_at = now(), updated_at = now()
    FROM before WHERE r.run_id = before.run_id
    RETURNING r.run_id
""")

_OPEN_WAITS: Final = """
    SELECT w.wait_id FROM workflow_run_waits AS w JOIN workflow_runs AS r USING (run_id)
    WHERE w.status = 'WAITING' AND r.status IN ('SUCCEEDED', 'FAILED', 'CANCELED') AND r.engine = 'temporal'
"""
# The step of an open task or attempt has ended only where a restore of Postgres has taken the answer or the outcome.
_ENDED: Final = f"""r.status IN ('SUCCEEDED', 'FAILED', 'CANCELED') OR EXISTS (
            {STEP_OF_X} AND s.visit > 0 AND s.status NOT IN ('STARTED', 'RETRY_SCHEDULED'))"""
_OPEN_TASKS: Final = f"""
    SELECT x.task_id FROM workflow_human_tasks AS x JOIN workflow_runs AS r USING (run_id)
    WHERE x.status IN ('pending', 'claimed') AND r.engine = 'temporal' AND ({_ENDED})
"""  # noqa: S608 - our own fragments, no input
_OPEN_ATTEMPTS: Final = f"""
    SELECT x.invocation_id FROM workflow_action_invocations AS x JOIN workflow_runs AS r USING (run_id)
    WHERE x.status = 'STARTED' AND r.engine = 'temporal' AND ({_ENDED})
"""  # noqa: S608 - our own fragments, no input
_CLOSE_WAITS: Final = text(f"""
    UPDATE workflow_run_waits SET status = 'CANCELED', resolved_at = now()
    WHERE wait_id IN ({_OPEN_WAITS} LIMIT :limit FOR UPDATE OF w SKIP LOCKED) AND status = 'WAITING'
""")  # noqa: S608 - our own fragments, no input
_CLOSE_TASKS: Final = text(f"""
    UPDATE workflow_human_tasks SET status = 'canceled', updated_at = now()
    WHERE task_id IN ({_OPEN_TASKS} LIMIT :limit FOR UPDATE OF x SKIP LOCKED) AND status IN ('pending', 'claimed')
""")  # noqa: S608 - our own fragments, no input
_CLOSE_ATTEMPTS: Final = text(f"""
    UPDATE workflow_action_invocations SET status = 'ABANDONED', completed_at = now()
    WHERE invocation_id IN ({_OPEN_ATTEMPTS} LIMIT :limit FOR UPDATE OF x SKIP LOCKED) AND status = 'STARTED'
""")  # noqa: S608 - our own fragments, no input
# A parent puts on record that it waits together with the row of the child, and that it waits no more when the child has ended.
_ABANDONED: Final = text("""
    SELECT c.run_id, c.tenant, c.parent_run_id
    FROM workflow_runs AS c JOIN workflow_runs AS p ON p.run_id = c.parent_run_id AND p.tenant = c.tenant
    WHERE c.status IN ('RUNNING', 'WAITING') AND c.launch_state = 'started' AND c.cancel_requested_at IS NULL
        AND p.engine = 'temporal'
        AND (p.completed_at < now() - :idle * interval '1 second' OR EXISTS (
            SELECT FROM workflow_run_waits AS w
            WHERE w.run_id = p.run_id AND w.wait_type = 'child' AND w.key = CAST(c.run_id AS text)
                AND w.status <> 'WAITING' AND w.resolved_at < now() - :idle * interval '1 second'))
    ORDER BY c.started_at LIMIT :limit
""")
_GAPS: Final = text(f"""
    WITH due AS (
        SELECT started_at FROM workflow_runs
        WHERE launch_state = 'pending' AND status IN ('RUNNING', 'WAITING') AND engine = 'temporal'
            AND next_launch_at <= now()
        LIMIT :cap
    )
    SELECT (SELECT count(*) FROM due),
        (SELECT count(*) FROM ({_OPEN_WAITS} LIMIT :cap) AS waits),
        (SELECT count(*) FROM ({_OPEN_TASKS} LIMIT :cap) AS tasks),
        (SELECT count(*) FROM ({_OPEN_ATTEMPTS} LIMIT :cap) AS attempts),
        (SELECT min(started_at) FROM due)
""")  # noqa: S608 - our own fragments, no input
