"""Runs whose histories are kept: between them they perform every effect of the machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from unittest.mock import patch

from temporalio.client import WorkflowHistory

from engine.contract import REPLAY_COST, SIGNAL_HUMAN_TASK, SIGNAL_QUOTA_RESUME
from engine.operations.runs import starting
from engine.workflow import continuation
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import (
    ask,
    assign,
    attempt,
    call,
    call_workflow,
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

Scenario = Callable[[Bench], Awaitable[Run]]


async def steps(bench: Bench) -> Run:
    """Quick, ordinary, transactional and pure steps, branches, loops, failures absorbed in every way."""
    fails = call("f", "test.fails", category="ActionError", message="no", code="E1")
    return await bench.play([
        assign("a", list="[1, 2, 3]"),
        quick("q", value="=payload.n"),
        ordinary("o", value="=vars.q.value + 1"),
        call("w", "test.writes", label="k"),
        call("u", "transform.uppercase_text", text="abc"),
        for_each("l", "vars.list", [when("i", "item > 1", [quick("big")], [set_state("small")])]),
        going_on(fails),
        attempt("t", [{**fails, "id": "g"}], [quick("caught")]),
        ordinary("last"),
    ], {"n": 1})  # fmt: skip


async def retries(bench: Bench) -> Run:
    """Tries that fail, with back-off and jitter."""
    return await bench.play([retried(call("f", "test.flaky", label="f", failures=2), jitter=True)])


async def waits(bench: Bench) -> Run:
    """An event, a deadline, a time, a person."""
    await bench.publish([
        wait_event("w", key='"k"', filters=[{"path": "n", "op": ">", "value": 1}]),
        attempt("t", [wait_event("late", timeoutMs=500)], [set_state("late")]),
        wait_time("time", 500),
        ask("person"),
        quick("q", value="=vars.event.ok"),
    ])  # fmt: skip
    run = await bench.start()
    await run.waiting("event")
    await run.send_event("PING", {"n": 1}, key="k", event_id="e1")
    await run.send_event("PING", {"n": 2}, key="k", event_id="e2")
    await run.waiting("human")
    [task] = await bench.rows("SELECT task_id FROM workflow_human_tasks")
    await run.handle.signal(SIGNAL_HUMAN_TASK, {"taskId": str(task["task_id"]), "payload": {"ok": True}})
    await run.ended()
    return run


async def children(bench: Bench) -> Run:
    """A child that succeeds and one that fails."""
    await bench.publish([quick("q", value="=payload.n")], "wf.child")
    await bench.publish([call("f", "test.fails", category="ActionError", message="no", code="E1")], "wf.fails")
    return await bench.play([
        call_workflow("c", "wf.child", outputs={"vars.got": "childRun.vars.q.value"}, n="3"),
        attempt("t", [call_workflow("d", "wf.fails")], [quick("caught")]),
    ])  # fmt: skip


async def held_call(bench: Bench) -> Run:
    """A call of a workflow that is paused: it waits until that is over."""
    await bench.publish([quick("q")], "wf.child")
    await bench.publish([call_workflow("c", "wf.child")])
    await bench.execute("UPDATE workflow_definitions SET is_paused = true WHERE workflow_id = 'wf.child'")
    run = await bench.start()
    await run.waiting("child")
    await bench.execute("UPDATE workflow_definitions SET is_paused = false")
    await run.ended()
    return run


async def looked_up(bench: Bench) -> Run:
    """An event that a wait refuses and the next one looks up, behind a page of others that both refuse."""
    kinds = [[{"path": "kind", "op": "=", "value": kind}] for kind in ("big", "small")]
    await bench.publish([wait_event("w", filters=kinds[0]), wait_event("then", filters=kinds[1])])
    run = await bench.start()
    await run.waiting("event")
    await bench.execute(
        "INSERT INTO workflow_runtime_events (tenant, event_id, event_name, correlation_keys, payload, state)"
        " SELECT CAST(:t AS uuid), 'e' || n, 'PING', '[]', jsonb_build_object('kind', CASE WHEN n = 1100 THEN 'small' END),"
        " 'routed' FROM generate_series(1, 1100) AS n",
        t=bench.tenant,
    )
    await run.send_event("PING", {"kind": "big"}, event_id="big")
    await run.ended()
    return run


async def quota(bench: Bench) -> Run:
    """A pause, a resume that was too early, and one that was not."""
    await bench.execute(
        "INSERT INTO workflow_settings (tenant, quota_limit) VALUES (CAST(:t AS uuid), 2)", t=bench.tenant
    )
    await bench.publish([quick(f"q{n}") for n in range(4)])
    run = await bench.start()
    await run.waiting("quota")
    await run.handle.signal(SIGNAL_QUOTA_RESUME, {})
    await run.at_rest()
    await bench.execute("UPDATE workflow_settings SET quota_limit = 20")
    await run.handle.signal(SIGNAL_QUOTA_RESUME, {})
    await run.ended()
    return run


async def canceled(bench: Bench) -> Run:
    """A cancel in a wait."""
    await bench.publish([quick("q"), wait_event("w")])
    run = await bench.start()
    await run.waiting("event")
    await run.handle.cancel(reason="not needed")
    await run.ended()
    return run


async def failed(bench: Bench) -> Run:
    """A run that fails."""
    return await bench.play([quick("q"), call("f", "test.fails", category="ActionError", message="no", code="E1")])


async def long_chain(bench: Bench) -> Run:
    """Quick steps for more than a second, and a flush of many pure ones."""
    return await bench.play([
        for_each("l", "payload.items", [set_state("s")]),
        for_each("m", "[1,2,3,4,5,6]", [call("p", "test.pause", label="p", seconds=0.3)]),
    ], {"items": list(range(450))})  # fmt: skip


async def continued(bench: Bench) -> Run:
    """The last execution of a run that went on as a new one, with an event it had not used yet."""
    with patch.object(continuation, "MAX_EVENTS", 40):
        await bench.publish([
            wait_event("gate", "GATE"),
            for_each("l", "[1, 2, 3, 4, 5, 6]", [ordinary("o", value="=item")]),
            wait_event("w"),
            quick("q", value="=vars.event.n"),
        ])  # fmt: skip
        run = await bench.start()
        await run.waiting("event")
        await run.send_event("PING", {"n": 1}, event_id="e1")
        await run.send_event("GATE", event_id="gate")
        await run.ended()
        return run


class FirstExecution(Run):
    """A run whose history is that of its first execution."""

    async def history(self) -> WorkflowHistory:
        """Ends with the change to the next one."""
        row = await self.row()
        handle = self.bench.client.get_workflow_handle(self.handle.id, run_id=row["temporal_run_id"])
        return await handle.fetch_history()


async def continued_by_cost(bench: Bench) -> Run:
    """The first execution of a run that went on as a new one because its replay would cost too much, with few events."""
    little = {**REPLAY_COST, "most": 60 * REPLAY_COST["event"]}
    with patch.object(starting, "REPLAY_COST", little):
        run = await bench.play([
            for_each("l", "[1, 2, 3, 4, 5, 6]", [
                assign("a", n="len(payload.items[n > 10])"),
                quick("q", value="=vars.n"),
                wait_time("t", 50),
            ]),
        ], {"items": [{"n": n} for n in range(300)]})  # fmt: skip
    return FirstExecution(bench, run.id)


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        steps,
        retries,
        waits,
        children,
        held_call,
        looked_up,
        quota,
        canceled,
        failed,
        long_chain,
        continued,
        continued_by_cost,
    )
}
