"""The Temporal worker: the run workflow, the launcher that schedules start, and their activities on the one task queue."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from engine.activities.catalog import all_activities
from engine.activities.data_converter import speaking_to_runs
from engine.activities.dependencies import ActivityDependencies
from engine.activities.fire_schedule import FireSchedule
from engine.contract import TASK_QUEUE
from engine.workflow.launcher import ScheduleLauncher
from engine.workflow.run_workflow import RunWorkflow

GRACE: Final = timedelta(seconds=20)
"""What a stopping worker gives the actions it is running."""
CACHED_RUNS: Final = 5_000
"""Runs kept in memory between their workflow tasks, about 50 kB each."""
CONCURRENT_WORKFLOW_TASKS: Final = 30
"""More only compete for Python's one core; measured best."""
CONCURRENT_ACTIVITIES: Final = 100
HEARTBEAT_THROTTLE: Final = timedelta(seconds=5)
"""A canceled action learns of it by its heartbeats, so they may not be held back for long."""


def build_worker(client: Client, dependencies: ActivityDependencies, *, sandboxed: bool, identity: str) -> Worker:
    """A worker that polls from ``run()`` on. ``client`` may have any data converter; the worker brings its own.

    ``sandboxed`` re-imports and guards workflow code, at twice the CPU: for tests and replays.
    """
    restrictions = SandboxRestrictions.default.with_passthrough_modules("engine")
    return Worker(
        speaking_to_runs(client, dependencies.store),
        task_queue=TASK_QUEUE,
        workflows=[RunWorkflow, ScheduleLauncher],
        activities=[*all_activities(dependencies), FireSchedule(dependencies).fire_schedule],
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions)
        if sandboxed
        else UnsandboxedWorkflowRunner(),
        identity=identity,
        max_cached_workflows=CACHED_RUNS,
        max_concurrent_workflow_tasks=CONCURRENT_WORKFLOW_TASKS,
        max_concurrent_activities=CONCURRENT_ACTIVITIES,
        max_concurrent_local_activities=CONCURRENT_ACTIVITIES,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=GRACE,
    )
