"""Run rows as operations use them: inserting, lookup by id and by idempotency key.

What became of a launch is written in ``launches``, what happens inside a run by its activities (``projection``); how a run is
closed from outside is in ``reconciling``. Times in rows are Postgres's clock, so that ages are compared with one clock only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Interval,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from engine.contract import ENGINE, SEMANTICS_VERSION
from engine.store.database.transactions import Connection
from engine.store.tables import ACTIVE_RUN_STATUSES, workflow_event_arrival_seq
from engine.store.tables import workflow_runs as runs
from engine.values.jsonb_order import text_in_order

Json = Any

FIRST_STEP: Final = "root.steps[0]"


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be created."""

    run_id: str
    tenant: str
    workflow_id: str
    workflow_version: int
    definition_hash: str
    payload: dict[str, Json]
    fire_key: str | None = None
    idempotency_key: str | None = None
    trigger_type: str | None = None
    trigger_metadata: Json = None
    event_type: str | None = None
    source_payload_schema_ref: str | None = None
    trigger_mapping_applied: bool = False
    replay_of: str | None = None
    next_launch_seconds: float = 15.0
    """After how many seconds somebody else may start it, if its launcher did not."""
    launch_state: str = "pending"
    """``pending``, or ``queued``: it waits for its turn."""
    queue_place: int | None = None
    """Of a queued run; None: behind all others."""
    events_after: int | None = None
    """Number of arrival from which its waits look back; None: from its start."""
    committed_later: bool = False
    """The row is part of somebody's transaction: its waits look back to whatever arrives from now on."""
    semantics_version: str = SEMANTICS_VERSION
    """By which it runs, whoever starts it."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run row without its bodies."""

    run_id: str
    tenant: str
    workflow_id: str
    workflow_version: int
    runtime_semantics_version: str | None
    status: str
    engine: str | None
    launch_state: str
    launch_attempts: int
    launch_error: str | None
    next_launch_at: datetime | None
    temporal_workflow_id: str | None
    parent_run_id: str | None
    node_path: str | None
    attempt: int | None
    waiting_on: str | None
    waiting_since: datetime | None
    last_error_code: str | None
    step_count: int
    event_type: str | None
    source_payload_schema_ref: str | None
    trigger_mapping_applied: bool
    started_at: datetime
    updated_at: datetime
    cancel_requested_at: datetime | None

    @property
    def active(self) -> bool:
        """Whether it can still change."""
        return self.status in ACTIVE_RUN_STATUSES

    @property
    def historical(self) -> bool:
        """Whether it is from before the cutover: shown, never written."""
        return self.engine != ENGINE


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run that holds a fire key or an idempotency key."""

    run_id: str
    workflow_id: str
    workflow_version: int
    runtime_semantics_version: str | None
    status: str
    launch_state: str
    fire_key: str | None
    idempotency_key: str | None
    same_payload: bool
    replay_of: str | None


RUN_COLUMNS: Final = tuple(runs.c[name] for name in Run.__dataclass_fields__)
"""What is selected to make a ``Run`` of a row."""


# Conditions of partial indexes are written as literals: with parameters a prepared plan could not use the index.
_HOLDS_KEYS: Final = runs.c.launch_state != literal_column("'failed'")


def is_active() -> ColumnElement[bool]:
    """The condition by which an active run is found with the index of active runs."""
    return runs.c.status.in_([literal_column(f"'{status}'") for status in ACTIVE_RUN_STATUSES])


def is_pending() -> ColumnElement[bool]:
    """The condition by which a run whose launch is pending is found with the index of those."""
    return runs.c.launch_state == literal_column("'pending'")


def is_queued() -> ColumnElement[bool]:
    """The condition by which a queued run is found with the index of those."""
    return runs.c.launch_state == literal_column("'queued'")


def holds_slot() -> ColumnElement[bool]:
    """The condition of runs that count for their workflow's limit: RUNNING or WAITING. Those that are queued are not under way,
    and those that another run has called have to run for that one to go on."""
    return is_active() & ~is_queued() & runs.c.parent_run_id.is_(None)


async def insert_run(connection: Connection, run: NewRun) -> bool:
    """Create a run whose launch is pending, or that is queued. False, and nothing is written: another holds one of its keys."""
    row = {
        **_values(run),
        "status": "RUNNING",
        "node_path": FIRST_STEP,
        "launch_state": run.launch_state,
        "launch_after": timedelta(seconds=run.next_launch_seconds),
    }
    statement = _INSERT_RUN
    if run.committed_later:
        statement = statement.values(events_after=workflow_event_arrival_seq.next_value())
        del row["events_after"]
    if run.launch_state == "queued":
        # Numbers of arrival are the one order of all that is queued.
        last = workflow_event_arrival_seq.next_value()
        statement = statement.values(
            next_launch_at=None, queue_place=last if run.queue_place is None else run.queue_place
        )
        del row["launch_after"]
    return (await connection.execute(statement, row)).first() is not None


async def insert_refused_run(connection: Connection, run: NewRun, error: dict[str, Json]) -> None:
    """Create a run that was refused before it could start: FAILED from the beginning, holding none of its keys."""
    await connection.execute(
        insert(runs).values(
            **_values(run),
            status="FAILED",
            launch_state="failed",
            error_json=error,
            last_error_code=error["code"],
            completed_at=func.now(),
        )
    )


async def runs_holding_keys(
    connection: Connection, tenant: str, fire_key: str | None, idempotency_key: str | None, payload: Json
) -> list[KeptRun]:
    """The runs that hold either key; ``same_payload`` compares with ``payload`` as jsonb does.

    With one that was deleted by a rule nothing can be compared: then the key alone says that the request is the same.
    """
    # Two conditions with an index each; one OR over both would use neither when a key is missing.
    held = [
        runs.c[column] == key
        for column, key in (("trigger_fire_key", fire_key), ("idempotency_key", idempotency_key))
        if key is not None
    ]
    if not held:
        return []
    question = select(
        runs.c.run_id,
        runs.c.workflow_id,
        runs.c.workflow_version,
        runs.c.runtime_semantics_version,
        runs.c.status,
        runs.c.launch_state,
        runs.c.trigger_fire_key,
        runs.c.idempotency_key,
        func.coalesce(runs.c.input_json == bindparam("payload", payload, JSONB), runs.c.bodies_deleted_at.is_not(None)),
        runs.c.replay_of_run_id,
    ).where(runs.c.tenant == tenant, _HOLDS_KEYS, or_(*held))
    return [KeptRun(*row) for row in await connection.execute(question)]


async def count_active(connection: Connection, tenant: str, workflow_id: str) -> int:
    """Runs of a workflow, all versions, that hold a slot."""
    question = select(func.count()).where(runs.c.tenant == tenant, runs.c.workflow_id == workflow_id, holds_slot())
    return int((await connection.execute(question)).scalar_one())


async def load_run(connection: Connection, tenant: str, run_id: str) -> Run | None:
    """A run of the tenant; None when there is none of this id."""
    question = select(*RUN_COLUMNS).where(runs.c.run_id == run_id, runs.c.tenant == tenant)
    row = (await connection.execute(question)).one_or_none()
    return None if row is None else Run(*row)


async def keep_run(connection: Connection, tenant: str, run_id: str) -> bool:
    """Keep a run from being deleted until the transaction ends. False: it is not there."""
    question = select(runs.c.run_id).where(runs.c.run_id == run_id, runs.c.tenant == tenant)
    return (await connection.execute(question.with_for_update(read=True, key_share=True))).first() is not None


async def load_runs(connection: Connection, run_ids: Sequence[str]) -> list[Run]:
    """Those of ``run_ids`` that exist, whatever their tenant."""
    return [Run(*row) for row in await connection.execute(select(*RUN_COLUMNS).where(runs.c.run_id.in_(run_ids)))]


async def load_statuses(connection: Connection, tenant: str, run_ids: Sequence[str]) -> dict[str, str]:
    """The statuses of those of ``run_ids`` that are the tenant's, by id."""
    question = select(runs.c.run_id, runs.c.status).where(runs.c.run_id.in_(run_ids), runs.c.tenant == tenant)
    return {row.run_id: row.status for row in await connection.execute(question)}


async def descendants(connection: Connection, tenant: str, run_id: str) -> list[Run]:
    """The active runs below a run, children before their own children."""
    ours = select(runs.c.run_id).where(runs.c.tenant == tenant)
    first = ours.add_columns(literal(1).label("level")).where(runs.c.parent_run_id == run_id)
    below = first.cte(recursive=True)
    below = below.union_all(ours.add_columns(below.c.level + 1).where(runs.c.parent_run_id == below.c.run_id))
    question = (
        select(*RUN_COLUMNS)
        .join(below, below.c.run_id == runs.c.run_id)
        .where(is_active())
        .order_by(below.c.level, runs.c.run_id)
    )
    return [Run(*row) for row in await connection.execute(question)]


async def mark_cancel_requested(connection: Connection, run_id: str) -> bool:
    """Record that Temporal was asked to cancel a run. False when that was recorded before."""
    statement = (
        update(runs)
        .where(runs.c.run_id == run_id, runs.c.cancel_requested_at.is_(None))
        .values(cancel_requested_at=func.now(), updated_at=case((is_active(), func.now()), else_=runs.c.updated_at))
    )
    return (await connection.execute(statement.returning(runs.c.run_id))).first() is not None


def _values(run: NewRun) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "tenant": run.tenant,
        "workflow_id": run.workflow_id,
        "workflow_version": run.workflow_version,
        "definition_hash": run.definition_hash,
        "runtime_semantics_version": run.semantics_version,
        "engine": ENGINE,
        "input_json": run.payload,
        "input_text": text_in_order(run.payload),
        "trigger_type": run.trigger_type,
        "trigger_metadata_json": run.trigger_metadata,
        "trigger_fire_key": run.fire_key,
        "idempotency_key": run.idempotency_key,
        "event_type": run.event_type,
        "source_payload_schema_ref": run.source_payload_schema_ref,
        "trigger_mapping_applied": run.trigger_mapping_applied,
        "replay_of_run_id": run.replay_of,
        "events_after": run.events_after,
    }


# Put together once: that costs as much as asking.
_INSERT_RUN: Final = (
    insert(runs)
    .values(next_launch_at=func.now() + bindparam("launch_after", type_=Interval))
    .on_conflict_do_nothing()
    .returning(runs.c.run_id)
)
