"""Values that no row and no index can hold, met by runs on a real Temporal: a step fails, and its definition can catch that."""

from __future__ import annotations

import pytest

from engine.activities.memory_ceiling import MemoryCeiling, MemoryFull
from tests.engine.activities.test_refused_values import RANDOM
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import assign, attempt, call, quick, wait_event

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
