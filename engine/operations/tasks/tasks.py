"""Tasks of people: claiming, answering and canceling them.

The end of a task is written first, in one transaction with the delivery that will tell its run; then the run is told. If
Temporal cannot be reached, the answer is accepted all the same, and a worker delivers it.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from engine import advice
from engine.errors import Conflict, Invalid, NotFound
from engine.operations.context import OperationContext
from engine.operations.json_schema import check_value
from engine.operations.runs.admission import Payload, storable_payload
from engine.operations.runs.run_access import checked_reason, is_run_id
from engine.operations.tasks.task_answers import tell_run
from engine.records import Level, SchemaIssue, TaskClaim, TaskClosed
from engine.store.database.transactions import Connection, writing
from engine.store.runs.run_log import NewLogLine
from engine.store.tasks import tasks
from engine.store.tasks.tasks import TaskRow
from engine.store.tenant.audit import AuditEntry
from engine.values.json_policy import storable_text
from engine.values.request_limits import MAX_NAME_CHARACTERS

Json = Any

TASK_COMPLETED: Final = "HUMAN_TASK_COMPLETED"
"""What the definition sees as ``vars.eventName``, unless the submitter gives another name."""
TASK_CANCELED: Final = "HUMAN_TASK_CANCELED"


async def claim_task(context: OperationContext, task_id: str) -> TaskClaim:
    """Reserve a task for the actor; only they, or an admin, can answer it then. Needs the level operate.

    Claiming one's own task again changes nothing. Raises ``NotFound`` (TASK_NOT_FOUND), ``Conflict`` (TASK_CLAIMED,
    TASK_CLOSED, RUN_ENDED), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.OPERATE)
    actor = _name(context)
    async with writing(context.store) as connection:
        task = await require_task(connection, context.tenant, task_id)
        if await tasks.claim(connection, context.tenant, task.task_id, actor):
            await context.audit(connection, audit_entry("workflow_task_claim", task))
            return TaskClaim(task.task_id, actor)
        task = await require_task(connection, context.tenant, task_id)
        if task.status == "claimed" and task.claimed_by == actor:
            return TaskClaim(task.task_id, actor)
    raise not_open(task)


async def unclaim_task(context: OperationContext, task_id: str) -> TaskClaim:
    """Give a claimed task back. Needs the level operate, and admin for a task that somebody else has claimed.

    A task that nobody has claimed stays as it is. Raises as ``claim_task``.
    """
    await context.require(Level.OPERATE)
    anybodys = await context.may(Level.ADMIN)
    async with writing(context.store) as connection:
        task = await require_task(connection, context.tenant, task_id)
        if await tasks.unclaim(connection, context.tenant, task.task_id, None if anybodys else _name(context)):
            details = {"claimedBy": task.claimed_by}
            await context.audit(connection, audit_entry("workflow_task_unclaim", task, details))
            return TaskClaim(task.task_id, None)
        task = await require_task(connection, context.tenant, task_id)
    if task.status == "pending":
        return TaskClaim(task.task_id, None)
    raise not_open(task)


async def complete_task(
    context: OperationContext,
    task_id: str,
    response: Json,
    event_name: str = TASK_COMPLETED,
    override: bool = False,
    *,
    reason: str | None = None,
    event_id: str | None = None,
) -> TaskClosed:
    """Answer a task. Needs the level operate. ``event_id``: the event that carried the answer, for the audit.

    The response must be an object that fits the form of the task's type; one that does not is refused, and the run goes on
    waiting. ``override`` accepts it all the same: needs the level admin, and is audited as such, with ``reason``.
    Repeating the same answer is harmless. Raises, with nothing written: ``Invalid`` (RESPONSE_REJECTED with
    ``details.issues``, PAYLOAD_NOT_OBJECT, PAYLOAD_TOO_LARGE, EVENT_NAME_INVALID, REASON_TOO_SHORT, JSON_*), ``NotFound``
    (TASK_NOT_FOUND), ``Conflict`` (TASK_CLOSED, TASK_CLAIMED, RUN_ENDED), ``Forbidden``, ``Unavailable`` (Postgres).
    """
    await context.require(Level.ADMIN if override else Level.OPERATE)
    may_take_over = await context.may(Level.ADMIN)
    _check_event_name(event_name)
    said = None if reason is None else checked_reason(reason)
    payload = storable_payload(response)
    async with writing(context.store) as connection:
        task = await require_task(connection, context.tenant, task_id)
        repeated = await _is_repeat(context, connection, task, payload, event_name)
        form = await tasks.load_form(connection, context.tenant, task.task_type)
    if not repeated:
        issues = await check_value(form, payload.value, size_bytes=payload.size_bytes)
        if issues and not override:
            raise _rejected(task, issues)
        details = _details(payload, event_name, issues if override else None)
        if event_id is not None:
            details["eventId"] = event_id
        operation = "workflow_task_override" if override else "workflow_task_complete"
        async with writing(context.store) as connection:
            if await tasks.complete(
                connection,
                context.tenant,
                task.task_id,
                payload.value,
                actor=_name(context),
                of_anybody=may_take_over,
            ):
                await tasks.insert_answer(connection, context.tenant, task, event_name)
                await context.audit(connection, audit_entry(operation, task, details, said))
                line = NewLogLine(
                    "INFO", "Task completed", {"taskId": task.task_id, "taskType": task.task_type, **details}
                )
                await context.log(connection, task.run_id, line)
            else:
                task = await require_task(connection, context.tenant, task_id)
                repeated = await _is_repeat(context, connection, task, payload, event_name)
                if not repeated:
                    raise not_open(task)
    return await _tell(context, task, "completed", repeated=repeated)


async def cancel_task(context: OperationContext, task_id: str, reason: str) -> TaskClosed:
    """Close a task without an answer: its step fails with the code TASK_CANCELED, which a definition can catch.

    Needs the level admin. Repeating it is harmless. Raises, with nothing written: ``Invalid`` (REASON_TOO_SHORT), ``NotFound``
    (TASK_NOT_FOUND), ``Conflict`` (TASK_CLOSED, RUN_ENDED), ``Forbidden``, ``Unavailable`` (Postgres).
    """
    await context.require(Level.ADMIN)
    said = checked_reason(reason)
    async with writing(context.store) as connection:
        task = await require_task(connection, context.tenant, task_id)
        closed = task.run_status in _ACTIVE and await tasks.cancel(connection, context.tenant, task.task_id)
        if closed:
            await tasks.insert_answer(connection, context.tenant, task, TASK_CANCELED, canceled_because=said)
            await context.audit(connection, audit_entry("workflow_task_cancel", task, reason=said))
            line = NewLogLine("WARN", "Task canceled", {"taskId": task.task_id, "reason": said})
            await context.log(connection, task.run_id, line)
        else:
            task = await require_task(connection, context.tenant, task_id)
    if closed or task.status == "canceled":
        return await _tell(context, task, "canceled", repeated=not closed)
    raise not_open(task)


_ACTIVE: Final = frozenset({"RUNNING", "WAITING"})


async def _tell(
    context: OperationContext, task: TaskRow, status: Literal["completed", "canceled"], *, repeated: bool = False
) -> TaskClosed:
    """Tell the run, if it still has to be told. Raises ``Conflict`` (RUN_ENDED) when it turns out to be over."""
    async with writing(context.store) as connection:
        answer = await tasks.pending_answer(connection, context.tenant, task.task_id)
    if answer is None:
        return TaskClosed(task.task_id, task.run_id, status, delivered=True, repeated=repeated)
    told = await tell_run(context, answer)
    if told.state == "void" and status == "completed":
        raise _run_ended(task)
    message = "" if told.state != "pending" else f"Accepted, not delivered yet: {told.message}"
    return TaskClosed(task.task_id, task.run_id, status, told.state != "pending", repeated, message)


async def _is_repeat(
    context: OperationContext, connection: Connection, task: TaskRow, payload: Payload, event_name: str
) -> bool:
    """Whether the actor has completed the task with just this before. Raises ``Conflict`` when it was completed otherwise."""
    if task.status != "completed":
        return False
    same = task.completed_by == _name(context) and await tasks.is_same_answer(
        connection, task.task_id, payload.value, event_name
    )
    if not same:
        raise not_open(task)
    return True


async def require_task(connection: Connection, tenant: str, task_id: str) -> TaskRow:
    """A task of the tenant. Raises ``NotFound`` (TASK_NOT_FOUND), also for what is no id."""
    found = await tasks.load_task(connection, tenant, task_id) if is_run_id(task_id) else None
    if found is None:
        raise NotFound(
            "TASK_NOT_FOUND", f"There is no task {storable_text(task_id)[:100]}.", "Look it up: runstudio tasks list."
        )
    return found


def not_open(task: TaskRow) -> Conflict:
    """Why a task that could not be changed could not be."""
    if not task.open:
        by = f" by {task.completed_by}" if task.status == "completed" and task.completed_by else ""
        return Conflict(
            "TASK_CLOSED",
            f"The task {task.task_id} is {task.status} already{by}.",
            "Nothing was changed; look at its run to see what came of it.",
            {"status": task.status, "completedBy": task.completed_by},
        )
    if task.run_status not in _ACTIVE:
        return _run_ended(task)
    return Conflict(
        "TASK_CLAIMED",
        f"The task {task.task_id} is claimed by {task.claimed_by}.",
        advice.RELEASE.to("Ask them, or an admin, to give it back", task=task.task_id),
        {"claimedBy": task.claimed_by},
    )


def _run_ended(task: TaskRow) -> Conflict:
    return Conflict(
        "RUN_ENDED",
        f"The run {task.run_id} of this task has ended; nobody waits for an answer.",
        advice.REPLAY.to("Replay the run to be asked again", run=task.run_id),
        {"runId": task.run_id},
    )


def _rejected(task: TaskRow, issues: tuple[SchemaIssue, ...]) -> Invalid:
    more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
    return Invalid(
        "RESPONSE_REJECTED",
        f"The response does not fit its form: {issues[0].pointer or '/'} {issues[0].message}{more}.",
        f"Correct it; the form is that of the task type {task.task_type}. The run goes on waiting.",
        {"issues": [issue.to_json() for issue in issues]},
    )


def _details(payload: Payload, event_name: str, overridden: tuple[SchemaIssue, ...] | None) -> dict[str, Json]:
    details: dict[str, Json] = {"responseSizeBytes": payload.size_bytes}
    if event_name != TASK_COMPLETED:
        details["eventName"] = event_name
    if overridden is not None:
        details["overriddenIssues"] = [issue.to_json() for issue in overridden]
    return details


def audit_entry(
    operation: str, task: TaskRow, details: dict[str, Json] | None = None, reason: str | None = None
) -> AuditEntry:
    """The audit of an operation on a task."""
    details = {"taskType": task.task_type, **(details or {})}
    return AuditEntry(
        operation,
        "task",
        task.task_id,
        run_id=task.run_id,
        workflow_id=task.workflow_id,
        reason=reason,
        details=details,
    )


def _name(context: OperationContext) -> str:
    return storable_text(context.actor.name)


def _check_event_name(event_name: str) -> None:
    bad = storable_text(event_name) != event_name
    if not event_name.strip() or len(event_name) > MAX_NAME_CHARACTERS or bad:
        raise Invalid(
            "EVENT_NAME_INVALID",
            f"The event name is blank, longer than {MAX_NAME_CHARACTERS} characters, or has characters no text can have.",
            f"Leave it out; it is {TASK_COMPLETED} then.",
        )
