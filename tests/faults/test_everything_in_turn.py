"""Fifty runs that do everything, while first the worker, then Temporal, then Postgres dies under them."""

from __future__ import annotations

import signal

import pytest

from engine.operations.events.events import EventRequest, submit_event
from tests.engine.workflow.steps import call, call_workflow, for_each, retried, set_state, wait_event
from tests.faults.installation import Installation

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

RUNS = 50
STEPS = [
    call("q", "ledger.quick"),
    for_each("l", "[1, 2, 3]", [call("i", "ledger.inside"), call("o", "ledger.ordinary", seconds=0.2)]),
    retried(call("f", "ledger.flaky", failures=1), backoffMs=300),
    wait_event("w", "GO", key="payload.order"),
    set_state("s"),
    call("z", "ledger.quick"),
    call_workflow("c", "wf.child"),
    call("j", "ledger.inside"),
    call("p", "ledger.ordinary", seconds=0.2),
]
OUTSIDE, INSIDE = 8, 5
"""Effects of one run and its child: in the ledger, and in our own database."""


async def test_worker_then_temporal_then_postgres(installation: Installation) -> None:
    bench, context = installation.bench, installation.context
    await bench.publish([call("k", "ledger.quick"), call("n", "ledger.inside")], "wf.child")
    await bench.publish(STEPS)
    runs = await installation.launch(RUNS, lambda number: {"order": f"o-{number}"})

    async def go(*numbers: int) -> None:
        for number in numbers:
            await submit_event(context, EventRequest("GO", {"n": number}, f"o-{number}", event_id=f"e-{number}"))

    # Nearly half of the events are there before anybody waits for them; the last two are kept back until the end.
    await go(*range(0, RUNS - 2, 2))

    async with installation.worker("first", last=60) as first:
        assert await first.ended() == -signal.SIGKILL
        assert await installation.active() > RUNS // 2

    async with installation.worker("heir"):
        await installation.done(130)
        assert await installation.active() > RUNS // 2
        await installation.restart_temporal(away=1)
        await go(*range(1, RUNS - 2, 2))
        await installation.done(230)
        assert await installation.active() > 0
        await installation.restart_postgres(away=1)
        await go(RUNS - 2, RUNS - 1)
        await installation.all_ended()

    assert await installation.account(runs, executed=RUNS * OUTSIDE, inside=RUNS * INSIDE) == {"SUCCEEDED": RUNS}
    rows = await bench.rows("SELECT input_json, output_json FROM workflow_runs WHERE parent_run_id IS NULL")
    assert all(row["input_json"]["order"] == f"o-{row['output_json']['event']['n']}" for row in rows)
    waits = await bench.rows("SELECT matched_event_id FROM workflow_run_waits WHERE wait_type = 'event'")
    assert len({wait["matched_event_id"] for wait in waits}) == len(waits) == RUNS
