"""Long histories on a slow core: every run goes on, and no workflow task is lost to the length of its history."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from itertools import count

import pytest

from engine.contract import TASK_TIMEOUT
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.runs import starting
from tests.engine.workflow.steps import assign, call, for_each, wait_event
from tests.faults.installation import END_SECONDS, Installation, WorkerUnderTest

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

POTENTIAL_DEADLOCK, TASK_TOO_LONG = "TMPRL1101", "TMPRL1104"
SIZES = [
    (60, 200, END_SECONDS, [POTENTIAL_DEADLOCK]),
    pytest.param(
        *(500, 1_500, 6 * 3_600.0, [POTENTIAL_DEADLOCK, TASK_TOO_LONG]),
        marks=[pytest.mark.hours, pytest.mark.timeout(8 * 3_600)],
    ),
]
"""Runs, outcomes in the history of each, how long all of that may take, and the warnings that may not come. Every outcome is a
step that is really done. That no task takes five seconds can be asked only of a machine that does nothing else."""
ONE_CORE = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})"


@pytest.fixture(autouse=True)
def _real_task_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about it; others of this directory shorten it."""
    monkeypatch.setattr(starting, "TASK_TIMEOUT", TASK_TIMEOUT)


def complaints(worker: WorkerUnderTest, warnings: list[str]) -> list[str]:
    """What Temporal's SDK says of workflow tasks that take too long."""
    lines = worker.log.read_text(errors="replace").splitlines()
    return [line for line in lines if any(warning in line for warning in warnings)]


@pytest.mark.parametrize(("number", "outcomes", "seconds", "warnings"), SIZES)
async def test_many_runs_with_long_histories_go_on_after_a_restart_on_one_core(
    installation: Installation, number: int, outcomes: int, seconds: float, warnings: list[str]
) -> None:
    bench, context = installation.bench, installation.context
    await bench.publish([
        for_each("l", f"[1..{outcomes}]", [call("n", "ledger.silent", value="=vars.item")]),
        wait_event("w", "GO"),
        call("q", "ledger.quick"),
    ])  # fmt: skip
    runs = await installation.launch(number, lambda index: {"n": index})
    async with installation.worker("first") as first:

        async def all_wait() -> bool:
            rows = await bench.rows("SELECT count(*) AS n FROM workflow_run_waits WHERE status = 'WAITING'")
            return bool(rows[0]["n"] == number)

        await installation.until(all_wait, seconds)
        first.send(signal.SIGKILL)
        assert await first.ended() == -signal.SIGKILL
    async with installation.worker("heir", before=ONE_CORE) as heir:
        await submit_event(context, EventRequest("GO", {}))
        await installation.all_ended(seconds)
        assert complaints(heir, warnings) == []
    assert await installation.account(runs, executed=number) == {"SUCCEEDED": number}
    [counted] = await bench.rows("SELECT min(step_count) AS least, max(step_count) AS most FROM workflow_runs")
    assert counted["least"] == counted["most"] == outcomes + 3


async def test_f5_a_loop_of_five_thousand_on_a_quarter_of_a_core_that_is_sent_events_all_the_time(
    installation: Installation,
) -> None:
    """The worker is stopped for three quarters of the time: however slow a machine is, the run ends."""
    bench, numbers = installation.bench, count()
    await bench.publish([
        assign("zero", total="0"),
        for_each("l", "[1..5000]", [call("n", "ledger.silent", value="=vars.item"), assign("a", total="vars.total + 1")]),
        for_each("m", "[1..20]", [wait_event("w", "PING", key="payload.order")]),
        call("q", "ledger.quick"),
    ])  # fmt: skip

    async def send_all_the_time() -> None:
        while True:
            number = next(numbers)
            await run.send_event("PING", {"n": number}, key="o-1", event_id=f"e{number}")
            await asyncio.sleep(0.2)

    async with installation.worker("slow", before=ONE_CORE) as worker:
        [run] = await installation.launch(1, lambda _: {"order": "o-1"})
        beside = [asyncio.create_task(send_all_the_time()), asyncio.create_task(slowed(worker))]
        try:
            row = await run.ended(3 * END_SECONDS)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            worker.send(signal.SIGCONT)
        assert complaints(worker, [POTENTIAL_DEADLOCK]) == []
    assert (row["status"], row["output_json"]["total"]) == ("SUCCEEDED", 5_000)
    assert row["step_count"] == 1 + 1 + 2 * 5_000 + 1 + 20 + 1


async def slowed(worker: WorkerUnderTest) -> None:
    """Let it work for a quarter of the time."""
    with suppress(ProcessLookupError):
        while True:
            worker.send(signal.SIGSTOP)
            await asyncio.sleep(0.15)
            worker.send(signal.SIGCONT)
            await asyncio.sleep(0.05)
