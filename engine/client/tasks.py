"""``engine.tasks``: what runs ask of people."""

from __future__ import annotations

from engine.operations.context import OperationContext
from engine.operations.tasks import forms, handing_over
from engine.operations.tasks import tasks as answering
from engine.records import Json, Page, Task, TaskClaim, TaskClosed, TaskDetail, TaskFilter
from engine.store.tasks import reading


class Tasks:
    """Human tasks of one tenant."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context
        self._tenant = context.tenant

    async def list(self, wanted: TaskFilter = TaskFilter(), *, after: str | None = None, limit: int = 50) -> Page[Task]:
        """Tasks newest first, after a cursor; ``limit`` 1..500. Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID)."""
        return await reading.tasks_page(await self._context.readable(), self._tenant, wanted, cursor=after, limit=limit)

    async def get(self, task_id: str) -> TaskDetail:
        """One task with its context, its form and its response. Raises ``NotFound`` (TASK_NOT_FOUND)."""
        return await reading.task_detail(await self._context.readable(), self._tenant, task_id)

    async def claim(self, task_id: str) -> TaskClaim:
        """Reserve a task: only this actor, or an admin, can complete it then. Raises as ``claim_task``."""
        return await answering.claim_task(self._context, task_id)

    async def release(self, task_id: str) -> TaskClaim:
        """Give a reserved task back. Raises as ``unclaim_task``."""
        return await answering.unclaim_task(self._context, task_id)

    async def assign(self, task_id: str, to: str, reason: str) -> TaskClaim:
        """Hand a task over to the actor of that name, for whoever holds it or an admin. Raises as ``assign_task``."""
        return await handing_over.assign_task(self._context, task_id, to, reason)

    async def complete(
        self,
        task_id: str,
        response: Json = None,
        *,
        event_name: str | None = None,
        override: bool = False,
        reason: str | None = None,
    ) -> TaskClosed:
        """Answer a task; ``response`` None is ``{}``. Raises as ``complete_task``.

        ``event_name``: what the definition sees as ``vars.eventName``; None: HUMAN_TASK_COMPLETED. ``override``: accept what the
        form refuses, for admins with a ``reason``.
        """
        value = {} if response is None else response
        return await answering.complete_task(
            self._context, task_id, value, event_name or answering.TASK_COMPLETED, override, reason=reason
        )

    async def cancel(self, task_id: str, reason: str) -> TaskClosed:
        """Close a task without an answer: its step fails with TASK_CANCELED. Raises as ``cancel_task``."""
        return await answering.cancel_task(self._context, task_id, reason)

    async def form(self, task_type: str) -> Json:
        """The JSON schema of the answers of a task type; None when any object will do. Needs the level read."""
        return await forms.form_of(self._context, task_type)

    async def set_form(self, task_type: str, schema: Json, *, name: str | None = None) -> bool:
        """Give a task type another form; False when it is the same. Needs the level admin. Raises as ``register_form``."""
        return await forms.register_form(self._context, task_type, schema, name=name)
