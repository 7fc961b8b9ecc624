"""Views for reports: what runs, steps and people did and when, without anything a payload, an answer or an error holds."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

VIEWS: Final = {
    "report_runs": (
        "workflow_runs",
        "run_id, tenant, workflow_id, workflow_version, status, engine, trigger_type, launch_state, waiting_on,"
        " waiting_since, attempt, step_count, parent_run_id, root_run_id, replay_of_run_id, cancel_requested_at,"
        " started_at, updated_at, completed_at",
    ),
    "report_steps": (
        "workflow_run_steps",
        "step_id, run_id, tenant, step_path, iteration, visit, definition_step_id, step_type, status, attempt,"
        " duration_ms, started_at, completed_at",
    ),
    "report_attempts": (
        "workflow_action_invocations",
        "invocation_id, run_id, tenant, step_path, iteration, visit, attempt, action_id, action_version, status,"
        " worker_identity, input_bytes, output_bytes, created_at, started_at, completed_at",
    ),
    "report_waits": (
        "workflow_run_waits",
        "wait_id, run_id, tenant, step_path, iteration, visit, wait_type, event_name, status, timeout_at, created_at,"
        " resolved_at",
    ),
    "report_tasks": (
        "workflow_human_tasks",
        "task_id, run_id, tenant, task_type, status, priority, due_at, claimed_at, completed_at, created_at",
    ),
    "report_events": (
        "workflow_runtime_events",
        "tenant, arrival, event_name, state, matched_run_id, created_at, processed_at",
    ),
    "report_audit": (
        "workflow_audit_log",
        "audit_id, tenant, actor, actor_known_by, actor_level, operation, target_kind, target_id, run_id, workflow_id,"
        " created_at",
    ),
}
"""Name of a view: its table, and the columns of it."""


def create_views(connection: Connection) -> None:
    """Creates or replaces the views. They read as the owner of the tables, so whoever may read a view needs no table."""
    for name, (table, columns) in VIEWS.items():
        connection.exec_driver_sql(f"CREATE OR REPLACE VIEW {name} AS SELECT {columns} FROM {table}")
