"""``runstudio attention``, as a person and a script see it: every kind of finding, nothing at all, and more than is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from engine.contract import WORKFLOW_TYPE, workflow_id_for
from engine.devstack.temporal_server import TemporalServer
from engine.ids import new_id
from engine.operations.attention import MOST_OF_A_KIND
from engine.records import AttentionKind
from engine.store.database.transactions import Store
from engine.store.schedules.schedules import schedule_id_of
from engine.store.tables import (
    workflow_alert_outbox,
    workflow_alerts,
    workflow_audit_log,
    workflow_event_deliveries,
    workflow_human_tasks,
    workflow_jobs,
)
from engine.store.tenant.disagreements import DISAGREED, STORES
from tests.engine.operations.conftest import Execute, execute, store, until
from tests.engine.store.conftest import TENANT
from tests.engine.store.rows import insert, insert_run

from .conftest import IDLE_NAMESPACE, Done, Stack

__all__ = ["execute", "store"]

QUEUE, DROPPED = "attention-failing", "attention-dropped"
"""Nobody may be seen to poll the real queue."""
ESCAPE = "\x1b[2J"


@pytest.fixture
def runstudio(without_worker: Stack, database_url: str) -> Stack:
    """``runstudio`` with a database of this test alone."""
    return without_worker.with_variables(DATABASE_URL=database_url)


@workflow.defn(name=WORKFLOW_TYPE)
class Fails:
    """Every one of its workflow tasks fails."""

    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("a bug, of ours")


@asynccontextmanager
async def failing_in_temporal(server: TemporalServer, run_id: str) -> AsyncIterator[None]:
    """A run whose workflow task is repeated, on a queue of its own."""
    client = await Client.connect(server.address, namespace=IDLE_NAMESPACE)
    async with Worker(client, task_queue=QUEUE, workflows=[Fails], workflow_runner=UnsandboxedWorkflowRunner()):
        handle = await client.start_workflow(WORKFLOW_TYPE, id=workflow_id_for(run_id), task_queue=QUEUE)

        async def repeated() -> bool:
            pending = (await handle.describe()).raw_description.pending_workflow_task
            return pending.attempt > 1

        await until(repeated)
        yield
        await handle.terminate()


@asynccontextmanager
async def timing_out_in_temporal(server: TemporalServer, run_id: str) -> AsyncIterator[None]:
    """A run whose workflow task was taken, and not answered in time."""
    client = await Client.connect(server.address, namespace=IDLE_NAMESPACE)
    handle = await client.start_workflow(
        WORKFLOW_TYPE, id=workflow_id_for(run_id), task_queue=DROPPED, task_timeout=timedelta(seconds=1)
    )
    request = PollWorkflowTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=DROPPED), identity="1@test"
    )
    while not (await client.workflow_service.poll_workflow_task_queue(request)).task_token:
        pass

    async def timed_out() -> bool:
        history = await handle.fetch_history()
        return any(event.HasField("workflow_task_timed_out_event_attributes") for event in history.events)

    await until(timed_out)
    yield
    await handle.terminate()


def ago(minutes: float) -> datetime:
    """So many minutes before now."""
    return datetime.now(UTC) - timedelta(minutes=minutes)


async def worker(execute: Execute, seen: datetime) -> None:
    """The heartbeat of a worker, which is alive while it is younger than 20 seconds."""
    await execute(
        "INSERT INTO workflow_workers (identity, host, pid, build, task_queue, parts_json, last_seen_at)"
        " VALUES ('17@app-1', 'app-1', 17, '1', 'q', '{}', :seen)",
        seen=seen,
    )


async def one_of_each(store: Store, execute: Execute, failing: str, late: str) -> dict[str, str]:
    """Something of every kind that there can be while a worker is alive; its id, by kind."""
    await worker(execute, seen=ago(-60))

    async def run(quiet: float = 0.0, **more: Any) -> str:
        at = ago(quiet)
        return await insert_run(store, started_at=at, updated_at=at, node_step_id="charge", **more)

    waiting = await run(status="WAITING")
    made = {
        "duty": "sweep",
        "stuck": await run(5, step_count=0),
        "stalled": await run(5),
        "task-failing": await run(60, run_id=failing),
        "task-timing-out": await run(50, run_id=late),
        "launch": await run(1, status="FAILED", launch_state="failed", completed_at=ago(1), last_error_code="TEMPORAL_REFUSED"),
        "failed": await run(
            1, status="FAILED", completed_at=ago(1), last_error_code="CARD_REFUSED", node_path="root.steps[1]",
            error_json={"code": "CARD_REFUSED", "message": f"no{ESCAPE} money"},
        ),
        "retrying": await run(0, attempt=4, last_error_code="TIMEOUT"),
        "delivery": new_id(), "late-task": new_id(), "schedule": schedule_id_of(TENANT, "billing"),
        "job": new_id(), "alert": new_id(), "stores": waiting,
    }  # fmt: skip
    await execute(
        "INSERT INTO workflow_leases (name, holder, token, expires_at, done_at, done_by)"
        " VALUES ('sweep', 'w-1', gen_random_uuid(), now(), now() - interval '1 hour', 'w-1')"
    )
    await insert(
        store, workflow_event_deliveries,
        {"delivery_id": made["delivery"], "event_id": "e-1", "event_name": "order.paid", "target_kind": "wait", "target": "w-1",
         "status": "failed", "attempts": 3, "last_error": "Temporal was away", "settled_at": ago(1)},
    )  # fmt: skip
    await insert(
        store, workflow_human_tasks,
        {"task_id": made["late-task"], "run_id": waiting, "task_type": "approval", "title": "Approve it", "status": "pending",
         "due_at": ago(5)},
    )  # fmt: skip
    await execute(
        "INSERT INTO workflow_definitions (tenant, workflow_id, name, payload_schema_ref, draft_definition)"
        " VALUES (:tenant, 'billing', 'x', 'payload.Any.v1', '{}')",
        tenant=TENANT,
    )
    await execute(
        "INSERT INTO workflow_schedules (schedule_id, tenant, workflow_id, workflow_version, name, trigger_type, cron, status,"
        " temporal_schedule_id, next_fire_at) VALUES (:id, :tenant, 'billing', 1, 'x', 'recurring', '0 9 * * *', 'scheduled',"
        " 'told', now() - interval '5 minutes')",
        id=made["schedule"],
        tenant=TENANT,
    )
    await insert(
        store, workflow_jobs,
        {"job_id": made["job"], "kind": "replay", "filter_json": {}, "filter_text": "status:failed", "reason": "again",
         "actor": "ada", "actor_level": "admin", "state": "running", "total": 3, "trouble": "Temporal does not answer."},
    )  # fmt: skip
    await insert(
        store, workflow_audit_log,
        {"audit_id": new_id(), "actor": "w-1", "operation": DISAGREED, "target_kind": STORES,
         "target_id": waiting, "run_id": waiting, "reason": "They stood apart."},
    )  # fmt: skip
    rule = new_id()
    await insert(
        store, workflow_alerts,
        {"alert_id": rule, "name": "night", "kind": "failed", "conditions_json": {}, "target_kind": "webhook",
         "target": "https://x.example/", "set_by": "ada"},
    )  # fmt: skip
    await insert(
        store, workflow_alert_outbox,
        {"message_id": made["alert"], "alert_id": rule, "group_key": "billing:", "hour": ago(1), "body_json": {},
         "state": "failed", "attempts": 12, "last_error": "The receiver answered 500."},
    )  # fmt: skip
    return made


WHY = {
    "stuck": "It is queued, and no step has begun.",
    "stores": "They stood apart.",
    "stalled": "It should have moved on from charge by now.",
    "launch": "Temporal refused it: TEMPORAL_REFUSED",
    "delivery": "It could not be delivered to w-1 after 3 attempts: Temporal was away.",
    "schedule": "Its next occurrence is overdue.",
    "retrying": "Attempt 4 of charge: TIMEOUT.",
    "late-task": "It is late; nobody has it.",
    "job": "It does not go on: Temporal does not answer.",
    "alert": "It was not taken after 12 attempts: The receiver answered 500.",
}


async def test_every_kind_for_people_and_for_programs(
    runstudio: Stack, own_temporal: TemporalServer, store: Store, execute: Execute
) -> None:
    failing, late = new_id(), new_id()
    made = await one_of_each(store, execute, failing, late)
    kinds = [str(kind) for kind in AttentionKind if kind is not AttentionKind.WORKERS]
    assert set(made) == set(kinds)
    async with failing_in_temporal(own_temporal, failing), timing_out_in_temporal(own_temporal, late):
        text, answer = runstudio("attention"), runstudio("attention", "--json")
    assert (text.code, text.err, answer.code, answer.err) == (0, "", 0, "")

    found = answer.json
    assert (found["more"], found["temporalError"]) == ([], "")
    assert abs(datetime.fromisoformat(found["serverNow"]) - datetime.now(UTC)) < timedelta(minutes=10)
    assert [item["kind"] for item in found["items"]] == kinds
    told = {item["kind"]: item for item in found["items"]}
    assert {kind: item["key"] for kind, item in told.items()} == made
    assert {kind: told[kind]["reason"] for kind in WHY} == WHY
    assert told["duty"]["reason"].startswith("It is overdue; last done ")
    assert "a bug, of ours" in told["task-failing"]["reason"]
    assert told["task-timing-out"]["reason"].startswith(
        "Its workflow task has timed out at least 1 time; its history has "
    )
    assert told["failed"]["reason"].startswith("It failed at charge: CARD_REFUSED: no")
    assert told["failed"]["run_id"] == made["failed"]
    assert (told["delivery"]["event_id"], told["delivery"]["title"]) == ("e-1", "order.paid")
    assert (told["late-task"]["task_id"], told["late-task"]["title"]) == (made["late-task"], "Approve it")
    assert (told["schedule"]["workflow_id"], told["schedule"]["run_id"]) == ("billing", None)

    heading, *lines = text.out.splitlines()
    assert heading.split() == ["WHAT", "SINCE", "ID", "OF", "WHY"]
    assert [line.split()[0] for line in lines] == kinds
    by_kind = {line.split()[0]: line for line in lines}
    assert all(made[kind] in by_kind[kind] for kind in made)
    assert all(by_kind[kind].endswith(why) for kind, why in WHY.items())
    for done in (text, answer):
        assert "\x1b" not in done.out


async def test_no_worker_comes_first_and_stands_for_the_duties_it_leaves(
    runstudio: Stack, store: Store, execute: Execute
) -> None:
    await execute(
        "INSERT INTO workflow_leases (name, holder, token, expires_at, done_at, done_by)"
        " VALUES ('sweep', 'w-1', gen_random_uuid(), now(), now() - interval '1 hour', 'w-1')"
    )
    [never] = runstudio.answer("attention")["items"]
    assert (never["kind"], never["since"]) == ("workers", None)
    assert never["reason"] == "None is alive. Start one: `runstudio worker`."

    await worker(execute, seen=ago(5))
    stuck = await insert_run(store, started_at=ago(5), updated_at=ago(5), step_count=0)
    gone, run = runstudio.answer("attention")["items"]
    assert gone["reason"] == "None is alive; last seen 17@app-1. Start one: `runstudio worker`."
    assert ago(10) < datetime.fromisoformat(gone["since"]) < ago(5)
    assert run["key"] == stuck


async def test_nothing(runstudio: Stack, execute: Execute) -> None:
    await worker(execute, seen=ago(-60))
    assert runstudio("attention") == Done(0, "Nothing needs attention.\n", "")
    answer = runstudio.answer("attention")
    assert (answer["items"], answer["more"], answer["temporalError"]) == ([], [], "")


async def test_more_of_a_kind_than_is_shown(runstudio: Stack, store: Store) -> None:
    for _ in range(MOST_OF_A_KIND + 1):
        await insert_run(store, started_at=ago(5), updated_at=ago(5), step_count=0)
    answer = runstudio.answer("attention")
    stuck = [item for item in answer["items"] if item["kind"] == "stuck"]
    assert (len(stuck), answer["more"]) == (MOST_OF_A_KIND, ["stuck"])
    assert "There is more of this kind than is shown: stuck\n" in runstudio("attention").out


async def test_without_temporal_it_tells_what_postgres_knows(
    runstudio: Stack, store: Store, execute: Execute, nowhere: str
) -> None:
    await worker(execute, seen=ago(-60))
    run_id = await insert_run(store, started_at=ago(5), updated_at=ago(5))
    away = runstudio.with_variables(TEMPORAL_ADDRESS=nowhere)
    text, answer = away("attention"), away.answer("attention")
    assert [item["key"] for item in answer["items"]] == [run_id]
    assert answer["temporalError"]
    assert text.code == 0
    assert text.out.endswith(f"Workflow tasks were not looked at: {answer['temporalError']}\n")


def test_without_postgres_it_is_refused(runstudio: Stack, nowhere: str) -> None:
    away = runstudio.with_variables(DATABASE_URL=f"postgresql://nobody@{nowhere}/nothing")
    refused = away("attention", "--json")
    assert (refused.code, refused.out) == (5, "")
    assert refused.refusal["hint"]
