"""Runs that can never run end as FAILED with a code, and runs that are over stay over."""

from __future__ import annotations

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from engine import fault_points
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import quick, wait_event

CHANGES = {
    "DEFINITION_HASH_MISMATCH": "UPDATE workflow_definition_versions SET definition_json ="
    " jsonb_set(definition_json, '{name}', '\"changed\"')",
    "DEFINITION_NOT_FOUND": "DELETE FROM workflow_definition_versions",
    "DEFINITION_INVALID": "UPDATE workflow_definition_versions SET definition_json = '{\"steps\": 7}'",
}


async def refused(run: Run) -> ApplicationError:
    """What the execution failed with."""
    with pytest.raises(WorkflowFailureError) as caught:
        await run.result()
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


@pytest.mark.parametrize("code", sorted(CHANGES))
async def test_a_definition_that_cannot_be_used(idle_bench: Bench, code: str) -> None:
    await idle_bench.publish([quick("q")])
    run = await idle_bench.start()
    await idle_bench.execute(CHANGES[code])
    if code == "DEFINITION_INVALID":
        await idle_bench.execute("UPDATE workflow_runs SET definition_hash = NULL")
    async with idle_bench.worker():
        cause = await refused(run)
    assert (cause.type, cause.non_retryable) == ("WorkflowRuntimeV2.InterpreterCorruption", True)
    row = await run.row()
    assert (row["status"], row["error_json"]["code"], row["last_error_code"]) == ("FAILED", code, code)
    assert row["completed_at"] is not None
    assert await run.steps() == []


async def test_a_run_whose_row_was_closed_before_it_began(idle_bench: Bench) -> None:
    await idle_bench.publish([quick("q")])
    run = await idle_bench.start()
    await idle_bench.execute("UPDATE workflow_runs SET status = 'CANCELED', completed_at = now()")
    async with idle_bench.worker():
        cause = await refused(run)
    assert cause.type == "RunClosed"
    assert idle_bench.counts.ran["q"] == 0
    assert (await run.row())["status"] == "CANCELED"


async def test_a_run_whose_row_was_closed_while_it_waited(bench: Bench) -> None:
    await bench.publish([wait_event("w"), quick("q")])
    run = await bench.start()
    await run.waiting("event")
    await bench.execute("UPDATE workflow_runs SET status = 'FAILED', waiting_on = NULL, completed_at = now()")
    await run.send_event("PING")
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert (await run.row())["status"] == "FAILED"
    assert bench.counts.ran["q"] == 0
    assert [s["step_path"] for s in await run.steps()] == ["root.steps[0]"]


async def test_a_run_without_a_row(bench: Bench) -> None:
    await bench.publish([wait_event("w")])
    run = await bench.start()
    await run.waiting("event")
    await bench.execute("DELETE FROM workflow_runs")
    await run.send_event("PING")

    async def refused_now() -> bool:
        pending = (await run.handle.describe()).raw_description.pending_activities
        return any("RunRowLost" in activity.last_failure.message for activity in pending)

    # The projection finds nothing to write. The execution waits for the reconciler, which ends it where one can see that.
    await bench.until(refused_now)
    await run.handle.terminate("the test has ended")


async def test_a_bug_of_ours_stops_the_workflow_task_and_a_correction_resumes_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.workflow.perform import Performer

    await bench.publish([wait_event("w"), quick("q", value=1)])
    run = await bench.start()
    await run.waiting("event")
    with monkeypatch.context() as patch:

        def broken(self: Performer, effect: object) -> object:
            raise KeyError("a bug")

        patch.setattr(Performer, "_quick", broken)
        await run.send_event("PING")

        async def failing() -> bool:
            return (await run.events())["WORKFLOW_TASK_FAILED"] >= 1

        await bench.until(failing)
        assert (await run.row())["status"] in ("WAITING", "RUNNING")
    row = await run.ended()
    assert row["output_json"]["q"] == {"value": 1}


async def test_a_database_that_is_away_delays_a_run_and_does_not_fail_it(bench: Bench) -> None:
    failures = dict.fromkeys(fault_points.POINTS, 5)

    def away(point: str) -> None:
        if point.endswith((".before", ".before_claim")) and failures[point] > 0:
            failures[point] -= 1
            raise ConnectionError("the database is away")

    await bench.publish([quick("a", value=1), wait_event("w"), quick("b", value=2)])
    with fault_points.installed(away):
        run = await bench.start()
        await run.waiting("event")
        await run.send_event("PING")
        row = await run.ended()
    assert row["status"] == "SUCCEEDED"
    assert row["output_json"]["b"] == {"value": 2}
    assert failures["run_chain.before_claim"] == failures["load_run.before"] == failures["end_wait.before"] == 0
    assert [t["attempt"] for t in await run.tries()] == [1, 1]
