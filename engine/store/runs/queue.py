"""Statements for runs that wait for their turn: which workflows have some, who is next, and where one stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select, tuple_, update

from engine.store.catalog.definitions import Workflow, load_workflow
from engine.store.database.transactions import Connection
from engine.store.runs.runs import holds_slot, is_active, is_queued
from engine.store.tables import workflow_definitions as definitions
from engine.store.tables import workflow_runs as runs


@dataclass(frozen=True, slots=True)
class Active:
    """A run that holds a slot of its workflow."""

    run_id: str
    cancel_requested: bool
    place: int | None
    """Number of the arrival that started it, as ``Queued.place``; None: a person or a time has started it at once."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A run that waits for its turn."""

    run_id: str
    place: int
    """Number of the arrival that started it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a queued run stands."""

    ahead: int
    """Queued runs before it."""
    paused: bool
    active: int
    limit: int
    """0: none."""


async def workflows_with_a_queue(
    connection: Connection, after: tuple[str, str] | None, limit: int
) -> list[tuple[str, str]]:
    """Tenant and id of workflows of every tenant that have queued runs, in that order, after one of them."""
    key = tuple_(runs.c.tenant, runs.c.workflow_id)
    query = select(runs.c.tenant, runs.c.workflow_id).where(is_queued(), is_active()).distinct()
    if after is not None:
        query = query.where(key > after)
    rows = await connection.execute(query.order_by(runs.c.tenant, runs.c.workflow_id).limit(limit))
    return [(str(row.tenant), row.workflow_id) for row in rows]


async def lock_to_release(connection: Connection, tenant: str, workflow_id: str) -> Workflow | None:
    """The workflow, for this transaction alone; None when another one launches or releases runs of it, or there is none."""
    own = (definitions.c.tenant == tenant) & (definitions.c.workflow_id == workflow_id)
    lock = select(definitions.c.workflow_id).where(own).with_for_update(key_share=True, skip_locked=True)
    if (await connection.execute(lock)).first() is None:
        return None
    return await load_workflow(connection, tenant, workflow_id)


async def queued_runs(connection: Connection, tenant: str, workflow_id: str, limit: int) -> list[Queued]:
    """Queued runs, those whose turn comes first in front."""
    query = _queued(tenant, workflow_id).order_by(runs.c.queue_place, runs.c.run_id).limit(limit)
    return [Queued(str(run_id), place) for run_id, place in await connection.execute(query)]


async def newest_queued(connection: Connection, tenant: str, workflow_id: str) -> Queued | None:
    """The queued run whose turn comes last; None when there is none."""
    query = _queued(tenant, workflow_id).order_by(runs.c.queue_place.desc(), runs.c.run_id.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else Queued(str(row.run_id), row.queue_place)


def _queued(tenant: str, workflow_id: str) -> Select[Any]:
    of_workflow = (runs.c.tenant == tenant, runs.c.workflow_id == workflow_id)
    return select(runs.c.run_id, runs.c.queue_place).where(*of_workflow, is_queued(), is_active())


async def active_runs(connection: Connection, tenant: str, workflow_id: str, limit: int) -> list[Active]:
    """Runs that hold a slot, the oldest first."""
    query = (
        select(
            runs.c.run_id,
            runs.c.cancel_requested_at.is_not(None),
            func.coalesce(runs.c.queue_place, runs.c.events_after),
        )
        .where(runs.c.tenant == tenant, runs.c.workflow_id == workflow_id, holds_slot())
        .order_by(runs.c.started_at, runs.c.run_id)
        .limit(limit)
    )
    return [Active(str(run_id), asked, place) for run_id, asked, place in await connection.execute(query)]


async def release(connection: Connection, run_ids: list[str]) -> int:
    """It is their turn: their launch is pending and due now. How many."""
    statement = (
        update(runs)
        .where(runs.c.run_id.in_(run_ids), is_queued(), is_active())
        .values(launch_state="pending", next_launch_at=func.now(), updated_at=func.now())
    )
    return (await connection.execute(statement)).rowcount


async def standing_of(connection: Connection, run_id: str) -> Standing | None:
    """Where a run stands; None when it is not queued."""
    own = runs.alias("own")
    of_workflow = (runs.c.tenant == own.c.tenant) & (runs.c.workflow_id == own.c.workflow_id) & is_active()
    ahead = select(func.count()).where(of_workflow, is_queued(), runs.c.queue_place < own.c.queue_place)
    active = select(func.count()).where(of_workflow, holds_slot())
    query = (
        select(
            ahead.correlate(own).scalar_subquery(),
            definitions.c.is_paused,
            active.correlate(own).scalar_subquery(),
            func.coalesce(definitions.c.concurrency_limit, 0),
        )
        .join_from(
            own, definitions, (definitions.c.tenant == own.c.tenant) & (definitions.c.workflow_id == own.c.workflow_id)
        )
        .where(own.c.run_id == run_id, own.c.launch_state == "queued")
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else Standing(*row)
