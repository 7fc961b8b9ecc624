"""Human tasks as operations use them, the forms their answers must fit, and the answers to be delivered to runs.

A task is created by its run (``waiting``). Its end, an answer or a cancel, is written here together with a delivery of kind
``task``: as long as that is pending, the run has to be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, cast, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from engine.ids import derived_id
from engine.store.database.transactions import Connection
from engine.store.runs.runs import is_active
from engine.store.tables import OPEN_TASK_STATUSES
from engine.store.tables import workflow_event_deliveries as deliveries
from engine.store.tables import workflow_human_tasks as tasks
from engine.store.tables import workflow_run_waits as waits
from engine.store.tables import workflow_runs as runs
from engine.store.tables import workflow_task_forms as forms

Json = Any

ANSWER_PATIENCE_SECONDS: Final = 15.0
"""After how many seconds somebody else may tell the run, if whoever wrote the answer did not."""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task without its texts and bodies."""

    task_id: str
    run_id: str
    task_type: str
    status: str
    """pending, claimed, completed, canceled; expired in history."""
    claimed_by: str | None
    completed_by: str | None
    run_status: str
    workflow_id: str

    @property
    def open(self) -> bool:
        """Whether it can still be answered, as far as the task itself goes."""
        return self.status in OPEN_TASK_STATUSES


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a task, to be delivered to its run."""

    delivery_id: str
    tenant: str
    task_id: str
    run_id: str
    event_name: str
    canceled: bool
    reason: str | None
    """Why it was canceled."""
    response: Json
    """None when it was canceled."""


# --- forms ------------------------------------------------------------------------------------------------------------


async def save_form(connection: Connection, tenant: str, task_type: str, schema: Json, *, name: str | None) -> bool:
    """Store the form of a task type. Whether that changed anything."""
    row = insert(forms).values(tenant=tenant, task_type=task_type, schema_json=schema, name=name)
    new = row.excluded
    statement = row.on_conflict_do_update(
        index_elements=[forms.c.tenant, forms.c.task_type],
        set_={"schema_json": new.schema_json, "name": new.name, "updated_at": func.now()},
        where=or_(forms.c.schema_json != new.schema_json, forms.c.name.is_distinct_from(new.name)),
    )
    return (await connection.execute(statement.returning(forms.c.task_type))).first() is not None


async def load_form(connection: Connection, tenant: str, task_type: str) -> Json:
    """The JSON schema answers of a task type must fit; None when it has no form."""
    question = select(forms.c.schema_json).where(forms.c.tenant == tenant, forms.c.task_type == task_type)
    return (await connection.execute(question)).scalar_one_or_none()


# --- tasks ------------------------------------------------------------------------------------------------------------


async def load_task(connection: Connection, tenant: str, task_id: str) -> TaskRow | None:
    """A task of the tenant; None when there is none of this id."""
    question = (
        select(
            tasks.c.task_id,
            tasks.c.run_id,
            tasks.c.task_type,
            tasks.c.status,
            tasks.c.claimed_by,
            tasks.c.completed_by,
            runs.c.status,
            runs.c.workflow_id,
        )
        .join(runs, runs.c.run_id == tasks.c.run_id)
        .where(tasks.c.task_id == task_id, tasks.c.tenant == tenant)
    )
    row = (await connection.execute(question)).one_or_none()
    return None if row is None else TaskRow(*row)


async def claim(connection: Connection, tenant: str, task_id: str, actor: str) -> bool:
    """Give a pending task to somebody. False: it is not pending, or its run has ended."""
    return await _move(
        connection,
        and_(_is(tenant, task_id), tasks.c.status == "pending", _run_is_active()),
        status="claimed",
        claimed_by=actor,
        claimed_at=func.now(),
    )


async def unclaim(connection: Connection, tenant: str, task_id: str, actor: str | None) -> bool:
    """Take a claimed task from ``actor``, from whoever has it when None. False: they have not claimed it."""
    owned = and_(_is(tenant, task_id), tasks.c.status == "claimed")
    if actor is not None:
        owned = and_(owned, tasks.c.claimed_by == actor)
    return await _move(connection, owned, status="pending", claimed_by=None, claimed_at=None)


async def assign(connection: Connection, tenant: str, task_id: str, to: str, held_by: str | None) -> bool:
    """Give an open task of an active run to somebody; with ``held_by`` only when they hold it. False: nothing was written."""
    free = and_(_is(tenant, task_id), tasks.c.status.in_(OPEN_TASK_STATUSES), _run_is_active())
    if held_by is not None:
        free = and_(free, tasks.c.claimed_by == held_by)
    return await _move(connection, free, status="claimed", claimed_by=to, claimed_at=func.now())


async def complete(
    connection: Connection, tenant: str, task_id: str, response: Json, *, actor: str, of_anybody: bool
) -> bool:
    """Write the answer to an open task of an active run. False, and nothing is written: it is neither, or somebody else's.

    ``of_anybody``: also a task that somebody else has claimed.
    """
    free = and_(_is(tenant, task_id), tasks.c.status.in_(OPEN_TASK_STATUSES), _run_is_active())
    if not of_anybody:
        free = and_(free, or_(tasks.c.claimed_by.is_(None), tasks.c.claimed_by == actor))
    return await _move(
        connection, free, status="completed", completed_by=actor, completed_at=func.now(), response_json=response
    )


async def cancel(connection: Connection, tenant: str, task_id: str) -> bool:
    """Close an open task without an answer. False: it was closed before."""
    return await _move(
        connection, and_(_is(tenant, task_id), tasks.c.status.in_(OPEN_TASK_STATUSES)), status="canceled"
    )


async def is_same_answer(connection: Connection, task_id: str, response: Json, event_name: str) -> bool:
    """Whether a task was completed with exactly this; values are compared as jsonb compares them."""
    question = (
        select(tasks.c.response_json == bindparam("response", response, JSONB))
        .join(deliveries, deliveries.c.delivery_id == _delivery_id(task_id))
        .where(tasks.c.task_id == task_id, tasks.c.status == "completed", deliveries.c.event_name == event_name)
    )
    return bool((await connection.execute(question)).scalar_one_or_none())


# --- answers on their way ---------------------------------------------------------------------------------------------


async def insert_answer(
    connection: Connection, tenant: str, task: TaskRow, event_name: str, *, canceled_because: str | None = None
) -> None:
    """Keep the end of a task until its run was told, in the transaction that writes that end."""
    canceled = None if canceled_because is None else {"canceled": True, "reason": canceled_because}
    await connection.execute(
        insert(deliveries).values(
            delivery_id=_delivery_id(task.task_id),
            tenant=tenant,
            event_name=event_name,
            correlation_key=task.task_id,
            target_kind="task",
            target=task.task_id,
            run_id=task.run_id,
            workflow_id=task.workflow_id,
            payload=canceled,
            status="pending",
            next_attempt_at=_in_seconds(ANSWER_PATIENCE_SECONDS),
        )
    )


async def pending_answer(connection: Connection, tenant: str, task_id: str) -> Answer | None:
    """The end of a task that its run was not told yet; None when there is nothing to tell."""
    found = await _answers(
        connection, and_(deliveries.c.delivery_id == _delivery_id(task_id), tasks.c.tenant == tenant)
    )
    return found[0] if found else None


async def due_answers(connection: Connection, limit: int) -> list[Answer]:
    """Answers of all tenants whose run is to be told again, the longest overdue first."""
    return await _answers(connection, deliveries.c.next_attempt_at <= func.now(), limit)


async def settle_answer(connection: Connection, delivery_id: str, status: str, *, reason: str | None = None) -> bool:
    """An answer reached its run (``done``) or never will (``skipped``). False: that was written before."""
    statement = (
        update(deliveries)
        .where(deliveries.c.delivery_id == delivery_id, deliveries.c.status == "pending")
        .values(
            status=status,
            reason=reason,
            last_error=None,
            attempts=deliveries.c.attempts + 1,
            settled_at=func.now(),
            updated_at=func.now(),
        )
    )
    return (await connection.execute(statement)).rowcount == 1


async def postpone_answer(connection: Connection, delivery_id: str, error: str, *, seconds: float) -> None:
    """The run could not be told; it is tried again after ``seconds``."""
    await connection.execute(
        update(deliveries)
        .where(deliveries.c.delivery_id == delivery_id, deliveries.c.status == "pending")
        .values(
            attempts=deliveries.c.attempts + 1,
            last_error=error,
            next_attempt_at=_in_seconds(seconds),
            updated_at=func.now(),
        )
    )


async def void_answer(connection: Connection, answer: Answer, reason: str) -> bool:
    """An answer came too late for its run: the task counts as canceled, what was answered stays. False: it was settled."""
    if not await settle_answer(connection, answer.delivery_id, "skipped", reason=reason):
        return False
    await _move(connection, and_(tasks.c.task_id == answer.task_id, tasks.c.status == "completed"), status="canceled")
    return True


async def answer_was_taken(connection: Connection, answer: Answer) -> bool:
    """Whether the run's own wait for this task says that it has gone on."""
    question = select(waits.c.status).where(
        waits.c.run_id == answer.run_id, waits.c.wait_type == "human", waits.c.key == answer.task_id
    )
    status = (await connection.execute(question)).scalar_one_or_none()
    return status == "RESOLVED" or (answer.canceled and status == "CANCELED")


def _delivery_id(task_id: str) -> str:
    # One per task: it ends once.
    return derived_id("task-answer", task_id)


async def _answers(connection: Connection, which: ColumnElement[bool], limit: int = 1) -> list[Answer]:
    question = (
        select(
            deliveries.c.delivery_id,
            tasks.c.tenant,
            tasks.c.task_id,
            tasks.c.run_id,
            deliveries.c.event_name,
            deliveries.c.payload,
            tasks.c.response_json,
        )
        .join(tasks, tasks.c.task_id == cast(deliveries.c.target, tasks.c.task_id.type))
        .where(
            which,
            deliveries.c.status == "pending",
            deliveries.c.target_kind == "task",
            deliveries.c.event_id.is_(None),
        )
        .order_by(deliveries.c.next_attempt_at, deliveries.c.delivery_id)
        .limit(limit)
    )
    return [
        Answer(
            delivery_id=row.delivery_id,
            tenant=row.tenant,
            task_id=row.task_id,
            run_id=row.run_id,
            event_name=row.event_name,
            canceled=row.payload is not None,
            reason=None if row.payload is None else row.payload["reason"],
            response=row.response_json,
        )
        for row in await connection.execute(question)
    ]


async def _move(connection: Connection, which: ColumnElement[bool], **values: Any) -> bool:
    statement = update(tasks).where(which).values(**values, updated_at=func.now())
    return (await connection.execute(statement.returning(tasks.c.task_id))).first() is not None


def _is(tenant: str, task_id: str) -> ColumnElement[bool]:
    return and_(tasks.c.task_id == task_id, tasks.c.tenant == tenant)


def _run_is_active() -> ColumnElement[bool]:
    return exists(select(runs.c.run_id).where(runs.c.run_id == tasks.c.run_id, is_active()))


def _in_seconds(seconds: float) -> ColumnElement[datetime]:
    return func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
