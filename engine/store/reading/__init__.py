"""Everything that is read of runs, events and the audit log for somebody to see. Lists of runs: ``engine.store.listing``."""

from engine.store.reading.audit import audit_page
from engine.store.reading.events import EventFilter, deliveries_page, event_detail, events_page
from engine.store.reading.logs import run_logs
from engine.store.reading.run import related_runs, run_input, run_output, run_summary
from engine.store.reading.schedules import fires_page, schedule_detail, schedules_page
from engine.store.reading.snapshots import run_snapshots, snapshot_body
from engine.store.reading.steps import step_body, steps_page
from engine.store.reading.tasks import TaskFilter, task_detail, tasks_page
from engine.store.reading.tries import run_tries, try_body
from engine.store.reading.waits import run_waits

__all__ = [
    "EventFilter",
    "TaskFilter",
    "audit_page",
    "deliveries_page",
    "event_detail",
    "events_page",
    "fires_page",
    "related_runs",
    "run_input",
    "run_logs",
    "run_output",
    "run_snapshots",
    "run_summary",
    "run_tries",
    "run_waits",
    "schedule_detail",
    "schedules_page",
    "snapshot_body",
    "step_body",
    "steps_page",
    "task_detail",
    "tasks_page",
    "try_body",
]
