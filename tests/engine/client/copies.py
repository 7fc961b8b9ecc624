"""Rows in which what is hidden in one place was copied to every other place, each time in another form."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Table, insert

from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from engine.store.tables import (
    workflow_action_invocations,
    workflow_alert_outbox,
    workflow_alerts,
    workflow_audit_log,
    workflow_definition_versions,
    workflow_definitions,
    workflow_event_deliveries,
    workflow_human_tasks,
    workflow_job_items,
    workflow_jobs,
    workflow_payload_schemas,
    workflow_run_logs,
    workflow_run_steps,
    workflow_run_waits,
    workflow_runs,
    workflow_runtime_events,
    workflow_schedule_fires,
    workflow_schedules,
    workflow_task_forms,
)
from tests.engine.store.tenants import row_of

PAYLOAD, OUTPUT, NAMED, EVENT, STARTED, ANSWER = (
    f"Kanarie{place}4711geheim" for place in ("Payload", "Output", "Named", "Event", "Started", "Answer")
)
"""Each is hidden in a place of its own: marked in a payload, marked in and named in an action's output, marked in an event
that a run took and in one that started a run, marked in an answer."""
SECRETS: Final = (PAYLOAD, OUTPUT, NAMED, EVENT, STARTED, ANSWER)


def forms(secret: str) -> tuple[str, ...]:
    """A secret as it is, and as an author's expression may have made it."""
    return (
        secret,
        secret.upper(),
        secret[::-1],
        "-".join(secret),
        secret.encode().hex(),
        base64.b64encode(secret.encode()).decode(),
        secret[5:13],
    )


def leaks(said: str) -> list[str]:
    """The secrets that a text gives away in any of the forms. Single characters of a split one are found between quotes."""
    joined = said.replace("', '", "").replace('", "', "")
    return sorted({secret for secret in SECRETS for form in forms(secret) if form in said or form in joined})


RUN, CHILD, LIVE, PENDING, REFUSED, STARTED_RUN, ATTEMPT, NAMED_ATTEMPT, TASK, DELIVERY, SCHEDULE, JOB, ALERT, STEP = (
    f"00000000-0000-7000-8000-0000000000{n:02x}" for n in range(0xA1, 0xA1 + 14)
)
EVENT_ID, STARTING_ID = "event-taken", "event-starting"
TITLE: Final = f"Call {PAYLOAD.upper()}"


def _marked(name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"x-sensitive": True}}}


def rows() -> list[tuple[Table, dict[str, Any]]]:
    """In the order in which they may be inserted."""
    now = datetime.now(UTC)
    run = {
        "workflow_id": "orders",
        "workflow_version": 1,
        "engine": "temporal",
        "status": "FAILED",
        "completed_at": now,
        "step_count": 2,
    }
    said = "; ".join((*forms(PAYLOAD), *forms(OUTPUT), *forms(NAMED), *forms(EVENT), *forms(ANSWER)))
    error = {"category": "ActionError", "message": said, "code": f"NO_{PAYLOAD}", "details": {"sent": list(OUTPUT)}}
    step = {"step_path": "root.steps[0]", "visit": 1}
    attempt = {**step, "run_id": RUN, "action_id": "crm.look", "action_version": 1, "status": "SUCCEEDED"}
    return [
        (workflow_definitions, {"workflow_id": "orders", "name": "orders", "draft_definition": {}}),
        (
            workflow_definition_versions,
            {
                "workflow_id": "orders",
                "version": 1,
                "payload_schema_json": _marked("note"),
                "action_traits": {"crm.look@1": {"sensitive": {"output": _marked("found")}}},
            },
        ),
        (workflow_payload_schemas, {"ref": "payload.Paid.v1", "schema_json": _marked("memo")}),
        (workflow_task_forms, {"task_type": "approve", "schema_json": _marked("because")}),
        (
            workflow_runs,
            {**run, "run_id": RUN, "input_json": {"note": PAYLOAD}, "output_json": {"said": said}}
            | {"error_json": error, "last_error_code": f"NO_{PAYLOAD}", "trigger_metadata_json": {"said": said}},
        ),
        (
            workflow_runs,
            {**run, "run_id": CHILD, "parent_run_id": RUN, "root_run_id": RUN, "input_json": {"copied": said}}
            | {"status": "WAITING", "waiting_on": "human", "completed_at": None, "error_json": error},
        ),
        (
            workflow_runs,
            {**run, "run_id": LIVE, "replay_of_run_id": RUN, "input_json": {"copied": PAYLOAD}, "status": "RUNNING"}
            | {"completed_at": None, "attempt": 5, "error_json": {"message": PAYLOAD.upper(), "code": PAYLOAD[::-1]}}
            | {"updated_at": now - timedelta(hours=1)},
        ),
        (
            workflow_runs,
            {**run, "run_id": PENDING, "input_json": {"note": PAYLOAD}, "launch_state": "pending", "status": "RUNNING"}
            | {"launch_error": f"refused {PAYLOAD[::-1]}", "completed_at": None, "step_count": 0},
        ),
        (
            workflow_runs,
            {**run, "run_id": REFUSED, "input_json": {"note": PAYLOAD}, "launch_state": "failed"}
            | {"error_json": {"message": f"refused {PAYLOAD.encode().hex()}"}},
        ),
        (
            workflow_runs,
            {**run, "run_id": STARTED_RUN, "input_json": {"copied": STARTED}, "event_type": "PAID"}
            | {"error_json": {"message": f"lost {STARTED.upper()}", "code": "LOST"}},
        ),
        (
            workflow_runtime_events,
            {
                "event_id": EVENT_ID,
                "event_name": "PAID",
                "payload": {"memo": EVENT},
                "payload_schema_ref": "payload.Paid.v1",
            }
            | {"correlation_key": EVENT, "correlation_keys": [EVENT, EVENT.upper()], "matched_run_id": RUN},
        ),
        (
            workflow_runtime_events,
            {"event_id": STARTING_ID, "event_name": "PAID", "payload": {"memo": STARTED}}
            | {"payload_schema_ref": "payload.Paid.v1", "error_message": f"late: {STARTED[::-1]}"},
        ),
        (
            workflow_event_deliveries,
            {"delivery_id": DELIVERY, "event_id": EVENT_ID, "run_id": RUN, "target_kind": "wait", "target": "w"}
            | {"status": "failed", "last_error": f"{said}", "correlation_key": EVENT, "attempts": 3},
        ),
        (
            workflow_event_deliveries,
            {
                "delivery_id": ALERT,
                "event_id": STARTING_ID,
                "run_id": STARTED_RUN,
                "target_kind": "launch",
                "target": "o",
            }
            | {"status": "skipped", "reason": f"held {STARTED.encode().hex()}"},
        ),
        (
            workflow_run_waits,
            {"run_id": RUN, **step, "wait_type": "event", "status": "RESOLVED", "key": EVENT.upper()}
            | {"matched_event_id": EVENT_ID, "event_name": "PAID", "payload": {"said": said}},
        ),
        (workflow_run_waits, {"run_id": CHILD, **step, "wait_type": "human", "status": "WAITING", "key": TASK}),
        (
            workflow_human_tasks,
            {"task_id": TASK, "run_id": CHILD, **step, "task_type": "approve", "title": TITLE, "description": said}
            | {"context_json": {"said": said}, "due_at": now - timedelta(hours=1)},
        ),
        (
            workflow_human_tasks,
            {
                "task_id": STEP,
                "run_id": RUN,
                "step_path": "root.steps[1]",
                "visit": 1,
                "task_type": "approve",
                "title": "Done",
            }
            | {"response_json": {"because": ANSWER}, "status": "completed"},
        ),
        (
            workflow_action_invocations,
            {**attempt, "invocation_id": ATTEMPT, "input_json": {"said": said}, "output_json": {"found": OUTPUT}}
            | {"idempotency_key": f"key-{PAYLOAD}", "error_message": said},
        ),
        (
            workflow_action_invocations,
            {**attempt, "invocation_id": NAMED_ATTEMPT, "attempt": 2, "output_json": {"access_token": NAMED}}
            | {"action_id": "crm.other", "idempotency_key": "k"},
        ),
        (
            workflow_run_steps,
            {"step_id": STEP, "run_id": RUN, **step, "definition_step_id": "look", "status": "FAILED"}
            | {"outcome_json": {"said": said}, "error_json": error},
        ),
        (
            workflow_run_logs,
            {"run_id": RUN, "level": "INFO", "message": said, "context_json": {"split": list(PAYLOAD), "said": said}},
        ),
        (
            workflow_audit_log,
            {"run_id": RUN, "target_id": RUN, "target_kind": "run", "reason": said, "details_json": {"said": said}},
        ),
        (
            workflow_jobs,
            {"job_id": JOB, "kind": "cancel", "filter_json": {}, "state": "done", "failed": 1, "total": 1}
            | {"completed_at": now},
        ),
        (
            workflow_job_items,
            {"job_id": JOB, "target": RUN, "state": "failed", "result": said, "error_code": PAYLOAD.upper()},
        ),
        (
            workflow_schedules,
            {"schedule_id": SCHEDULE, "workflow_id": "orders", "workflow_version": 1, "trigger_type": "recurring"}
            | {"payload_json": {"note": PAYLOAD}},
        ),
        (
            workflow_schedule_fires,
            {"schedule_id": SCHEDULE, "fire_key": "1", "status": "failed", "run_id": RUN, "reason": said},
        ),
        (
            workflow_alerts,
            {"alert_id": ALERT, "name": "failures", "kind": "failed", "target_kind": "command", "target": "page"}
            | {"conditions_json": {"workflow": None, "code": None, "more_than": 0, "minutes": 60}},
        ),
        (workflow_alert_outbox, {"alert_id": ALERT, "group_key": "g", "state": "failed", "last_error": "it is down"}),
    ]


async def insert_copies(store: Store) -> None:
    """All of them, of the default tenant."""
    async with store.begin() as connection:
        for table, values in rows():
            await connection.execute(insert(table).values({**row_of(table, DEFAULT_TENANT), **values}))
