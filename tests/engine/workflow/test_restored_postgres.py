"""F41: Postgres is restored to an earlier moment while Temporal went on. Runs go on, or end and say why."""

from __future__ import annotations

import asyncio

import pytest

from engine.activities.rewriting import Rewriting
from engine.operations.attention import attention
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.operations.health import system_health
from engine.operations.reconcile import executions, positions
from engine.operations.reconcile.lost_records import close_what_lost_records_left
from engine.operations.reconcile.reconcile import close_leftovers, close_stranded
from engine.operations.tasks.tasks import complete_task
from engine.records import AttentionKind
from engine.store.runs.reconciling import Leftovers
from engine.worker import reconcile
from engine.worker.parts import PartReport
from engine.worker.reconcile import Reconciler
from tests.engine.operations.conftest import age
from tests.engine.workflow.harness import PATIENCE_SECONDS, Bench, Run
from tests.engine.workflow.restored import Reconciling, keep, put_back
from tests.engine.workflow.steps import (
    Step,
    ask,
    call,
    call_workflow,
    quick,
    retried,
    wait_event,
    wait_time,
)


@pytest.fixture(autouse=True)
def looks_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look is one look later, however soon that is, and no row is too young to be looked at."""
    monkeypatch.setattr(positions, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(positions, "SECOND_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(executions, "SECOND_LOOK_SECONDS", 0.0)


async def behind(bench: Bench, step: Step, on: str) -> Run:
    """A run whose execution waits at ``step`` while its row says that it waits at the step ``a`` before it."""
    await bench.publish([wait_event("a", "A"), quick("between"), step, quick("after")])
    run = await bench.start({"n": 7})
    await run.waiting("event")
    await run.at_rest()
    await keep(bench)
    await Reconciling(bench).submit("A")

    async def arrived() -> bool:
        row = await run.row()
        return (row["waiting_on"], row["node_step_id"]) == (on, step["id"])

    await bench.until(arrived)
    for row in await bench.rows("SELECT run_id::text AS id FROM workflow_runs WHERE parent_run_id IS NOT NULL"):
        child = Run(bench, row["id"])
        await child.waiting("event")
        await child.at_rest()
    await run.at_rest()
    await put_back(bench)
    assert (await run.row())["node_step_id"] == "a"
    return run


async def brought_together(bench: Bench, run: Run, reconciling: Reconciling, on: str) -> None:
    """Nothing is done at the first look; at the second the rows are where the execution is."""
    before = await run.row()
    first = await reconciling.look()
    assert (first.compared, first.mended, first.ended) == (1, 0, 0)
    assert await run.row() == before
    assert (await reconciling.look()).mended == 1
    row = await run.row()
    assert (row["status"], row["waiting_on"], row["node_step_id"]) == ("WAITING", on, "b")
    waits = {wait["step_path"]: (wait["wait_type"], wait["status"]) for wait in await run.waits()}
    assert waits == {"root.steps[0]": ("event", "CANCELED"), "root.steps[2]": (on, "WAITING")}
    states = {step["definition_step_id"]: step["status"] for step in await run.steps()}
    assert states["a"] == "CANCELED"
    assert states["b"] == "STARTED"
    [told] = await reconciling.told()
    assert told["run_id"] == run.id
    assert "its rows are at record 2 at root.steps[0], its execution at record 8 at root.steps[2]" in told["reason"]
    assert [line["message"] for line in await run.logs() if line["level"] == "WARN"][-1] == told["reason"]
    assert (await reconciling.look()).mended == 0
    assert bench.counts.ran["between"] == 1


async def test_f41_at_an_event_that_came_while_no_row_told_of_the_wait(bench: Bench) -> None:
    run = await behind(bench, wait_event("b", "B"), "event")
    reconciling = Reconciling(bench)
    await age(bench.execute)
    finding = (await diagnose_run(reconciling.context, run.id)).findings[0]
    assert finding.code == "STORES_DISAGREE"
    assert "its rows are at record 2 at root.steps[0], its execution at record 8 at root.steps[2]" in finding.sentence
    await reconciling.submit("B", {"paid": True})
    assert await bench.rows("SELECT FROM workflow_event_deliveries WHERE event_name = 'B'") == []
    await reconciling.look()
    assert (await reconciling.look()).mended == 1
    row = await run.ended()
    assert (row["status"], row["output_json"]["event"]) == ("SUCCEEDED", {"paid": True})
    assert (bench.counts.ran["between"], bench.counts.ran["after"]) == (1, 1)
    [item] = [item for item in (await attention(reconciling.context)).items if item.kind is AttentionKind.STORES]
    assert (item.run_id, item.workflow_id) == (run.id, "wf.main")
    assert "its rows are at record 2" in item.reason
    [part] = [part for part in await system_health(reconciling.context) if part.name == "stores"]
    assert part.detail == "Postgres and Temporal disagreed about 1 run within a day"


async def test_f41_at_an_event_that_comes_afterwards(bench: Bench) -> None:
    run = await behind(bench, wait_event("b", "B"), "event")
    reconciling = Reconciling(bench)
    await brought_together(bench, run, reconciling, "event")
    await reconciling.submit("B")
    assert (await run.ended())["status"] == "SUCCEEDED"
    assert {step["definition_step_id"]: step["status"] for step in await run.steps()} == {
        "a": "CANCELED", "b": "SUCCEEDED", "after": "SUCCEEDED",
    } | {s["definition_step_id"]: s["status"] for s in await run.steps() if s["definition_step_id"] == "between"}  # fmt: skip


async def test_f41_at_a_person(bench: Bench) -> None:
    run = await behind(bench, ask("b"), "human")
    reconciling = Reconciling(bench)
    await brought_together(bench, run, reconciling, "human")
    [task] = await bench.rows("SELECT task_id::text AS id, title FROM workflow_human_tasks")
    assert task["title"] == "Approve?"
    await complete_task(reconciling.context, task["id"], {"approved": True})
    assert (await run.ended())["output_json"]["event"] == {"approved": True}


@pytest.mark.parametrize(
    ("step", "on"),
    [
        (wait_time("b", 3_600_000), "time"),
        (retried(call("b", "test.flaky", label="b", failures=1), backoffMs=3_600_000), "retry"),
    ],
    ids=["time", "retry"],
)
async def test_f41_at_a_time(bench: Bench, step: Step, on: str) -> None:
    run = await behind(bench, step, on)
    reconciling = Reconciling(bench)
    await reconciling.look()
    assert (await reconciling.look()).mended == 1
    row = await run.row()
    assert (row["waiting_on"], row["node_step_id"]) == (on, "b")
    assert [(wait["wait_type"], wait["status"]) for wait in await run.waits()][-1] == (on, "WAITING")
    assert (await reconciling.look()).mended == 0


async def test_f41_at_a_child_that_is_lost_with_its_parents_wait(bench: Bench) -> None:
    await bench.publish([wait_event("c", "C"), quick("inside")], "wf.child")
    run = await behind(bench, call_workflow("b", "wf.child"), "child")
    assert await bench.rows("SELECT FROM workflow_runs WHERE parent_run_id IS NOT NULL") == []
    reconciling = Reconciling(bench)
    for _ in range(2):
        # An execution without a row whose parent is open is its parent's.
        assert (await reconciling.look_at_executions()).ended == 0
    await reconciling.look()
    assert (await reconciling.look()).mended == 1, "the parent, and with it the child's row"
    await reconciling.look()
    assert (await reconciling.look()).mended == 1, "the child"
    await reconciling.submit("C")
    assert (await run.ended())["status"] == "SUCCEEDED"
    assert bench.counts.ran["inside"] == 1


async def test_f41_a_task_that_was_done_after_the_moment_is_open_no_longer(bench: Bench) -> None:
    await bench.publish([ask("a"), wait_event("b", "B")])
    run = await bench.start()
    await run.waiting("human")
    await run.at_rest()
    await keep(bench)
    reconciling = Reconciling(bench)
    [task] = await bench.rows("SELECT task_id::text AS id FROM workflow_human_tasks")
    await complete_task(reconciling.context, task["id"], {})
    await run.waiting("event")
    await run.at_rest()
    await put_back(bench)
    await reconciling.look()
    assert (await reconciling.look()).mended == 1
    assert await close_leftovers(reconciling.context) == Leftovers(waits=0, tasks=1, attempts=0)
    assert await bench.rows("SELECT status FROM workflow_human_tasks") == [{"status": "canceled"}]


async def test_f41_an_attempt_whose_outcome_alone_is_lost_is_open_no_longer(bench: Bench) -> None:
    """The restored moment is one between an action's claim and its outcome; the run itself tells of no gap in its records."""
    await bench.publish([quick("a"), wait_event("b", "B")])
    run = await bench.start()
    await run.waiting("event")
    await run.at_rest()
    async with bench.store.begin() as connection:
        await connection.exec_driver_sql(
            "UPDATE workflow_action_invocations SET status = 'STARTED', completed_at = NULL, output_json = NULL"
        )
    reconciling = Reconciling(bench)
    assert await close_leftovers(reconciling.context) == Leftovers(waits=0, tasks=0, attempts=1)
    assert await bench.rows("SELECT status FROM workflow_action_invocations") == [{"status": "ABANDONED"}]


async def test_f41_a_wait_that_ends_before_anybody_has_looked(idle_bench: Bench) -> None:
    bench = idle_bench
    async with bench.worker():
        run = await behind(bench, wait_time("b", 1_000), "time")
    async with bench.worker():
        assert (await run.ended())["status"] == "SUCCEEDED"
    ended = {wait["step_path"]: wait["status"] for wait in await run.waits()}
    assert ended == {"root.steps[0]": "WAITING", "root.steps[2]": "RESOLVED"}
    assert bench.counts.ran["after"] == 1
    reconciling = Reconciling(bench)
    assert await close_what_lost_records_left(reconciling.context) == 1
    assert {wait["step_path"]: wait["status"] for wait in await run.waits()}["root.steps[0]"] == "CANCELED"
    [lost] = [step for step in await run.steps() if step["definition_step_id"] == "a"]
    assert (lost["status"], lost["error_json"]["code"]) == ("CANCELED", "STORES_DISAGREE")
    [told] = await reconciling.told()
    assert told["run_id"] == run.id
    assert "it went on. Records 3 to 8 are lost as far as they are not shown" in told["reason"]
    assert "What they had left open was closed: 2 rows." in told["reason"]
    assert await close_what_lost_records_left(reconciling.context) == 0


async def test_f41_an_event_gets_a_number_that_the_run_has_looked_up_to_before(idle_bench: Bench) -> None:
    bench, waiting_again = idle_bench, wait_event("d", "B")
    async with bench.worker():
        await bench.publish([wait_event("a", "A"), wait_event("b", "B"), wait_time("t", 1_000), waiting_again])
        run = await bench.start()
        await run.waiting("event")
        await run.at_rest()
        reconciling = Reconciling(bench)
        await reconciling.submit("OTHER")
        await keep(bench)
        await reconciling.submit("B", {"which": "first"})
        await reconciling.submit("A")

        async def taken() -> bool:
            return bool((await run.row())["waiting_on"] == "time")

        await bench.until(taken)
        await run.at_rest()
        await put_back(bench)
    await reconciling.submit("B", {"which": "second"})
    async with bench.worker():
        row = await run.ended()
    assert (row["status"], row["output_json"]["event"]) == ("SUCCEEDED", {"which": "second"})


async def test_f41_a_run_that_goes_on_from_an_attempt_that_is_open_in_its_rows(bench: Bench) -> None:
    await bench.publish([call("g", "test.gated", label="g"), wait_event("b", "B"), quick("after")])
    run = await bench.start()
    await asyncio.wait_for(bench.counts.begun("g").wait(), PATIENCE_SECONDS)
    await keep(bench)
    bench.counts.gate("g").set()
    await run.waiting("event")
    await run.at_rest()
    await put_back(bench)
    await run.send_event("B")
    row = await run.ended()
    assert row["status"] == "SUCCEEDED"
    left = [attempt["status"] for attempt in await run.tries()]
    assert left == ["STARTED", "SUCCEEDED"]
    await close_what_lost_records_left(Reconciling(bench).context)
    assert [attempt["status"] for attempt in await run.tries()] == ["ABANDONED", "SUCCEEDED"]
    assert [(step["definition_step_id"], step["status"]) for step in await run.steps()] == [
        ("g", "CANCELED"), ("b", "SUCCEEDED"), ("after", "SUCCEEDED"),
    ]  # fmt: skip


async def test_f41_an_action_that_was_under_way_keeps_its_outcome(bench: Bench) -> None:
    await bench.publish([wait_event("a", "A"), call("g", "test.gated", label="g"), quick("after")])
    run = await bench.start()
    await run.waiting("event")
    await run.at_rest()
    await keep(bench)
    await Reconciling(bench).submit("A")
    await asyncio.wait_for(bench.counts.begun("g").wait(), PATIENCE_SECONDS)
    await put_back(bench)
    bench.counts.gate("g").set()
    assert (await run.ended())["status"] == "SUCCEEDED"
    assert bench.counts.ran["g"] == 1
    assert [(a["action_id"], a["status"]) for a in await run.tries()] == [
        ("test.gated", "SUCCEEDED"), ("test.quick", "SUCCEEDED"),
    ]  # fmt: skip


async def test_f41_an_execution_without_a_row_ends_where_one_can_see_it(bench: Bench) -> None:
    await bench.publish([wait_event("a", "A")])
    kept = await bench.start()
    await kept.waiting("event")
    await keep(bench)
    lost = await bench.start({"order": "A-1"})
    await lost.waiting("event")
    await put_back(bench)
    reconciling = Reconciling(bench)

    async def ended() -> bool:
        # Temporal's list is a little behind.
        return (await reconciling.look_at_executions()).ended > 0

    await bench.until(ended)
    described = await lost.handle.describe()
    assert described.status is not None
    assert described.status.name == "TERMINATED"
    row = await lost.row()
    assert (row["status"], row["last_error_code"], row["input_json"]) == (
        "FAILED", "STORES_DISAGREE", {"order": "A-1"},
    )  # fmt: skip
    assert "its execution was open and had no row" in row["error_json"]["message"]
    [told] = await reconciling.told()
    assert told["run_id"] == lost.id
    assert (await kept.row())["status"] == "WAITING"
    described = await kept.handle.describe()
    assert described.status is not None
    assert described.status.name == "RUNNING"


async def test_f41_an_execution_that_has_ended_closes_the_row_that_is_behind(bench: Bench) -> None:
    await bench.publish([wait_event("a", "A"), quick("after")])
    run = await bench.start()
    await run.waiting("event")
    await run.at_rest()
    await keep(bench)
    reconciling = Reconciling(bench)
    await reconciling.submit("A")
    await run.ended()
    await put_back(bench)
    await age(bench.execute)
    assert (await close_stranded(reconciling.context)).closed == 1
    row = await run.row()
    assert (row["status"], row["output_json"]["after"]) == ("SUCCEEDED", {"value": None})


async def test_f41_the_reconciler_of_a_worker_does_it_as_a_duty(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "SECONDS", 0.05)
    run = await behind(bench, wait_event("b", "B"), "event")
    stop = asyncio.Event()
    reconciler = Reconciler(Reconciling(bench).context, Rewriting(bench.dependencies))
    duty = asyncio.create_task(reconciler.run(PartReport("reconciler", 90.0, stop)))

    async def mended() -> bool:
        return bool((await run.row())["node_step_id"] == "b")

    await bench.until(mended)
    stop.set()
    await duty
    await Reconciling(bench).submit("B")
    assert (await run.ended())["status"] == "SUCCEEDED"


async def test_healthy_runs_are_left_alone(bench: Bench) -> None:
    steps = {
        "event": wait_event("a", "A"), "time": wait_time("a", 3_600_000), "human": ask("a"),
        "retry": retried(call("a", "test.flaky", label="a", failures=1), backoffMs=3_600_000),
        "child": call_workflow("a", "wf.child"),
    }  # fmt: skip
    await bench.publish([wait_event("c", "C")], "wf.child")
    for on, step in steps.items():
        await bench.publish([quick("before"), step])
        run = await bench.start()
        await run.waiting(on)
        await run.at_rest()
    reconciling = Reconciling(bench)
    compared = 0
    for _ in range(6):
        done = await reconciling.look()
        compared += done.compared
        assert (done.mended, done.ended) == (0, 0)
        assert (await reconciling.look_at_executions()).ended == 0
    assert compared == len(steps) + 1, "each is asked once, the child too"
    assert reconciling.positions.suspects == {}
    assert await reconciling.told() == []


async def test_a_run_whose_rows_are_on_their_way_is_left_alone(bench: Bench) -> None:
    await bench.publish([wait_event("a", "A"), quick("between"), wait_event("b", "B")])
    run = await bench.start()
    await run.waiting("event")
    await run.at_rest()
    reconciling = Reconciling(bench)
    async with bench.store.begin() as connection:
        await connection.exec_driver_sql("SELECT FROM workflow_runs FOR UPDATE")
        await run.send_event("A")
        for _ in range(4):
            done = await reconciling.look()
            assert (done.mended, done.ended) == (0, 0)

    async def arrived() -> bool:
        return bool((await run.row())["node_step_id"] == "b")

    await bench.until(arrived)
    assert await reconciling.told() == []
    assert bench.counts.ran["between"] == 1
