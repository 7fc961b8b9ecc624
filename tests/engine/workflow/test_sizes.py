"""Values that no row and no index can hold, met by runs on a real Temporal: a step fails, and its definition can catch that."""

from __future__ import annotations

import pytest

from engine.activities.memory_ceiling import MemoryCeiling, MemoryFull
from engine.operations.events.routing import route_received
from tests.engine.activities.test_refused_values import RANDOM
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.restored import Reconciling
from tests.engine.workflow.steps import assign, attempt, call, for_each, quick, wait_event

CASES = {
    "a key in bytes": (wait_event("b", key="payload.key"), "KEY_TOO_LONG"),
    "a name": (wait_event("b", name=RANDOM), "EVENT_NAME_TOO_LONG"),
    "a constraint at the commit": (
        call("b", "test.executes", label="b", text="", sql="INSERT INTO deferred VALUES (1)"),
        "DATABASE_CONSTRAINT",
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_f2_what_can_never_be_written_fails_the_step(bench: Bench, case: str) -> None:
    step, code = CASES[case]
    await bench.execute("CREATE TABLE deferred_of (n int PRIMARY KEY)")
    await bench.execute("CREATE TABLE deferred (n int REFERENCES deferred_of DEFERRABLE INITIALLY DEFERRED)")
    steps = [quick("a"), attempt("t", [step], [assign("e", code="error.code"), quick("c")]), quick("d")]
    run = await bench.play(steps, {"key": RANDOM[:334]})
    row = await run.row()
    assert (row["status"], row["output_json"]["code"]) == ("SUCCEEDED", code)
    assert [bench.counts.ran[label] for label in "acd"] == [1, 1, 1]
    assert [s["status"] for s in await run.steps() if s["definition_step_id"] == "b"] == ["FAILED"]


async def test_a_chain_ends_where_the_memory_does(idle_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def every_second_time(self: MemoryCeiling, action_id: str) -> None:
        asked.append(action_id)
        if len(asked) % 2 == 0:
            raise MemoryFull("WORKER_MEMORY_FULL", "No room.", "")

    monkeypatch.setattr(MemoryCeiling, "require_room", every_second_time)
    async with idle_bench.worker():
        run = await idle_bench.play([quick("a"), quick("b"), quick("c")])
    assert (await run.row())["status"] == "SUCCEEDED"
    assert idle_bench.counts.ran == {"a": 1, "b": 1, "c": 1}


async def test_a_workflow_task_records_no_more_than_temporal_takes(bench: Bench) -> None:
    """Six megabytes of outcomes within a second or two, where one message may have four; the run goes on after them."""
    loop = for_each("l", "[1..50]", [quick("q", value="=payload.large")])
    await bench.publish([loop, assign("a", q="null"), wait_event("w", "GO"), quick("after")])
    run = await bench.start({"large": "x" * 120_000})
    await run.waiting("event")
    await run.send_event("GO")
    assert (await run.ended())["status"] == "SUCCEEDED"
    assert (bench.counts.ran["q"], (await run.events())["WORKFLOW_TASK_FAILED"]) == (50, 0)


async def test_f40_large_events_that_are_taken_one_after_the_other(bench: Bench) -> None:
    """They have come before, so that no wait for them waits."""
    loop = for_each("l", "[1..40]", [wait_event("w", "LARGE", key="null")])
    await bench.publish([wait_event("go", "GO"), loop, assign("a", event="null"), wait_event("end", "END")])
    run = await bench.start()
    await run.waiting("event")
    await bench.execute(
        "INSERT INTO workflow_runtime_events (tenant, event_id, event_name, correlation_keys, payload, state)"
        " SELECT CAST(:tenant AS uuid), 'large ' || n, 'LARGE', '[]', jsonb_build_object('n', n, 'body', repeat('x', 150000)),"
        " 'received' FROM generate_series(1, 40) AS n",
        tenant=bench.tenant,
    )
    while await route_received(Reconciling(bench).context):
        pass
    await run.send_event("GO")

    async def all_taken() -> bool:
        return [wait["event_name"] for wait in await run.waits()][-1] == "END"

    await bench.until(all_taken)
    await run.send_event("END", event_id="end")
    assert (await run.ended())["status"] == "SUCCEEDED"
    assert (await run.events())["WORKFLOW_TASK_FAILED"] == 0
