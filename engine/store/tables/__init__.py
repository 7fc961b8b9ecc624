"""All tables of the engine, as SQLAlchemy Core. ``migrations/`` brings a database to exactly this."""

from engine.store.tables.alerts import workflow_alert_outbox, workflow_alerts
from engine.store.tables.base import (
    ACTIVE_RUN_STATUSES,
    DELIVERY_KINDS,
    DELIVERY_STATUSES,
    INVOCATION_STATUSES,
    LOG_LEVELS,
    OPEN_STEP_STATUSES,
    OPEN_TASK_STATUSES,
    RUN_STATUSES,
    STEP_STATUSES,
    TASK_STATUSES,
    TERMINAL_RUN_STATUSES,
    WAIT_STATUSES,
    WAITING_ON,
    metadata,
)
from engine.store.tables.definitions import (
    workflow_definition_versions,
    workflow_definitions,
    workflow_payload_schemas,
    workflow_schedule_fires,
    workflow_schedules,
    workflow_settings,
    workflow_task_forms,
)
from engine.store.tables.events import (
    workflow_event_arrival_seq,
    workflow_event_deliveries,
    workflow_runtime_events,
)
from engine.store.tables.installation import workflow_installation, workflow_leases, workflow_places
from engine.store.tables.jobs import workflow_job_files, workflow_job_items, workflow_jobs
from engine.store.tables.keeping import workflow_retention
from engine.store.tables.members import workflow_members
from engine.store.tables.records import (
    workflow_audit_log,
    workflow_data_store,
    workflow_entity_links,
    workflow_human_tasks,
    workflow_step_usage_periods,
    workflow_workers,
)
from engine.store.tables.runs import ENGINE_GUARD, workflow_payloads, workflow_runs
from engine.store.tables.trace import (
    workflow_action_invocations,
    workflow_run_logs,
    workflow_run_snapshots,
    workflow_run_steps,
    workflow_run_waits,
)

__all__ = [
    "ACTIVE_RUN_STATUSES",
    "DELIVERY_KINDS",
    "DELIVERY_STATUSES",
    "ENGINE_GUARD",
    "INVOCATION_STATUSES",
    "LOG_LEVELS",
    "OPEN_STEP_STATUSES",
    "OPEN_TASK_STATUSES",
    "RUN_STATUSES",
    "STEP_STATUSES",
    "TASK_STATUSES",
    "TERMINAL_RUN_STATUSES",
    "WAITING_ON",
    "WAIT_STATUSES",
    "metadata",
    "workflow_action_invocations",
    "workflow_alert_outbox",
    "workflow_alerts",
    "workflow_audit_log",
    "workflow_data_store",
    "workflow_definition_versions",
    "workflow_definitions",
    "workflow_entity_links",
    "workflow_event_arrival_seq",
    "workflow_event_deliveries",
    "workflow_human_tasks",
    "workflow_installation",
    "workflow_job_files",
    "workflow_job_items",
    "workflow_jobs",
    "workflow_leases",
    "workflow_members",
    "workflow_payload_schemas",
    "workflow_payloads",
    "workflow_places",
    "workflow_retention",
    "workflow_run_logs",
    "workflow_run_snapshots",
    "workflow_run_steps",
    "workflow_run_waits",
    "workflow_runs",
    "workflow_runtime_events",
    "workflow_schedule_fires",
    "workflow_schedules",
    "workflow_settings",
    "workflow_step_usage_periods",
    "workflow_task_forms",
    "workflow_workers",
]
