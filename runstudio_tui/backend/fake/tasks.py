"""The human tasks of the fake world."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from engine import advice
from engine.errors import Conflict, Forbidden, Invalid, NotFound
from engine.records import Document, Json, Level, Page, Task, TaskClaim, TaskClosed, TaskDetail, TaskFilter
from runstudio_tui.backend.fake.calls import Calls
from runstudio_tui.backend.fake.paging import page_of
from runstudio_tui.backend.fake.redelivery import check_reason
from runstudio_tui.backend.fake.schema import schema_issues

_MAX_NAME: Final = 200


class FakeTasks:
    """See TasksPort."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._world = calls.world

    async def list(self, wanted: TaskFilter = TaskFilter(), *, after: str | None = None, limit: int = 50) -> Page[Task]:
        """See TasksReading."""
        await self._calls.enter("tasks.list", wanted, after, limit)
        rows = [
            detail.row
            for detail in self._world.tasks.values()
            if (not wanted.statuses or detail.row.status in wanted.statuses)
            and (wanted.run_id is None or detail.row.run_id == wanted.run_id)
        ]
        rows.sort(key=lambda row: (row.created_at, row.task_id), reverse=True)
        return page_of(rows, lambda row: row.task_id, after, limit, self._world.now())

    async def get(self, task_id: str) -> TaskDetail:
        """See TasksReading."""
        await self._calls.enter("tasks.get", task_id)
        return self._task(task_id)

    async def claim(self, task_id: str) -> TaskClaim:
        """See TasksPort."""
        await self._calls.enter("tasks.claim", task_id)
        self._calls.require(Level.OPERATE)
        me, row = self._world.session.actor, self._open(task_id).row
        if row.claimed_by not in (None, me):
            raise Conflict(
                "TASK_CLAIMED",
                f"{row.claimed_by} has this task.",
                advice.RELEASE.to("Ask them, or an admin, to give it back", task=row.task_id),
            )
        self._change(task_id, status="claimed", claimed_by=me, claimed_at=self._world.now())
        return TaskClaim(task_id, me)

    async def release(self, task_id: str) -> TaskClaim:
        """See TasksPort."""
        await self._calls.enter("tasks.release", task_id)
        self._calls.require(Level.OPERATE)
        self._mine(self._open(task_id).row)
        self._change(task_id, status="pending", claimed_by=None, claimed_at=None)
        return TaskClaim(task_id, None)

    async def assign(self, task_id: str, to: str, reason: str) -> TaskClaim:
        """See TasksPort."""
        await self._calls.enter("tasks.assign", task_id, to, reason)
        self._calls.require(Level.OPERATE)
        name = to.strip()
        if not name or len(name) > _MAX_NAME:
            raise Invalid("ASSIGNEE_INVALID", "The name is blank or too long.", "Give the name of an actor.")
        check_reason(reason)
        session, row = self._world.session, self._open(task_id).row
        if session.level < Level.ADMIN and row.claimed_by != session.actor:
            held = row.claimed_by or "nobody"
            raise Forbidden(
                "TASK_NOT_HELD",
                f"The task is held by {held}.",
                advice.CLAIM.to("Ask an admin, or claim it first", task=task_id),
            )
        if row.claimed_by != name:
            self._change(task_id, status="claimed", claimed_by=name, claimed_at=self._world.now())
        return TaskClaim(task_id, name)

    async def complete(
        self,
        task_id: str,
        response: Json = None,
        *,
        event_name: str | None = None,
        override: bool = False,
        reason: str | None = None,
    ) -> TaskClosed:
        """See TasksPort."""
        await self._calls.enter("tasks.complete", task_id, response, event_name, override, reason)
        self._calls.require(Level.ADMIN if override else Level.OPERATE)
        value = {} if response is None else response
        detail = self._task(task_id)
        if self._closed_by_me(detail, "completed") and detail.response == Document(value):
            return TaskClosed(task_id, detail.row.run_id, "completed", delivered=True, repeated=True)
        self._mine(self._open(task_id).row)
        issues = () if override else schema_issues(detail.form, value)
        if issues:
            details = {"issues": [issue.to_json() for issue in issues]}
            raise Invalid("RESPONSE_REJECTED", "The answer does not fit its form.", issues[0].message, details)
        return self._close(task_id, "completed", value)

    async def cancel(self, task_id: str, reason: str) -> TaskClosed:
        """See TasksPort."""
        await self._calls.enter("tasks.cancel", task_id, reason)
        self._calls.require(Level.ADMIN)
        check_reason(reason)
        if self._closed_by_me(detail := self._task(task_id), "canceled"):
            return TaskClosed(task_id, detail.row.run_id, "canceled", delivered=True, repeated=True)
        self._open(task_id)
        return self._close(task_id, "canceled", None)

    def _task(self, task_id: str) -> TaskDetail:
        if task_id not in self._world.tasks:
            raise NotFound("TASK_NOT_FOUND", f"There is no task {task_id!r}.", "Check the id and the tenant.")
        return self._world.tasks[task_id]

    def _closed_by_me(self, detail: TaskDetail, status: str) -> bool:
        return (detail.row.status, detail.row.completed_by) == (status, self._world.session.actor)

    def _open(self, task_id: str) -> TaskDetail:
        detail = self._task(task_id)
        if detail.row.status not in ("pending", "claimed"):
            raise Conflict("TASK_CLOSED", f"The task is {detail.row.status}.", "Nothing is left to be done.")
        return detail

    def _mine(self, row: Task) -> None:
        session = self._world.session
        if row.claimed_by not in (None, session.actor) and session.level < Level.ADMIN:
            raise Conflict(
                "TASK_CLAIMED",
                f"{row.claimed_by} has this task.",
                advice.RELEASE.to("Ask them, or an admin, to give it back", task=row.task_id),
            )

    def _close(self, task_id: str, status: Literal["completed", "canceled"], value: Json) -> TaskClosed:
        me, now = self._world.session.actor, self._world.now()
        self._change(task_id, status=status, completed_by=me, completed_at=now)
        detail = self._world.tasks[task_id]
        if status == "completed":
            self._world.tasks[task_id] = replace(detail, response=Document(value))
        self._world.task_closed(detail.row, status, value)
        self._calls.stirred.set()
        return TaskClosed(task_id, detail.row.run_id, status, delivered=True)

    def _change(self, task_id: str, **changes: object) -> None:
        detail = self._world.tasks[task_id]
        row = replace(detail.row, **changes)  # type: ignore[arg-type]  # names are Task's
        self._world.tasks[task_id] = replace(detail, row=row)
