"""A worker does jobs, deletes what is too old, and tells who is to be told."""

from __future__ import annotations

import json
from pathlib import Path

from engine.operations.alerts import alerts
from engine.operations.context import OperationContext
from engine.operations.jobs import jobs
from engine.operations.keeping.retention import set_retention
from engine.records import Alert, AlertKind, AlertTarget, JobKind, JobState, Keep, RunFilter, RunStatus
from tests.engine.operations.conftest import Execute, Query, until
from tests.engine.operations.jobs.test_jobs import ended_runs
from tests.engine.worker.hosts import get, ready, running, settings

WHY = "a worker is to do it"


async def test_a_worker_does_all_three(
    context: OperationContext, execute: Execute, query: Query, database_url: str, temporal_address: str, tmp_path: Path
) -> None:
    told, commands = tmp_path / "told", tmp_path / "commands"
    commands.mkdir()
    (commands / "tell").write_text(f"#!/bin/sh\ncat > {told}.new && mv {told}.new {told}\n")
    (commands / "tell").chmod(0o755)
    failed = RunFilter(statuses=frozenset({RunStatus.FAILED}))
    await ended_runs(execute, 60)
    old = await ended_runs(execute, 1, "SUCCEEDED")
    kept = await ended_runs(execute, 1, "SUCCEEDED")
    month = "now() - interval '31 days'"
    await execute(
        f"UPDATE workflow_runs SET started_at = {month}, completed_at = {month} WHERE run_id = :run", run=old[0]
    )
    await set_retention(context, Keep(succeeded=30), WHY)
    await alerts.set_alert(context, Alert("stuck", AlertKind.STUCK, AlertTarget.COMMAND, "tell"), WHY)
    await alerts.try_alert(context, "stuck")
    job_id = (await jobs.submit_job(context, JobKind.DELETE, failed, WHY)).job.job_id
    async with running(settings(database_url, temporal_address, alert_commands_dir=commands)) as host:
        await ready(host)

        async def done() -> bool:
            left = await query("SELECT 1 FROM workflow_runs")
            return len(left) == 1 and told.exists() and (await jobs.get_job(context, job_id)).state is JobState.DONE

        await until(done)
    job = await jobs.get_job(context, job_id)
    assert (job.total, job.done) == (60, 60)
    assert [row["run_id"] for row in await query("SELECT run_id FROM workflow_runs")] == kept
    assert json.loads(told.read_text())["alert"] == "stuck"


async def test_what_breaks_in_the_finding_of_alerts_keeps_no_message_back(
    context: OperationContext, execute: Execute, database_url: str, temporal_address: str, tmp_path: Path
) -> None:
    told, commands = tmp_path / "told", tmp_path / "commands"
    commands.mkdir()
    (commands / "tell").write_text(f"#!/bin/sh\ncat > {told}.new && mv {told}.new {told}\n")
    (commands / "tell").chmod(0o755)
    for name in ("good", "of-tomorrow"):
        await alerts.set_alert(context, Alert(name, AlertKind.STUCK, AlertTarget.COMMAND, "tell"), WHY)
    await execute("UPDATE workflow_alerts SET conditions_json = '{\"of_tomorrow\": 1}' WHERE name = 'of-tomorrow'")
    await alerts.try_alert(context, "good")
    async with running(settings(database_url, temporal_address, alert_commands_dir=commands)) as host:
        await ready(host)

        async def said() -> bool:
            part = (await get(host, "/health")).json()["workers"]["alerts"]
            return told.exists() and part.get("broken") == [f"{context.tenant} of-tomorrow"]

        await until(said)
    assert json.loads(told.read_text())["alert"] == "good"
