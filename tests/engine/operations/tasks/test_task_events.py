"""Tasks that are answered by an event: HUMAN_TASK_COMPLETED, with the task's id as its key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from temporalio.client import Client

from engine.ids import new_id
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.routing import route_received
from engine.operations.tasks.forms import register_form
from engine.operations.tasks.tasks import claim_task, complete_task
from engine.records import Level
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import Execute, Query
from tests.engine.operations.crashing import unreachable
from tests.engine.operations.tasks.asked import FORM, Asked, start, working

NAME = "HUMAN_TASK_COMPLETED"


@pytest_asyncio.fixture
async def asked(context: OperationContext, temporal: Client, query: Query) -> AsyncIterator[Asked]:
    """A run that waits for a person, while a worker runs."""
    async with working(context.store, temporal):
        yield await start(context, query)


async def deliver(context: OperationContext, request: EventRequest) -> None:
    await submit_event(context, request)
    await route_received(context)
    await make_due_deliveries(context)


async def outcome(query: Query, event_id: str) -> tuple[str, str | None]:
    [row] = await query("SELECT status, reason FROM workflow_event_deliveries WHERE event_id = :id", id=event_id)
    return row["status"], row["reason"]


async def test_an_event_answers_a_task_as_a_person_does(context: OperationContext, asked: Asked, query: Query) -> None:
    await register_form(context, "approval", FORM)
    await deliver(context, EventRequest(NAME, {"approved": "yes"}, asked.task_id, "wrong"))
    status, reason = await outcome(query, "wrong")
    assert status == "skipped"
    assert (reason or "").startswith("RESPONSE_REJECTED: ")
    assert (await asked.task())["status"] == "pending"

    await deliver(context, EventRequest(NAME, {"approved": True}, asked.task_id, "right"))
    assert await outcome(query, "right") == ("done", None)
    assert (await asked.ended())["output_json"]["event"] == {"approved": True}
    assert (await asked.task())["completed_by"] == context.actor.name

    await deliver(context, EventRequest(NAME, {"approved": False}, asked.task_id, "late"))
    status, reason = await outcome(query, "late")
    assert (status, (reason or "").partition(":")[0]) == ("skipped", "TASK_CLOSED")
    await deliver(context, EventRequest(NAME, {}, "no task", "lost"))
    await deliver(context, EventRequest(NAME, {}, new_id(), "stray"))
    assert {(await outcome(query, event))[0] for event in ("lost", "stray")} == {"skipped"}


@pytest.mark.parametrize("level", [Level.OPERATE, Level.ADMIN])
async def test_f25_an_event_acts_with_the_level_of_who_submitted_it(
    level: Level, context: OperationContext, asked: Asked, query: Query
) -> None:
    """The worker that delivers it is an admin, and so is who claims."""
    await claim_task(replace(context, actor=Actor("alice")), asked.task_id)
    bob = context.acting_as(Actor("bob", source="cli"), level)
    await submit_event(bob, EventRequest(NAME, {"approved": True}, asked.task_id, "e1"))
    await route_received(context)
    await make_due_deliveries(context)
    status, reason = await outcome(query, "e1")
    task = await asked.task()
    if level is Level.OPERATE:
        assert (status, (reason or "").partition(":")[0]) == ("skipped", "TASK_CLAIMED")
        assert (task["status"], task["claimed_by"]) == ("claimed", "alice")
        return
    assert (status, task["completed_by"]) == ("done", "bob")
    entries = await query(
        "SELECT actor, actor_level, details_json ->> 'eventId' AS event_id FROM workflow_audit_log"
        " WHERE operation = 'workflow_task_complete'"
    )
    assert entries == [{"actor": "bob", "actor_level": "admin", "event_id": "e1"}]


async def test_a_delivery_that_is_made_again_is_no_second_answer(
    context: OperationContext, asked: Asked, query: Query, execute: Execute
) -> None:
    await deliver(context, EventRequest(NAME, {"approved": True}, asked.task_id, "e1"))
    await execute(
        "UPDATE workflow_event_deliveries SET status = 'pending', next_attempt_at = now() WHERE event_id = 'e1'"
    )
    await make_due_deliveries(context)
    assert await outcome(query, "e1") == ("done", None)
    assert (await asked.ended())["status"] == "SUCCEEDED"


async def test_the_event_stream_leaves_answers_that_no_event_gave_to_the_reconciler(
    context: OperationContext, asked: Asked, store: Store, execute: Execute
) -> None:
    away = OperationContext(store, unreachable(), context.actor)
    await complete_task(away, asked.task_id, {"approved": True})
    await execute("UPDATE workflow_event_deliveries SET next_attempt_at = now()")
    before = await asked.delivery()
    assert await make_due_deliveries(context) == 0
    assert await asked.delivery() == before
