"""Starts of runs that die half-way, come twice, or find nobody to do the work."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest

from engine.fault_points import LAUNCH_POINTS, VARIABLE
from engine.ids import new_id
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.operations.runs.replay import replay_run
from engine.records import Original
from tests.engine.workflow.harness import Run
from tests.engine.workflow.steps import call
from tests.faults.installation import Installation
from tests.imported import Start, logged

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

STEPS = [call("q", "ledger.quick"), call("i", "ledger.inside")]


async def start(installation: Installation, key: str, fault: str | None = None) -> tuple[int | None, str]:
    """``runstudio start`` as a process of its own, which dies at ``fault``: its exit code, and what it said."""
    variables = {"DATABASE_URL": installation.url, "TEMPORAL_ADDRESS": installation.temporal.address}
    environment = {**os.environ, **variables, **({VARIABLE: fault} if fault else {})}
    words = ["start", "wf.main", "--idempotency-key", key, "--json"]
    log = installation.directory / f"start-{new_id()}.log"
    code = await logged(Start("runstudio_tui.cli", words, environment), log).ended(60)
    return code, log.read_text()


async def test_a_crash_between_the_row_and_the_start_and_one_between_the_start_and_its_record(
    installation: Installation,
) -> None:
    bench, points = installation.bench, sorted(LAUNCH_POINTS)
    await bench.publish(STEPS)
    for point in points:
        assert await start(installation, point, fault=point) == (-signal.SIGKILL, "")
    rows = await bench.rows("SELECT run_id, launch_state FROM workflow_runs ORDER BY started_at")
    assert [row["launch_state"] for row in rows] == ["pending", "pending"]
    runs = [Run(bench, str(row["run_id"])) for row in rows]
    # A further one is asked for again by whoever was not answered, the others are found by the reconciler.
    assert await start(installation, "again", fault="launch.before_start") == (-signal.SIGKILL, "")
    code, said = await start(installation, "again")
    assert (code, json.loads(said)["created"]) == (0, False)
    runs.append(Run(bench, json.loads(said)["runId"]))
    async with installation.worker("worker"):
        await installation.all_ended()
    assert await installation.account(runs, executed=3, inside=3) == {"SUCCEEDED": 3}
    assert {(await run.row())["launch_state"] for run in runs} == {"started"}
    for run, key in zip(runs, [*points, "again"], strict=True):
        code, said = await start(installation, key)
        answer = json.loads(said)
        assert (code, answer["runId"], answer["created"]) == (0, run.id, False)


async def test_replays_that_come_twice_and_together(installation: Installation) -> None:
    bench, context = installation.bench, installation.context
    await bench.publish(STEPS)
    [source] = await installation.launch(1, lambda _: {"n": 1})
    async with installation.worker("worker") as worker:
        await installation.all_ended()

        async def replay(key: str | None) -> str:
            return (await replay_run(context, source.id, "once more", Original(), idempotency_key=key)).run_id

        twice = await asyncio.gather(*(replay("k") for _ in range(4)))
        apart = await asyncio.gather(*(replay(None) for _ in range(2)))
        worker.send(signal.SIGKILL)
        assert (await worker.ended(), await replay("k")) == (-signal.SIGKILL, twice[0])
    assert len(set(twice)) == 1
    assert len({*twice, *apart}) == 3
    async with installation.worker("heir"):
        await installation.all_ended()
    runs = [source, *(Run(bench, run_id) for run_id in {*twice, *apart})]
    assert await installation.account(runs, executed=4, inside=4) == {"SUCCEEDED": 4}
    rows = await bench.rows(
        "SELECT input_json, replay_of_run_id FROM workflow_runs WHERE run_id <> CAST(:r AS uuid)", r=source.id
    )
    assert {(row["input_json"]["n"], str(row["replay_of_run_id"])) for row in rows} == {(1, source.id)}


async def test_without_a_poller_runs_wait_and_say_so(installation: Installation) -> None:
    await installation.bench.publish(STEPS)
    runs = await installation.launch(20, lambda _: {})
    said = [finding.code for finding in (await diagnose_run(installation.context, runs[0].id)).findings]
    assert said == ["NO_POLLER"]
    async with installation.worker("worker"):
        await installation.all_ended()
    assert await installation.account(runs, executed=20, inside=20) == {"SUCCEEDED": 20}
