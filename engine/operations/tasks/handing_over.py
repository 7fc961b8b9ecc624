"""Handing a task over to somebody: from then on only they, or an admin, can answer it."""

from __future__ import annotations

from typing import Final

from engine import advice
from engine.errors import Forbidden, Invalid
from engine.operations.context import OperationContext
from engine.operations.runs.run_access import checked_reason
from engine.operations.tasks.tasks import audit_entry, not_open, require_task
from engine.records import Level, TaskClaim
from engine.store.database.transactions import writing
from engine.store.tasks import tasks
from engine.values.json_policy import storable_text

MAX_NAME_CHARACTERS: Final = 200


async def assign_task(context: OperationContext, task_id: str, to: str, reason: str) -> TaskClaim:
    """Give a task to ``to``, the name of an actor. Needs the level operate for a task the actor holds, else admin; it is audited.

    A task that ``to`` holds already stays as it is. Raises, with nothing written: ``Invalid`` (ASSIGNEE_INVALID,
    REASON_TOO_SHORT, REASON_TOO_LONG), ``NotFound`` (TASK_NOT_FOUND), ``Conflict`` (TASK_CLOSED, RUN_ENDED), ``Forbidden``
    (LEVEL_TOO_LOW, TASK_NOT_HELD), ``Unavailable``.
    """
    await context.require(Level.OPERATE)
    anybodys = await context.may(Level.ADMIN)
    name, said = _checked_name(to), checked_reason(reason)
    me = storable_text(context.actor.name)
    async with writing(context.store) as connection:
        task = await require_task(connection, context.tenant, task_id)
        if task.open and not anybodys and task.claimed_by != me:
            raise Forbidden(
                "TASK_NOT_HELD",
                f"The task {task.task_id} is held by {task.claimed_by or 'nobody'}; you can only hand over what you hold.",
                advice.CLAIM.to("Ask an admin, or claim it first", task=task.task_id),
                {"claimedBy": task.claimed_by},
            )
        if task.open and task.claimed_by == name:
            return TaskClaim(task.task_id, name)
        if await tasks.assign(connection, context.tenant, task.task_id, name, None if anybodys else me):
            details = {"from": task.claimed_by, "to": name}
            await context.audit(connection, audit_entry("workflow_task_assign", task, details, said))
            return TaskClaim(task.task_id, name)
        task = await require_task(connection, context.tenant, task_id)
    raise not_open(task)


def _checked_name(to: str) -> str:
    name = to.strip()
    if not name or len(name) > MAX_NAME_CHARACTERS or storable_text(name) != name:
        raise Invalid(
            "ASSIGNEE_INVALID",
            f"The name is blank, longer than {MAX_NAME_CHARACTERS} characters, or has characters no text can have.",
            "Give the name as it stands in `claimed by`.",
        )
    return name
