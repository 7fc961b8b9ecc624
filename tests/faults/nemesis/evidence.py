"""What rows, Temporal and the ledger say when a round is over."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from engine.contract import WORKFLOW_TYPE, workflow_id_for
from engine.errors import EngineError
from engine.temporal.connection import is_not_found
from tests.conformance.rebuilding import assert_rebuilds
from tests.engine.workflow.harness import Rows
from tests.faults.installation import LEFT_OPEN, Installation
from tests.faults.ledger import Entry
from tests.faults.nemesis.journal import Journal

ACTIVE: Final = ("RUNNING", "WAITING")
_AT_ONCE: Final = 10
_CLOSED_SECONDS: Final = 60.0
"""A row says that a run has ended a moment before its execution has."""


@dataclass(frozen=True)
class Evidence:
    """Of all runs of an installation."""

    journal: Journal
    runs: Rows
    steps: Rows
    waits: Rows
    attempts: Rows
    events: Rows
    deliveries: Rows
    tasks: Rows
    audits: Rows
    inside: Rows
    """Effects of transactional actions."""
    entries: list[Entry]
    """Effects outside."""
    left_open: dict[str, Rows]
    counted: dict[str, Any]
    executions: dict[str, WorkflowExecutionStatus | None]
    """By run id; None: Temporal does not know it."""
    listed: dict[str, WorkflowExecutionStatus | None]
    """Every execution of ours that Temporal lists, by workflow id."""
    rebuilt: dict[str, str]
    """By run id: what differs between its rows and what is computed from them. Nothing: it is not in here."""


async def gather(installation: Installation, journal: Journal) -> Evidence:
    """Ask all of them; runs whose row has ended get a moment to end in Temporal too."""
    rows = installation.bench.rows
    runs = await rows("SELECT * FROM workflow_runs ORDER BY started_at")
    executions = await _executions(installation, runs)
    return Evidence(
        journal=journal,
        runs=runs,
        steps=await rows("SELECT run_id, step_path, iteration, visit, status FROM workflow_run_steps"),
        waits=await rows(
            "SELECT w.run_id, w.step_path, w.status, w.matched_event_id, r.input_json ->> 'order' AS order_key"
            " FROM workflow_run_waits w JOIN workflow_runs r USING (run_id) WHERE wait_type = 'event'"
        ),
        attempts=await rows(
            "SELECT run_id, step_path, iteration, visit, attempt, action_id, idempotency_key, status"
            " FROM workflow_action_invocations"
        ),
        events=await rows(
            "SELECT event_id, event_name, correlation_key, state, error_message FROM workflow_runtime_events"
        ),
        deliveries=await rows(
            "SELECT delivery_id, event_id, target_kind, target, status, reason, last_error, run_id"
            " FROM workflow_event_deliveries"
        ),
        tasks=await rows("SELECT task_id, run_id, status FROM workflow_human_tasks"),
        audits=await rows(
            "SELECT operation, target_id, run_id, workflow_id, details_json ->> 'newRunId' AS new_run_id"
            " FROM workflow_audit_log"
        ),
        inside=await rows("SELECT key, run_id FROM ledger_inside"),
        entries=installation.entries(),
        left_open={
            table: await rows(f"SELECT * FROM {table} WHERE {condition}") for table, condition in LEFT_OPEN.items()
        },
        counted=(
            await rows(
                "SELECT (SELECT coalesce(sum(used_count), 0) FROM workflow_step_usage_periods) AS used,"
                " (SELECT count(*) FROM workflow_run_steps) AS steps,"
                " coalesce(sum(step_count), 0) AS counted, coalesce(sum(quota_leased), 0) AS leased FROM workflow_runs"
            )
        )[0],
        executions=executions,
        listed={
            execution.id: execution.status
            async for execution in installation.bench.client.list_workflows(f"WorkflowType = '{WORKFLOW_TYPE}'")
            # An execution that goes on as another is followed by that one.
            if execution.status is not WorkflowExecutionStatus.CONTINUED_AS_NEW
        },
        rebuilt=await _rebuilt(installation, [row for row in runs if not _taken_apart(row, journal)]),
    )


async def _executions(installation: Installation, runs: Rows) -> dict[str, WorkflowExecutionStatus | None]:
    free = asyncio.Semaphore(_AT_ONCE)

    async def ended(row: dict[str, Any]) -> WorkflowExecutionStatus | None:
        handle = installation.bench.client.get_workflow_handle(workflow_id_for(str(row["run_id"])))
        deadline = asyncio.get_running_loop().time() + _CLOSED_SECONDS
        while True:
            async with free:
                try:
                    status = (await handle.describe()).status
                except RPCError as error:
                    if not is_not_found(error):
                        raise
                    status = None
            late = asyncio.get_running_loop().time() > deadline
            if row["status"] in ACTIVE or status is not WorkflowExecutionStatus.RUNNING or late:
                return status
            await asyncio.sleep(0.2)

    statuses = await asyncio.gather(*(ended(row) for row in runs))
    return {str(row["run_id"]): status for row, status in zip(runs, statuses, strict=True)}


def _taken_apart(row: dict[str, Any], journal: Journal) -> bool:
    """Whether the reconciler has ended a run for which the restored Temporal has no execution, or an earlier one."""
    if not journal.counts["restore_temporal"]:
        return False
    return row["error_json"] is not None and row["error_json"].get("category") == "ReconcileError"


async def _rebuilt(installation: Installation, runs: Rows) -> dict[str, str]:
    differences = {}
    for row in runs:
        try:
            await assert_rebuilds(installation.bench.store, str(row["tenant"]), str(row["run_id"]))
        except (AssertionError, EngineError) as difference:
            differences[str(row["run_id"])] = f"{type(difference).__name__}: {difference}"[:2000]
    return differences
