"""Runs that were made on Temporal, computed again from what Postgres has of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine import fault_points
from engine.operations.tasks.tasks import cancel_task
from engine.rebuild.state import rebuild_end
from engine.workflow import continuation
from tests.conformance.rebuilding import assert_rebuilds
from tests.engine.rebuild.operating import answer_task, operator, publish_event, recorded_of
from tests.engine.workflow.harness import PATIENCE_SECONDS, Bench, Run
from tests.engine.workflow.steps import (
    Step,
    ask,
    assign,
    attempt,
    call,
    call_workflow,
    expression,
    for_each,
    going_on,
    ordinary,
    quick,
    retried,
    set_state,
    wait_event,
    wait_time,
    when,
)

FAILS = call("f", "test.fails", category="ActionError", message="no", code="E1", details={"zz": 1, "b": {"y": 1}})
EMAIL = {"id": "mail", "type": "email.parseBody", "config": {"text": expression("'hi'"), "saveAs": "mail"}}


async def rebuilds(run: Run) -> dict[str, Any]:
    """The row, after the run was found to be the one its records tell of."""
    await assert_rebuilds(run.bench.store, run.bench.tenant, run.id)
    return await run.row()


def later(name: str) -> Step:
    """A step that keeps the time it was made at."""
    return assign(f"at-{name}", **{f"at_{name}": "nowIso()"})


async def test_steps_of_every_kind(bench: Bench) -> None:
    await bench.publish([assign("d", doubled="payload.n * 2", big='{"zz": 1, "a": 2}'), quick("q")], "wf.child")
    outputs = {"vars.got": "childRun.vars.doubled", "vars.text": "toString(childRun.vars)", "vars.when": "nowIso()"}
    await bench.publish([
        assign("start", total="0", began="nowIso()", tenant="system.tenantId"),
        set_state("s", "STARTED"),
        ordinary("o", value='={"longer": 1, "b": [{"z": 1, "y": 2}]}'),
        assign("spelled", spelled="toString(vars.o)"),
        later("one"),
        for_each("outer", "payload.rows", [
            for_each("inner", "[1, 2]", [quick("q", value="=item"), assign("sum", total="vars.total + vars.q.value")]),
            when("i", "item = 2", [later("then")], [later("else")]),
        ]),
        retried(call("flaky", "test.flaky", label="flaky", failures=2)),
        later("two"),
        going_on(FAILS),
        attempt("t", [{**FAILS, "id": "g"}], [assign("c", caught="toString(vars.caught)"), later("three")]),
        call("upper", "transform.uppercase_text", text="=payload.text"),
        call("secret", "test.ordinary", value={"$secret": "TOKEN"}),
        call("writes", "test.writes", label="k"),
        EMAIL,
        wait_time("w", 30),
        later("four"),
        attempt("late", [wait_event("never", "NEVER", timeoutMs=20)], [later("five")]),
        wait_event("early", "EARLY", key="'k'"),
        assign("seen", seen="toString(vars.event)"),
        wait_event("e", "PING", key="'k'", filters=[{"path": "n", "op": ">", "value": 1}],
                   assign={"vars.n": expression("vars.event.n"), "vars.got_at": expression("nowIso()")}),
        ask("h"),
        assign("answered", answer="vars.event.ok", by="vars.eventName"),
        call_workflow("c", "wf.child", outputs=outputs, n="payload.n"),
        later("six"),
        when("end", "true", [{"id": "r", "type": "control.return"}]),
        quick("never-reached"),
    ])  # fmt: skip
    run = await bench.start({"rows": [1, 2, 3], "n": 21, "text": "abc"})
    await publish_event(bench, "EARLY", {"zzz": 1, "a": {"d": 1, "c": 2}})

    async def waits_for_ping() -> bool:
        row = await run.row()
        assert row["status"] in ("RUNNING", "WAITING"), row["error_json"]
        return bool(await bench.rows("SELECT 1 FROM workflow_run_waits WHERE event_name = 'PING'"))

    await bench.until(waits_for_ping)
    await assert_rebuilds(bench.store, bench.tenant, run.id)
    await publish_event(bench, "PING", {"n": 1})
    await publish_event(bench, "PING", {"n": 2, "a": 1})
    await answer_task(run, {"ok": True, "a": 1})
    assert (await run.ended())["status"] == "SUCCEEDED", (await run.row())["error_json"]
    row = await rebuilds(run)
    assert (row["output_json"]["answer"], row["output_json"]["by"], row["output_json"]["got"]) == (True, "DECIDED", 42)
    [child] = await bench.rows("SELECT run_id FROM workflow_runs WHERE parent_run_id IS NOT NULL")
    await assert_rebuilds(bench.store, bench.tenant, str(child["run_id"]))


async def test_an_event_that_came_past_the_router(bench: Bench) -> None:
    wait = wait_event("w", filters=[{"path": "n", "op": "exists"}])
    await bench.publish([wait, wait_event("x"), assign("seen", n="vars.event.n")])
    run = await bench.start()
    await run.waiting("event")
    await run.send_event("PING", {"n": 1, "token": "t"})
    await run.handle.signal("workflowRuntimeV2Event", {"eventName": "PING", "payload": {"n": 2}})
    await run.ended()
    assert (await rebuilds(run))["output_json"]["n"] == 2
    assert [wait["payload"] for wait in await run.waits()] == [
        {"filters": [{"path": "n", "op": "exists"}], "event": {"name": "PING", "payload": {"n": 1, "token": "t"}}},
        {"event": {"name": "PING", "payload": {"n": 2}}},
    ]


async def test_an_event_of_the_router_is_not_kept_twice(bench: Bench) -> None:
    await bench.publish([wait_event("w", key="'k'"), wait_event("x", "EARLY", key="'k'")])
    run = await bench.start()
    await run.waiting("event")
    await publish_event(bench, "EARLY", {"n": 2})
    await publish_event(bench, "PING", {"n": 1})
    await run.ended()
    assert (await rebuilds(run))["output_json"]["event"] == {"n": 2}
    assert [wait["payload"] for wait in await run.waits()] == [None, None]


async def test_a_run_that_failed(bench: Bench) -> None:
    loop = for_each("l", "[1, 2]", [assign("a", n="item"), {**FAILS, "id": "g"}], onItemError="continue")
    row = await rebuilds(await bench.play([loop, later("one"), for_each("m", "[7]", [FAILS])]))
    assert (row["status"], row["error_json"]["code"]) == ("FAILED", "E1")


async def test_an_action_that_declares_how_it_is_repeated(bench: Bench) -> None:
    run = await bench.play([attempt("t", [call("p", "test.patient", label="p", failures=9)], [later("one")])])
    row = await rebuilds(run)
    assert row["status"] == "SUCCEEDED"
    assert [tried["attempt"] for tried in await run.tries()] == [1, 2, 3]


async def test_a_child_that_fails_and_is_tried_again(bench: Bench) -> None:
    await bench.publish([{**FAILS, "id": "g"}], "wf.child")
    step = retried({**call_workflow("c", "wf.child"), "onError": {"policy": "continue"}})
    run = await bench.play([step, later("one"), attempt("t", [call_workflow("d", "wf.child")], [later("two")])])
    row = await rebuilds(run)
    assert row["output_json"]["caught"]["code"] == "E1"
    for child in await bench.rows("SELECT run_id FROM workflow_runs WHERE parent_run_id IS NOT NULL"):
        await assert_rebuilds(bench.store, bench.tenant, str(child["run_id"]))


async def test_a_child_that_succeeds_and_outputs_that_cannot_be_mapped(bench: Bench) -> None:
    await bench.publish([quick("q")], "wf.child")
    step = call_workflow("c", "wf.child", outputs={"vars.x": "childRun.vars.nothing"})
    row = await rebuilds(await bench.play([attempt("t", [step], [later("one")])]))
    assert row["output_json"]["caught"]["category"] == "ExpressionError"


async def test_a_child_that_may_not_start(bench: Bench) -> None:
    await bench.publish([quick("q")], "wf.child", payload_schema={"type": "object", "required": ["name"]})
    run = await bench.play([attempt("t", [call_workflow("c", "wf.child")], [later("one")])])
    recorded = await recorded_of(run)
    assert (await run.row())["output_json"]["caught"]["code"] == "PAYLOAD_REJECTED"
    ending = rebuild_end(recorded)
    assert (ending.status, ending.stop) == ("SUCCEEDED", None)
    assert ending.scopes["vars"] == (await run.row())["output_json"]


async def test_a_task_that_was_canceled(bench: Bench) -> None:
    await bench.publish([attempt("t", [ask("h")], [later("one")])])
    run = await bench.start()
    await run.waiting("human")
    [task] = await bench.rows("SELECT task_id FROM workflow_human_tasks")
    await cancel_task(operator(bench), str(task["task_id"]), "nobody can say")
    await run.ended()
    row = await rebuilds(run)
    assert row["output_json"]["caught"]["code"] == "TASK_CANCELED"


async def test_a_run_in_several_executions(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuation, "MAX_EVENTS", 40)
    body = [ordinary("o", value="=item"), later("in"), assign("sum", total="vars.total + vars.o.value")]
    fails = {**FAILS, "id": "g"}
    steps = [assign("zero", total="0"), attempt("t", [for_each("l", "payload.items", body), fails], [later("out")])]
    row = await rebuilds(await bench.play(steps, {"items": list(range(15))}))
    assert row["output_json"]["total"] == 105


async def test_a_run_that_paused_for_quota_between_pure_steps(bench: Bench) -> None:
    await bench.execute(
        "INSERT INTO workflow_settings (tenant, quota_limit) VALUES (CAST(:t AS uuid), 3)", t=bench.tenant
    )
    await bench.publish([later(name) for name in ("one", "two", "three", "four", "five")])
    run = await bench.start()
    await run.waiting("quota")
    await rebuilds(run)
    await asyncio.sleep(0.05)
    await bench.execute("UPDATE workflow_settings SET quota_limit = 30")
    await run.handle.signal("workflowRuntimeV2QuotaResume", {})
    await run.ended()
    values = (await rebuilds(run))["output_json"]
    assert values["at_three"] < values["at_four"]


async def test_thousands_of_pure_steps_and_their_times(bench: Bench) -> None:
    run = await bench.play([for_each("l", "payload.items", [later("x")]), later("y")], {"items": [0] * 1200})
    assert (await rebuilds(run))["step_count"] == 1202


@pytest.mark.parametrize(
    ("step", "on"),
    [
        (wait_event("w"), "event"),
        (wait_time("w", 60_000), "time"),
        (ask("w"), "human"),
        (retried(call("w", "test.flaky", label="w", failures=1), backoffMs=60_000), "retry"),
    ],
    ids=["event", "time", "human", "retry"],
)
async def test_a_run_that_waits_and_is_canceled(bench: Bench, step: Step, on: str) -> None:
    await bench.publish([for_each("l", "[5]", [assign("a", n="item"), attempt("t", [step], [set_state("caught")])])])
    run = await bench.start()
    await run.waiting(on)
    await rebuilds(run)
    await run.handle.cancel()
    await run.ended()
    assert (await rebuilds(run))["status"] == "CANCELED"


async def test_a_run_that_is_canceled_in_an_action(bench: Bench) -> None:
    await bench.publish([assign("a", n="1"), call("g", "test.gated", label="g"), quick("never")])
    run = await bench.start()
    await asyncio.wait_for(bench.counts.begun("g").wait(), PATIENCE_SECONDS)
    await rebuilds(run)
    await run.handle.cancel()
    await run.ended()
    assert (await rebuilds(run))["output_json"] == {"n": 1}
    bench.counts.gate("g").set()


async def test_a_run_that_is_canceled_as_its_action_succeeds(idle_bench: Bench) -> None:
    await idle_bench.publish([assign("a", n="1"), call("g", "test.gated", label="g"), quick("never")])
    async with idle_bench.worker():
        run = await idle_bench.start()
        await asyncio.wait_for(idle_bench.counts.begun("g").wait(), PATIENCE_SECONDS)

        def cancel_after_the_outcome(point: str) -> None:
            # The outcome is written, and the run does not know it yet.
            if point == "run_step.after_settle":
                run.cancel_first()

        with fault_points.installed(cancel_after_the_outcome):
            idle_bench.counts.gate("g").set()
            await run.ended()
    row = await rebuilds(run)
    assert (row["status"], (await run.steps())[1]["status"]) == ("CANCELED", "SUCCEEDED")
    # With both in one workflow task, it has the outcome as well.
    assert row["output_json"] in ({"n": 1}, {"n": 1, "g": {"value": "g"}})


async def test_values_that_are_kept_by_reference(bench: Bench) -> None:
    run = await bench.play([
        call("big", "test.sized", characters=300_000),
        call("half", "test.sized", characters=200_000),
        call("both", "test.ordinary", value="=vars.half.value", other="=vars.half.value"),
    ])  # fmt: skip
    assert (await rebuilds(run))["status"] == "SUCCEEDED"
    recorded = await recorded_of(run)
    assert recorded.tries["root.steps[0]", "", 1, 1].output == {"value": "x" * 300_000}
    assert recorded.tries["root.steps[2]", "", 1, 1].input["other"] == "x" * 200_000


async def test_what_was_made_of_an_input_that_is_too_large_is_known(idle_bench: Bench) -> None:
    idle_bench.max_value_bytes = 400_000
    async with idle_bench.worker():
        twice = call("twice", "test.ordinary", one="=vars.big.value", two="=vars.big.value")
        run = await idle_bench.play([
            call("big", "test.sized", characters=250_000),
            attempt("t", [twice], [assign("d", big="1", code="vars.caught.code")]),
        ])  # fmt: skip
    recorded = await recorded_of(run)
    ending = rebuild_end(recorded)
    assert (ending.stop, ending.scopes["vars"]) == (None, (await run.row())["output_json"])
    assert ending.scopes["vars"]["code"] == "PAYLOAD_TOO_LARGE"
