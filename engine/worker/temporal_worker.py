"""The Temporal worker: the run workflow, the launcher that schedules start, and their activities on the one task queue."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.worker import FixedSizeSlotSupplier, UnsandboxedWorkflowRunner, Worker, WorkerTuner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from engine.activities.catalog import all_activities
from engine.activities.dependencies import ActivityDependencies
from engine.activities.fire_schedule import FireSchedule
from engine.contract import TASK_QUEUE
from engine.temporal.data_converter import speaking_to_runs
from engine.temporal.eager_starts import allow_eager_starts, hold_eager_starts
from engine.worker.failures import ShortFailures
from engine.worker.forgetting import RunsInMemory
from engine.worker.replays import WatchedRunner, WorkflowTaskSlots
from engine.worker.run_cache import USUAL, RunCache
from engine.workflow.launcher import ScheduleLauncher
from engine.workflow.run_workflow import RunWorkflow

GRACE: Final = timedelta(seconds=20)
"""What a stopping worker gives the actions it is running."""
CONCURRENT_WORKFLOW_TASKS: Final = 30
"""More only compete for Python's one core; measured best."""
CONCURRENT_REPLAYS: Final = 2
"""As many as a process has cores for: Python runs one, while the history of another is fetched."""
CONCURRENT_ACTIVITIES: Final = 100
DEADLOCK_SECONDS: Final = 20
"""After so long in one go a workflow counts as stuck; a bug of ours would have to be the reason.

The SDK says two, and has no setting for it. One step may evaluate for 0.4 s of an idle core (``EVALUATION_STEPS``), and on a
busy core that was seen to take more than two. Every try of such a task fails in the same way, so the run never moves again."""
HEARTBEAT_THROTTLE: Final = timedelta(seconds=5)
"""A canceled action learns of it by its heartbeats, so they may not be held back for long."""


class RunWorker(Worker):
    """A worker that no eager start meets while it shuts down."""

    _holding = False

    async def shutdown(self) -> None:
        """As the SDK's; also to be called when the worker has ended by itself, so that starts may be eager again."""
        await self.hold_eager_starts()
        try:
            await super().shutdown()
        finally:
            if self._holding:
                self._holding = False
                allow_eager_starts(self.client)

    async def hold_eager_starts(self) -> None:
        """Until it has shut down. To be called before anything that begins that."""
        if not self._holding:
            self._holding = True
            await hold_eager_starts(self.client)


def build_worker(
    client: Client,
    dependencies: ActivityDependencies,
    *,
    sandboxed: bool,
    identity: str,
    cache: RunCache = USUAL,
    in_memory: RunsInMemory | None = None,
) -> RunWorker:
    """A worker that polls from ``run()`` on. ``client`` may have any data converter; the worker brings its own.

    ``sandboxed`` re-imports and guards workflow code, at twice the CPU: for tests and replays. ``in_memory`` is told of its runs.
    """
    slots = WorkflowTaskSlots(CONCURRENT_WORKFLOW_TASKS, CONCURRENT_REPLAYS)
    activities = FixedSizeSlotSupplier(CONCURRENT_ACTIVITIES)

    async def fails(_error: BaseException) -> None:
        await worker.hold_eager_starts()

    restrictions = SandboxRestrictions.default.with_passthrough_modules("engine")
    worker = RunWorker(
        speaking_to_runs(client, dependencies.store),
        task_queue=TASK_QUEUE,
        workflows=[RunWorkflow, ScheduleLauncher],
        activities=[*all_activities(dependencies), FireSchedule(dependencies).fire_schedule],
        workflow_runner=WatchedRunner(
            SandboxedWorkflowRunner(restrictions=restrictions) if sandboxed else UnsandboxedWorkflowRunner(),
            slots.caught_up,
            in_memory or RunsInMemory(),
        ),
        interceptors=[ShortFailures()],
        identity=identity,
        max_cached_workflows=cache.runs,
        tuner=WorkerTuner.create_composite(
            workflow_supplier=slots,
            activity_supplier=activities,
            local_activity_supplier=activities,
            nexus_supplier=activities,
        ),
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=GRACE,
        on_fatal_error=fails,
    )
    if worker._workflow_worker is not None:
        worker._workflow_worker._deadlock_timeout_seconds = DEADLOCK_SECONDS
    return worker
