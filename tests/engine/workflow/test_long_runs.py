"""Runs of real length, at the real limit of a history: nobody can tell from them where one execution ended."""

from __future__ import annotations

import asyncio
import threading
from itertools import count

import pytest

from engine.activities import chain
from engine.workflow import continuation
from tests.engine.workflow.executions import executions
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import assign, for_each, ordinary, quick, wait_event

pytestmark = pytest.mark.timeout(900)
PATIENCE_SECONDS = 600.0
"""A minute and a half on two cores that others use too."""
SIGNAL_SECONDS = 1.5
"""Shorter than what Temporal allows a workflow to block, two seconds."""


async def test_a_run_of_a_thousand_steps(bench: Bench) -> None:
    await bench.publish([ordinary(f"s{n}", value=n) if n % 2 else quick(f"s{n}", value=n) for n in range(1000)])
    run = await bench.start()
    row = await run.ended(PATIENCE_SECONDS)
    assert (row["status"], row["step_count"]) == ("SUCCEEDED", 1000)
    assert row["output_json"] == {f"s{n}": {"value": n} for n in range(1000)}
    assert await executions(run) >= 2
    steps = await run.steps()
    assert [step["step_path"] for step in steps] == [f"root.steps[{n}]" for n in range(1000)]
    assert {(step["status"], step["attempt"]) for step in steps} == {("SUCCEEDED", 1)}
    assert bench.counts.ran.total() == 1000


async def test_a_loop_of_five_thousand_that_is_sent_events_all_the_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One event comes while the task that goes on as a new execution is under way, which Temporal then refuses; the others
    come faster than a history of this length is replayed."""
    loop, tries, sent, one_at_a_time = asyncio.get_running_loop(), count(), list[int](), asyncio.Lock()
    continue_with = continuation.continue_with

    def with_an_event(*arguments: object) -> None:
        if next(tries) == 0:
            told = threading.Event()
            loop.call_soon_threadsafe(lambda: loop.create_task(send(told)))
            assert told.wait(SIGNAL_SECONDS)
        continue_with(*arguments)  # type: ignore[arg-type] # handed on as they came

    async def send(told: threading.Event | None = None) -> None:
        # Two under way at once could come in any order.
        async with one_at_a_time:
            number = len(sent)
            sent.append(number)
            await run.send_event("PING", {"n": number}, event_id=f"e{number}")
        if told is not None:
            told.set()

    async def send_all_the_time() -> None:
        while True:
            await send()
            await asyncio.sleep(0.2)

    monkeypatch.setattr(continuation, "continue_with", with_an_event)
    # As they are chains, five thousand quick steps do not fill a history: so chains of a few dozen, and short histories.
    monkeypatch.setattr(chain, "MAX_BYTES", 500)
    monkeypatch.setattr(continuation, "MAX_EVENTS", 40)
    await bench.publish([
        assign("zero", total="0"),
        for_each("l", "[1..5000]", [quick("q", value="=vars.item"), assign("sum", total="vars.total + vars.q.value")]),
        for_each("m", "[1..20]", [wait_event("w"), assign("a", seen="append(coalesce(vars.seen, []), vars.event.n)")]),
    ])  # fmt: skip
    run = await bench.start()
    sending = asyncio.create_task(send_all_the_time())
    try:
        row = await run.ended(PATIENCE_SECONDS)
    finally:
        sending.cancel()
    assert row["status"] == "SUCCEEDED"
    assert row["output_json"]["total"] == 5000 * 5001 // 2
    assert row["output_json"]["seen"] == list(range(20))
    assert await executions(run) >= 3
    assert next(tries) >= 3
    assert row["step_count"] == 1 + 1 + 5000 * 2 + 1 + 20 * 2
    assert bench.counts.ran["q"] == 5000
    assert [wait["matched_event_id"] for wait in await run.waits()] == [f"e{n}" for n in range(20)]
