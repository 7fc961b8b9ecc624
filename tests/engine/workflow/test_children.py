"""Child runs: started by the rules, awaited, failed, canceled."""

from __future__ import annotations

from typing import Any

import pytest

from engine.contract import TEMPORAL_CLOCK_SEMANTICS, workflow_id_for
from engine.operations.runs import launch
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import (
    assign,
    attempt,
    call,
    call_workflow,
    quick,
    retried,
    set_state,
    wait_event,
    wait_time,
)


async def child_of(bench: Bench, run: Run) -> Run:
    """The one child of a run."""

    async def found() -> Any:
        return await bench.rows(
            "SELECT run_id FROM workflow_runs WHERE parent_run_id = CAST(:id AS uuid) ORDER BY started_at DESC",
            id=run.id,
        )

    rows = await bench.until(found)
    return Run(bench, str(rows[0]["run_id"]))


async def test_a_child_runs_and_its_outputs_are_mapped(bench: Bench) -> None:
    await bench.publish([assign("d", doubled="payload.n * 2"), quick("q")], "wf.child")
    outputs = {"vars.got": "childRun.vars.doubled", "vars.by": "childRun.system.workflowId"}
    run = await bench.play([call_workflow("c", "wf.child", outputs=outputs, n="payload.n"), quick("q")], {"n": 21})
    row = await run.row()
    assert row["status"] == "SUCCEEDED"
    assert row["output_json"]["got"] == 42
    assert row["output_json"]["by"] == "wf.child"
    child = await (await child_of(bench, run)).row()
    assert (child["status"], child["input_json"], child["trigger_type"]) == ("SUCCEEDED", {"n": 21}, "child")
    assert (str(child["root_run_id"]), child["depth"], child["launch_state"]) == (run.id, 1, "started")
    assert child["temporal_workflow_id"] == workflow_id_for(str(child["run_id"]))
    assert child["temporal_run_id"] == (await Run(bench, str(child["run_id"])).handle.describe()).run_id
    assert [(w["wait_type"], w["key"], w["status"]) for w in await run.waits()] == [
        ("child", str(child["run_id"]), "RESOLVED")
    ]
    [step, _] = await run.steps()
    assert step["outcome_json"] == {"childRunId": str(child["run_id"])}
    assert [line["message"] for line in await Run(bench, str(child["run_id"])).logs()] == ["Run started"]


async def test_a_child_of_an_earlier_run_has_its_semantics_and_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "SEMANTICS_VERSION", TEMPORAL_CLOCK_SEMANTICS)
    await bench.publish([assign("a", sum="payload.n + 1"), quick("q")], "wf.child")
    outputs = {"vars.by": "childRun.system.runtimeSemanticsVersion", "vars.sum": "childRun.vars.sum"}
    run = await bench.play([call_workflow("c", "wf.child", outputs=outputs, n="payload.n")], {"n": 2**53})
    row, child = await run.row(), await (await child_of(bench, run)).row()
    assert row["runtime_semantics_version"] == child["runtime_semantics_version"] == TEMPORAL_CLOCK_SEMANTICS
    assert (row["output_json"]["by"], row["output_json"]["sum"]) == (TEMPORAL_CLOCK_SEMANTICS, 2**53)


async def test_a_parent_says_that_it_waits_for_its_child(bench: Bench) -> None:
    await bench.publish([wait_event("w")], "wf.child")
    await bench.publish([call_workflow("c", "wf.child")])
    run = await bench.start()
    await run.waiting("child")
    child = await child_of(bench, run)
    await child.waiting("event")
    await child.send_event("PING")
    assert (await run.ended())["status"] == "SUCCEEDED"


async def test_a_child_that_fails_is_caught_with_its_cause(bench: Bench) -> None:
    await bench.publish([call("f", "test.fails", category="ActionError", message="no", code="E1")], "wf.child")
    run = await bench.play([attempt("t", [call_workflow("c", "wf.child")], [set_state("caught")])])
    error = (await run.row())["output_json"]["caught"]
    child = await child_of(bench, run)
    assert (error["category"], error["code"]) == ("ChildWorkflowError", "E1")
    assert error["message"] == "Child workflow wf.child version 1 failed: no"
    details = error["details"]
    assert {name: details[name] for name in ("workflowId", "workflowVersion", "childRunId", "rootRunId")} == {
        "workflowId": "wf.child",
        "workflowVersion": 1,
        "childRunId": child.id,
        "rootRunId": run.id,
    }
    assert (details["cause"]["category"], details["cause"]["code"]) == ("ActionError", "E1")
    assert details["cause"]["nodePath"] == "root.steps[0]"


async def test_every_try_is_a_child_of_its_own(bench: Bench) -> None:
    await bench.publish([call("f", "test.fails", category="ActionError", message="no", code="E1")], "wf.child")
    run = await bench.play([retried(call_workflow("c", "wf.child"), maxAttempts=2)])
    assert (await run.row())["status"] == "FAILED"
    children = await bench.rows("SELECT run_id, status FROM workflow_runs WHERE parent_run_id IS NOT NULL")
    assert [child["status"] for child in children] == ["FAILED", "FAILED"]
    assert [(w["wait_type"], w["attempt"]) for w in await run.waits()] == [("child", 1), ("retry", 1), ("child", 2)]


async def test_a_child_canceled_on_its_own_fails_its_parents_step(bench: Bench) -> None:
    await bench.publish([wait_time("w", 60_000)], "wf.child")
    await bench.publish([attempt("t", [call_workflow("c", "wf.child")], [set_state("caught")])])
    run = await bench.start()
    child = await child_of(bench, run)
    await child.waiting("time")
    await child.handle.cancel()
    row = await run.ended()
    assert row["status"] == "SUCCEEDED"
    assert row["output_json"]["caught"]["category"] == "ChildWorkflowError"
    assert row["output_json"]["caught"]["code"] == "CHILD_CANCELED"
    assert (await child.row())["status"] == "CANCELED"


async def test_canceling_the_parent_cancels_the_line_below_it(bench: Bench) -> None:
    await bench.publish([wait_time("w", 60_000)], "wf.grandchild")
    await bench.publish([call_workflow("c", "wf.grandchild")], "wf.child")
    await bench.publish([attempt("t", [call_workflow("c", "wf.child")], [set_state("never")])])
    run = await bench.start()
    child = await child_of(bench, run)
    grandchild = await child_of(bench, child)
    await grandchild.waiting("time")
    await run.handle.cancel()
    for one in (run, child, grandchild):
        assert (await one.ended())["status"] == "CANCELED"


async def test_a_child_that_may_not_start_fails_the_step_and_leaves_no_run(bench: Bench) -> None:
    schema = {"type": "object", "required": ["name"]}
    await bench.publish([quick("q")], "wf.child", payload_schema=schema)
    run = await bench.play([attempt("t", [call_workflow("c", "wf.child", other="1")], [set_state("caught")])])
    error = (await run.row())["output_json"]["caught"]
    assert (error["category"], error["code"]) == ("ChildWorkflowError", "PAYLOAD_REJECTED")
    run = await bench.play([call_workflow("c", "wf.nowhere")])
    assert (await run.row())["error_json"]["code"] == "WORKFLOW_NOT_FOUND"
    assert (await run.steps())[0]["status"] == "FAILED"
    assert await bench.rows("SELECT 1 FROM workflow_runs WHERE parent_run_id IS NOT NULL") == []


async def test_a_line_of_children_ends_at_sixteen(bench: Bench) -> None:
    await bench.publish([call_workflow("c", "wf.main")])
    run = await bench.start()
    await run.ended()
    [deepest] = await bench.rows(
        "SELECT depth, error_json FROM workflow_runs ORDER BY depth DESC LIMIT 1",
    )
    assert deepest["depth"] == 15
    assert deepest["error_json"]["code"] == "CHILD_TOO_DEEP"
    assert (await run.row())["status"] == "FAILED"


async def test_large_scopes_of_a_child_reach_the_parent(bench: Bench) -> None:
    await bench.publish([call("s", "test.sized", characters=400_000)], "wf.child")
    run = await bench.play([call_workflow("c", "wf.child", outputs={"vars.n": "len(childRun.vars.s.value)"})])
    assert (await run.row())["output_json"]["n"] == 400_000
    child = await (await child_of(bench, run)).row()
    assert child["output_json"] is None
    [kept] = await bench.rows(
        "SELECT length(value_json -> 'vars' -> 's' ->> 'value') AS n FROM workflow_payloads"
        " WHERE run_id = :id AND jsonb_typeof(value_json) = 'object' AND value_json ? 'vars'",
        id=child["run_id"],
    )
    assert kept["n"] == 400_000
