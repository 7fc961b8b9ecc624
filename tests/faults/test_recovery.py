"""A worker that is killed with five hundred runs in flight."""

from __future__ import annotations

import signal

import pytest

from engine.operations.events.events import EventRequest, submit_event
from tests.engine.workflow.steps import call, wait_event
from tests.faults.installation import END_SECONDS, Installation

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

RUNS = 500


async def test_killed_with_five_hundred_runs_in_flight(installation: Installation) -> None:
    bench, context = installation.bench, installation.context
    await bench.publish([
        call("q", "ledger.quick"),
        wait_event("w", "GO"),
        call("r", "ledger.quick"),
        call("i", "ledger.inside"),
        call("o", "ledger.ordinary"),
    ])  # fmt: skip
    runs = await installation.launch(RUNS, lambda index: {"n": index})
    async with installation.worker("first", last=RUNS + 100) as first:

        async def all_wait() -> bool:
            rows = await bench.rows("SELECT count(*) AS n FROM workflow_run_waits WHERE status = 'WAITING'")
            return bool(rows[0]["n"] == RUNS)

        await installation.until(all_wait, END_SECONDS)
        assert await installation.active() == RUNS
        # One event for all of them: each has several steps to do at once, and a hundred are in the midst of it.
        await submit_event(context, EventRequest("GO", {}))
        assert await first.ended() == -signal.SIGKILL
    assert await installation.active() > RUNS // 2
    async with installation.worker("heir"):
        await installation.all_ended()
    assert await installation.account(runs, executed=3 * RUNS, inside=RUNS) == {"SUCCEEDED": RUNS}
