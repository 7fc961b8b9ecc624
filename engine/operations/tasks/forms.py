"""Forms of task types: the JSON schema that the answer to a task must satisfy."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from engine.errors import Invalid
from engine.operations.context import OperationContext
from engine.operations.json_schema import schema_problem
from engine.records import Level
from engine.store.database.reader import open_reader
from engine.store.database.transactions import writing
from engine.store.tasks import tasks
from engine.store.tenant.audit import AuditEntry
from engine.values.json_policy import clean_json, size_bytes
from engine.values.request_limits import MAX_NAME_CHARACTERS

Json = Any

MAX_FORM_BYTES: Final = 256 * 1024


async def register_form(context: OperationContext, task_type: str, schema: Json, *, name: str | None = None) -> bool:
    """Give a task type its form, or another one: answers are checked against it from now on. Needs the level admin.

    Whether that changed anything. A task type without a form accepts any object. Raises, with nothing written: ``Invalid``
    (TASK_TYPE_INVALID, FORM_SCHEMA_INVALID, FORM_TOO_LARGE, JSON_*), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    _check_name(task_type)
    clean = clean_json(schema).value
    size = size_bytes(clean)
    if size > MAX_FORM_BYTES:
        raise Invalid(
            "FORM_TOO_LARGE",
            f"The form has {size} bytes; {MAX_FORM_BYTES} are allowed.",
            "Move lists of choices out of it.",
            {"bytes": size, "limit": MAX_FORM_BYTES},
        )
    problem = await asyncio.to_thread(schema_problem, clean)
    if problem is not None:
        raise Invalid("FORM_SCHEMA_INVALID", problem, f"Correct the form of {task_type}; nothing was stored.")
    async with writing(context.store) as connection:
        changed = await tasks.save_form(connection, context.tenant, task_type, clean, name=name)
        if changed:
            entry = AuditEntry("workflow_task_form_register", "form", task_type, details={"sizeBytes": size})
            await context.audit(connection, entry)
    return changed


async def form_of(context: OperationContext, task_type: str) -> Json:
    """The JSON schema of a task type, redacted; None when it has no form. Needs the level read.

    Raises ``Invalid`` (TASK_TYPE_INVALID), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.READ)
    _check_name(task_type)
    async with open_reader(context.store, context.tenant) as reader:
        return reader.definition(await tasks.load_form(reader.connection, context.tenant, task_type))


def _check_name(task_type: str) -> None:
    bad = any(character == "\0" or "\ud800" <= character <= "\udfff" for character in task_type)
    if not task_type.strip() or len(task_type) > MAX_NAME_CHARACTERS or bad:
        raise Invalid(
            "TASK_TYPE_INVALID",
            f"The task type is blank, longer than {MAX_NAME_CHARACTERS} characters, or has characters no text can have.",
            "Use the taskType of the definition's human.task step.",
        )
