"""Handing a task over: who may, what is kept of it, and that the new holder can answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.client import Client

from engine.errors import Conflict, Forbidden, Invalid, NotFound
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.tasks.handing_over import assign_task
from engine.operations.tasks.tasks import claim_task, complete_task, unclaim_task
from engine.records import Level
from tests.engine.operations.conftest import AsUser, Execute, Query
from tests.engine.operations.tasks.asked import Asked, start, working


@pytest_asyncio.fixture
async def asked(context: OperationContext, temporal: Client, query: Query) -> AsyncIterator[Asked]:
    """A run that waits for a person, while a worker runs."""
    async with working(context.store, temporal):
        yield await start(context, query)


async def test_who_holds_a_task_hands_it_over_and_the_new_holder_answers(
    asked: Asked, as_user: AsUser, query: Query
) -> None:
    async with as_user(Level.OPERATE, "ada") as ada, as_user(Level.OPERATE, "bob") as bob:
        with pytest.raises(Forbidden, match="TASK_NOT_HELD") as refused:
            await assign_task(ada, asked.task_id, "bob", "my shift is over")
        assert refused.value.details == {"claimedBy": None}
        await claim_task(ada, asked.task_id)
        with pytest.raises(Forbidden, match="TASK_NOT_HELD"):
            await assign_task(bob, asked.task_id, "bob", "I want it")
        assert (await assign_task(ada, asked.task_id, " bob ", "my shift is over")).claimed_by == "bob"
        with pytest.raises(Conflict, match="TASK_CLAIMED"):
            await complete_task(ada, asked.task_id, {})
        assert (await complete_task(bob, asked.task_id, {})).status == "completed"
    [entry] = await query("SELECT * FROM workflow_audit_log WHERE operation = 'workflow_task_assign'")
    assert (entry["actor"], entry["target_id"], entry["reason"]) == ("ada", asked.task_id, "my shift is over")
    assert (entry["details_json"]["from"], entry["details_json"]["to"]) == ("ada", "bob")


async def test_an_admin_hands_over_any_open_task_and_repeating_it_writes_nothing(
    context: OperationContext, asked: Asked, query: Query
) -> None:
    for _ in range(2):
        assert (await assign_task(context, asked.task_id, "bob", "nobody took it")).claimed_by == "bob"
    task = await asked.task()
    assert (task["status"], task["claimed_by"]) == ("claimed", "bob")
    assert len(await query("SELECT 1 FROM workflow_audit_log WHERE operation = 'workflow_task_assign'")) == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\0b", "\ud800"])
async def test_what_is_no_name_is_refused(context: OperationContext, asked: Asked, name: str) -> None:
    with pytest.raises(Invalid, match="ASSIGNEE_INVALID"):
        await assign_task(context, asked.task_id, name, "because")
    assert (await asked.task())["status"] == "pending"


async def test_what_cannot_be_answered_is_not_handed_over(
    context: OperationContext, asked: Asked, execute: Execute
) -> None:
    with pytest.raises(Invalid, match="REASON_TOO_SHORT"):
        await assign_task(context, asked.task_id, "bob", "x")
    with pytest.raises(NotFound, match="TASK_NOT_FOUND"):
        await assign_task(context, new_id(), "bob", "because")
    await execute("UPDATE workflow_runs SET status = 'FAILED', completed_at = now(), waiting_on = NULL")
    with pytest.raises(Conflict, match="RUN_ENDED"):
        await assign_task(context, asked.task_id, "bob", "because")


async def test_reading_is_not_enough(asked: Asked, as_user: AsUser) -> None:
    async with as_user(Level.READ) as viewer:
        with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
            await assign_task(viewer, asked.task_id, "bob", "because")


async def test_who_is_no_admin_any_more_takes_no_task_from_its_holder(asked: Asked, as_user: AsUser) -> None:
    """Nor in the half minute in which a level is believed otherwise."""
    async with as_user(Level.OPERATE, "ada") as ada, as_user(Level.ADMIN, "mallory") as mallory:
        await claim_task(ada, asked.task_id)
        assert await mallory.level() is Level.ADMIN
        async with as_user(Level.OPERATE, "mallory"):
            assert await mallory.level() is Level.ADMIN
            with pytest.raises(Conflict, match="TASK_CLAIMED"):
                await complete_task(mallory, asked.task_id, {})
            with pytest.raises(Conflict, match="TASK_CLAIMED"):
                await unclaim_task(mallory, asked.task_id)
            with pytest.raises(Forbidden, match="TASK_NOT_HELD"):
                await assign_task(mallory, asked.task_id, "mallory", "I want it")
    assert (await asked.task())["claimed_by"] == "ada"
