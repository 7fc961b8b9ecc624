"""What the tables say about what a run did."""

from __future__ import annotations

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import (
    assign,
    attempt,
    call,
    for_each,
    going_on,
    ordinary,
    quick,
    retried,
    set_state,
)

pytestmark = pytest.mark.usefixtures("unhurried")


async def test_a_successful_run(bench: Bench) -> None:
    run = await bench.play([quick("a", value=3), ordinary("b", value="=a.value + 1")], {"in": 1})
    row = await run.row()
    assert (row["status"], row["step_count"], row["node_path"], row["error_json"]) == ("SUCCEEDED", 2, None, None)
    assert row["output_json"] == {"a": {"value": 3}, "b": {"value": 4}}
    assert row["completed_at"] >= row["started_at"]
    assert await run.step_states() == [("root.steps[0]", "", "SUCCEEDED", 1), ("root.steps[1]", "", "SUCCEEDED", 1)]
    first = (await run.steps())[0]
    assert first["outcome_json"] == {"savedAs": "a"}
    assert first["duration_ms"] >= 0
    assert first["completed_at"] >= first["started_at"]
    one, two = await run.tries()
    assert (one["status"], one["attempt"], one["worker_identity"]) == ("SUCCEEDED", 1, bench.identity)
    assert (one["input_json"], one["output_json"]) == ({"label": "a", "value": 3}, {"value": 3})
    assert two["output_json"] == {"value": 4}
    result = await run.result()
    assert result["scopes"]["vars"] == {"a": {"value": 3}, "b": {"value": 4}}
    assert result["scopes"]["payload"] == {"in": 1}


async def test_a_failed_run_says_where_and_why_in_its_row_and_in_temporal(bench: Bench) -> None:
    fails = call("f", "test.fails", category="IntegrationError", message="no", code="E7", details={"n": 1})
    run = await bench.play([set_state("s"), fails])
    row = await run.row()
    assert (row["status"], row["node_path"], row["node_step_id"]) == ("FAILED", "root.steps[1]", "f")
    assert row["last_error_code"] == "E7"
    error = row["error_json"]
    assert {name: error[name] for name in ("category", "message", "code", "details", "nodePath")} == {
        "category": "IntegrationError",
        "message": "no",
        "code": "E7",
        "details": {"n": 1},
        "nodePath": "root.steps[1]",
    }
    assert await run.step_states() == [("root.steps[0]", "", "SUCCEEDED", 1), ("root.steps[1]", "", "FAILED", 1)]
    assert (await run.steps())[1]["error_json"]["code"] == "E7"
    [tried] = await run.tries()
    assert (tried["status"], tried["error_json"]["code"], tried["error_message"]) == ("FAILED", "E7", "no")
    with pytest.raises(WorkflowFailureError) as caught:
        await run.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.message, cause.non_retryable) == ("WorkflowRuntimeV2.IntegrationError", "no", True)
    assert cause.details[0]["code"] == "E7"


async def test_every_try_is_a_row_and_the_step_is_one(bench: Bench) -> None:
    run = await bench.play([retried(call("f", "test.flaky", label="f", failures=2))])
    row = await run.row()
    assert (row["status"], row["last_error_code"], row["step_count"]) == ("SUCCEEDED", None, 1)
    assert await run.step_states() == [("root.steps[0]", "", "SUCCEEDED", 3)]
    assert [(t["attempt"], t["status"]) for t in await run.tries()] == [(1, "FAILED"), (2, "FAILED"), (3, "SUCCEEDED")]
    assert [t["error_json"]["message"] for t in (await run.tries())[:2]] == ["not yet, try 1", "not yet, try 2"]
    assert [(w["wait_type"], w["attempt"], w["status"]) for w in await run.waits()] == [
        ("retry", 1, "RESOLVED"),
        ("retry", 2, "RESOLVED"),
    ]
    assert [line["level"] for line in await run.logs()] == ["INFO", "WARN", "WARN"]
    assert bench.counts.ran["f"] == 3


async def test_the_row_waits_for_the_next_try_and_says_why(bench: Bench) -> None:
    await bench.publish([retried(call("f", "test.flaky", label="f", failures=1), backoffMs=60_000)])
    run = await bench.start()
    row = await run.waiting("retry")
    assert (row["last_error_code"], row["attempt"], row["node_path"]) == ("NOT_YET", 1, "root.steps[0]")
    [step] = await run.steps()
    assert (step["status"], step["error_json"]["code"]) == ("STARTED", "NOT_YET")


async def test_a_failure_that_was_absorbed_stays_on_the_step(bench: Bench) -> None:
    fails = call("f", "test.fails", category="ActionError", message="no", code="E1")
    loop = for_each("l", "[1, 2]", [{**fails, "id": "g"}, quick("q")], onItemError="continue")
    run = await bench.play([going_on(fails), attempt("t", [{**fails, "id": "h"}], [quick("c")]), loop])
    row = await run.row()
    assert (row["status"], row["error_json"], row["last_error_code"]) == ("SUCCEEDED", None, None)
    steps = {(s["definition_step_id"], s["iteration"]): s for s in await run.steps()}
    assert (steps["f", ""]["status"], steps["f", ""]["handled_by"]) == ("SUCCEEDED", "onError-continue")
    assert steps["f", ""]["error_json"]["code"] == "E1"
    assert (steps["h", ""]["status"], steps["h", ""]["handled_by"]) == ("FAILED", "tryCatch")
    for iteration in ("0", "1"):
        assert (steps["g", iteration]["status"], steps["g", iteration]["handled_by"]) == ("FAILED", "forEach-continue")
        assert steps["q", iteration]["status"] == "SUCCEEDED"
    assert row["output_json"]["caught"]["code"] == "E1"


async def test_iterations_are_rows_of_their_own_and_equal_inputs_are_not_one(bench: Bench) -> None:
    run = await bench.play([for_each("l", "[7, 7, 7]", [call("w", "test.writes", label="k")])])
    assert [(s["step_path"], s["iteration"]) for s in await run.steps()] == [
        ("root.steps[0]", ""),
        *(("root.steps[0].body.steps[0]", str(n)) for n in range(3)),
    ]
    assert bench.counts.ran["k"] == 3
    [stored] = await bench.rows("SELECT value FROM workflow_data_store")
    assert stored["value"] == 3


async def test_a_pure_action_has_its_try_and_no_activity(bench: Bench) -> None:
    run = await bench.play([call("u", "transform.uppercase_text", text="abc")])
    [tried] = await run.tries()
    assert (tried["action_id"], tried["status"], tried["output_json"]) == (
        "transform.uppercase_text",
        "SUCCEEDED",
        {"text": "ABC"},
    )
    assert tried["worker_identity"] is None
    assert (await run.events())["MARKER_RECORDED"] == 2


async def test_a_transactional_action_that_fails_leaves_nothing_but_its_failure(bench: Bench) -> None:
    run = await bench.play([call("w", "test.writes", label="k", fail=True)])
    assert (await run.row())["error_json"]["code"] == "AFTER_WRITING"
    assert await bench.rows("SELECT 1 FROM workflow_data_store") == []
    [tried] = await run.tries()
    assert tried["status"] == "FAILED"


async def test_thousands_of_pure_steps_are_all_written(bench: Bench) -> None:
    run = await bench.play(
        [assign("seed", big="payload.items"), for_each("l", "vars.big", [assign("n", last="item")])],
        {"items": list(range(1500))},
    )
    row = await run.row()
    assert (row["status"], row["step_count"]) == ("SUCCEEDED", 1502)
    [count] = await bench.rows("SELECT count(*) AS n FROM workflow_run_steps WHERE status = 'SUCCEEDED'")
    assert count["n"] == 1502
    assert (await run.events())["ACTIVITY_TASK_SCHEDULED"] == 0


async def test_steps_are_counted_once_for_the_tenant(bench: Bench) -> None:
    await bench.play([quick(f"q{n}") for n in range(3)])
    await bench.play([assign("a", x="1"), ordinary("o")])
    [usage] = await bench.rows("SELECT used_count, effective_limit FROM workflow_step_usage_periods")
    assert (usage["used_count"], usage["effective_limit"]) == (5, None)
