"""run_step, executed more than once, by more than one, and by workers that died in the middle of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from engine import fault_points
from engine.actions.secrets import EnvironmentSecrets, SecretResolver
from engine.activities import persistence
from engine.activities.dependencies import ActivityDependencies
from engine.activities.run_step import RunStep
from engine.definition.step_ref import StepRef
from engine.ids import new_id
from engine.interpreter.effects import StepRecord
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from engine.store.trace import settling_attempts
from engine.store.trace.claiming_attempts import KeyHeld
from engine.store.trace.payloads import INLINE_BYTES
from engine.store.trace.projection import Progress, Waiting, write_progress
from engine.workflow.encoding import encode_step, encode_trace
from engine.workflow.wire import RunStepInput, RunStepOutput
from tests.engine.workflow.actions import Counts, registry_of
from tests.engine.workflow.harness import PATIENCE_SECONDS

AT = "2026-01-01T00:00:00.000Z"


class Died(BaseException):
    """The worker is gone: nothing after this point happens."""


class World:
    """A store and what was done in it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.counts = Counts()

    def activity(self, identity: str = "one") -> RunStep:
        dependencies = ActivityDependencies(
            self.store, registry_of(self.counts), SecretResolver([EnvironmentSecrets({})]), identity
        )
        return RunStep(dependencies)

    async def run(self, status: str = "RUNNING", tenant: str = DEFAULT_TENANT) -> str:
        run_id = new_id()
        async with self.store.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO workflow_runs (run_id, tenant, workflow_id, workflow_version, status, engine, input_json)"
                    " VALUES (CAST(:id AS uuid), CAST(:tenant AS uuid), 'wf', 1, :status, 'temporal', '{}')"
                ),
                {"id": run_id, "tenant": tenant, "status": status},
            )
        return run_id

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        async with self.store.connect() as connection:
            return [dict(row) for row in (await connection.execute(text(sql))).mappings()]

    async def tries(self) -> list[tuple[str, int, str]]:
        rows = await self.rows("SELECT step_path, attempt, status FROM workflow_action_invocations ORDER BY created_at")
        return [(row["step_path"], row["attempt"], row["status"]) for row in rows]


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def request(
    run_id: str, action: str = "test.quick", *, path: str = "root.steps[0]", attempt: int = 1, seq: int = 1,
    key: str | None = None, tenant: str = DEFAULT_TENANT, **given: Any,
) -> RunStepInput:  # fmt: skip
    """What the workflow asks for a step that has just started."""
    step = StepRef(path, "", 1, "s", "action.call")
    return {
        "run": run_id,
        "tenant": tenant,
        "trace": encode_trace([StepRecord(seq, step, "STARTED", attempt, AT)]),
        "seq": seq,
        "steps": 1,
        "workflow": "wf",
        "workflow_version": 1,
        "step": encode_step(step),
        "attempt": attempt,
        "action": action,
        "version": 1,
        "input": {"label": "x", **given},
        "secrets": [],
        "key": key,
    }


async def run_step(activity: RunStep, what: RunStepInput) -> RunStepOutput:
    """As a worker does."""
    answer: RunStepOutput = await ActivityEnvironment().run(activity.run_step, what)
    answer.pop("at")
    return answer


def dying_at(point: str) -> Callable[[str], None]:
    """A worker that dies at this point."""

    def hook(reached: str) -> None:
        if reached == point:
            raise Died(point)

    return hook


async def test_the_row_tells_until_when_the_action_must_have_ended(world: World) -> None:
    run_id = await world.run()
    with fault_points.installed(dying_at("run_step.after_claim")), pytest.raises(Died):
        await run_step(world.activity(), request(run_id))
    seconds = "SELECT extract(epoch FROM step_due_at - updated_at) AS seconds FROM workflow_runs"
    [row] = await world.rows(seconds)
    quick = registry_of(world.counts).get("test.quick", 1).traits.timeout_seconds
    assert float(row["seconds"]) == quick
    async with world.store.begin() as connection:
        step = StepRef("root.steps[1]", "", 1, "w", "event.wait")
        await write_progress(connection, Progress(run_id, (), 9, 2), Waiting(step, "event", AT))
    [row] = await world.rows(seconds)
    assert row["seconds"] is None, "what waits has no action that must end"


@pytest.mark.parametrize("value", [7, "x" * INLINE_BYTES], ids=["inline", "by reference"])
async def test_a_repeat_of_a_finished_try_gives_its_outcome_and_runs_nothing(world: World, value: Any) -> None:
    what = request(await world.run(), value=value)
    first = await run_step(world.activity(), what)
    again = await run_step(world.activity("two"), what)
    assert first == again
    assert again["ok"] == {"value": value}
    assert world.counts.ran["x"] == 1
    assert await world.tries() == [("root.steps[0]", 1, "SUCCEEDED")]


async def test_a_repeat_of_a_failed_try_gives_its_error_and_runs_nothing(world: World) -> None:
    what = request(await world.run(), "test.fails", category="ActionError", message="no", code="E1")
    first = await run_step(world.activity(), what)
    again = await run_step(world.activity("two"), what)
    assert first == again
    assert first["error"]["code"] == "E1"
    assert world.counts.ran["x"] == 1
    [step] = await world.rows("SELECT status, error_json FROM workflow_run_steps")
    assert (step["status"], step["error_json"]["code"]) == ("STARTED", "E1")


@pytest.mark.parametrize(
    ("point", "runs"),
    [
        ("run_step.before_claim", 1),
        ("run_step.after_claim", 1),
        ("run_step.after_action", 2),
        ("run_step.after_settle", 1),
    ],
)
@pytest.mark.parametrize("action", ["test.quick", "test.ordinary"])
async def test_a_worker_that_died_at_any_point(world: World, action: str, point: str, runs: int) -> None:
    what = request(await world.run(), action, value=7)
    with fault_points.installed(dying_at(point)), pytest.raises(Died):
        await run_step(world.activity("dead"), what)
    assert await run_step(world.activity("alive"), what) == {"ok": {"value": 7}}
    assert world.counts.ran["x"] == runs
    assert await world.tries() == [("root.steps[0]", 1, "SUCCEEDED")]
    [usage] = await world.rows("SELECT used_count - (SELECT sum(quota_leased) FROM workflow_runs) AS n"
                               " FROM workflow_step_usage_periods")  # fmt: skip
    assert usage["n"] == 1


@pytest.mark.parametrize("point", ["run_step.before_claim", "run_step.in_transaction", "run_step.before_commit",
                                   "run_step.after_settle"])  # fmt: skip
async def test_a_transactional_action_has_its_effect_once(world: World, point: str) -> None:
    what = request(await world.run(), "test.writes")
    with fault_points.installed(dying_at(point)), pytest.raises(Died):
        await run_step(world.activity("dead"), what)
    assert await run_step(world.activity("alive"), what) == {"ok": {"value": 1}}
    [stored] = await world.rows("SELECT value FROM workflow_data_store")
    assert stored["value"] == 1
    assert await world.tries() == [("root.steps[0]", 1, "SUCCEEDED")]
    [step] = await world.rows("SELECT status, duration_ms FROM workflow_run_steps")
    assert step["status"] == "SUCCEEDED"


async def test_two_workers_at_once_have_one_transactional_effect(world: World) -> None:
    what = request(await world.run(), "test.writes")
    answers = await asyncio.gather(*(run_step(world.activity(f"w{n}"), what) for n in range(6)))
    assert answers == [{"ok": {"value": 1}}] * 6
    [stored] = await world.rows("SELECT value FROM workflow_data_store")
    assert stored["value"] == 1


async def test_two_workers_at_once_agree_on_one_outcome(world: World) -> None:
    what = request(await world.run(), "test.gated")
    both = [asyncio.create_task(run_step(world.activity(f"w{n}"), what)) for n in range(2)]

    async def running() -> None:
        while world.counts.ran["x"] < 2:  # noqa: ASYNC110 - the event of the action is set by the first already
            await asyncio.sleep(0.01)

    await asyncio.wait_for(running(), PATIENCE_SECONDS)
    world.counts.gate("x").set()
    assert await asyncio.gather(*both) == [{"ok": {"value": "x"}}] * 2
    assert await world.tries() == [("root.steps[0]", 1, "SUCCEEDED")]


async def test_an_explicit_key_spans_runs(world: World) -> None:
    first = await run_step(world.activity(), request(await world.run(), value=1, key="order-1"))
    second_run = await world.run()
    second = await run_step(world.activity(), request(second_run, value=1, key="order-1"))
    other = await run_step(world.activity(), request(await world.run(), value=3, key="order-2"))
    assert (first, second, other) == ({"ok": {"value": 1}}, {"ok": {"value": 1}}, {"ok": {"value": 3}})
    assert world.counts.ran["x"] == 2
    rows = await world.rows("SELECT run_id, status, output_json, worker_identity FROM workflow_action_invocations"
                            f" WHERE run_id = '{second_run}'")  # fmt: skip
    assert [(row["status"], row["output_json"]) for row in rows] == [("SUCCEEDED", {"value": 1})]
    assert rows[0]["worker_identity"] is None
    assert await run_step(world.activity(), request(second_run, value=1, key="order-1")) == {"ok": {"value": 1}}
    assert world.counts.ran["x"] == 2


@pytest.mark.parametrize("action", ["test.quick", "test.writes"])
@pytest.mark.parametrize("size", [1, 300_000])
async def test_f31_a_key_that_succeeded_with_another_input_is_a_conflict(world: World, action: str, size: int) -> None:
    first_run, second_run = await world.run(), await world.run()
    await run_step(world.activity(), request(first_run, action, text="a" * size, key="k"))
    same = await run_step(world.activity(), request(await world.run(), action, text="a" * size, key="k"))
    assert "ok" in same
    what = request(second_run, action, text="b" * size, key="k")
    told = await run_step(world.activity(), what)
    assert (told["error"]["category"], told["error"]["code"]) == ("ActionError", "IDEMPOTENCY_KEY_CONFLICT")
    assert told["error"]["details"] == {"runId": first_run, "stepPath": "root.steps[0]"}
    [run] = await world.rows(f"SELECT last_error_code FROM workflow_runs WHERE run_id = '{second_run}'")
    assert run["last_error_code"] == "IDEMPOTENCY_KEY_CONFLICT"
    assert await run_step(world.activity(), what) == told
    assert world.counts.ran["x"] == 1


@pytest.mark.parametrize("action", ["test.quick", "test.writes"])
async def test_a_keys_answer_outlives_its_run_and_a_deleted_one_is_no_answer(world: World, action: str) -> None:
    first_run, second_run, third_run = [await world.run() for _ in range(3)]
    much = "a" * 300_000
    await run_step(world.activity(), request(first_run, action, text=much, key="k"))
    await run_step(world.activity(), request(second_run, action, text=much, key="k"))
    # Nothing of the second run is kept as the first one's, which retention may delete.
    references = "SELECT input_ref, output_ref FROM workflow_action_invocations WHERE run_id"
    [named] = await world.rows(f"{references} = '{second_run}'")
    ids = ", ".join(f"'{value}'" for value in named.values() if value is not None)
    kept = await world.rows(f"SELECT run_id FROM workflow_payloads WHERE payload_id IN ({ids})")
    assert {str(row["run_id"]) for row in kept} == {second_run}
    async with world.store.begin() as connection:
        await connection.execute(
            text(
                "UPDATE workflow_runs SET bodies_deleted_at = now() WHERE run_id = (SELECT run_id FROM"
                " workflow_action_invocations WHERE idempotency_key = 'k')"
            )
        )
    told = await run_step(world.activity(), request(third_run, action, text=much, key="k"))
    assert told["error"]["code"] == "IDEMPOTENCY_KEY_CONFLICT"
    assert "was deleted at 20" in told["error"]["message"]
    assert world.counts.ran["x"] == 1


async def test_an_explicit_key_belongs_to_a_tenant(world: World) -> None:
    other = "00000000-0000-0000-0000-000000000002"
    await run_step(world.activity(), request(await world.run(), value=1, key="k"))
    answer = await run_step(world.activity(), request(await world.run(tenant=other), value=2, key="k", tenant=other))
    assert answer == {"ok": {"value": 2}}


async def test_a_key_that_another_run_is_using_is_waited_for(world: World) -> None:
    what = request(await world.run(), "test.gated", key="k")
    running = asyncio.create_task(run_step(world.activity(), what))
    await asyncio.wait_for(world.counts.begun("x").wait(), PATIENCE_SECONDS)
    second = request(await world.run(), "test.gated", key="k")
    with pytest.raises(KeyHeld):
        await run_step(world.activity(), second)
    world.counts.gate("x").set()
    await running
    assert await run_step(world.activity(), second) == {"ok": {"value": "x"}}
    assert world.counts.ran["x"] == 1


async def test_a_key_held_by_a_run_that_is_over_is_free(world: World) -> None:
    dead = await world.run()
    with fault_points.installed(dying_at("run_step.after_claim")), pytest.raises(Died):
        await run_step(world.activity(), request(dead, key="k"))
    async with world.store.begin() as connection:
        await connection.execute(text(f"UPDATE workflow_runs SET status = 'CANCELED' WHERE run_id = '{dead}'"))
    assert await run_step(world.activity(), request(await world.run(), value=2, key="k")) == {"ok": {"value": 2}}
    assert [status for _, _, status in await world.tries()] == ["ABANDONED", "SUCCEEDED"]


async def test_a_key_of_a_failed_try_is_claimed_by_the_next(world: World) -> None:
    run_id = await world.run()
    fails = {"category": "ActionError", "message": "no", "code": "E1"}
    assert "error" in await run_step(world.activity(), request(run_id, "test.fails", key="k", **fails))
    again = request(run_id, "test.fails", key="k", attempt=2, seq=3, **fails)
    assert "error" in await run_step(world.activity(), again)
    assert world.counts.ran["x"] == 2
    assert [status for _, _, status in await world.tries()] == ["FAILED", "FAILED"]


async def test_nothing_is_done_for_a_run_that_is_over(world: World) -> None:
    for action in ("test.quick", "test.writes"):
        with pytest.raises(ApplicationError) as caught:
            await run_step(world.activity(), request(await world.run("CANCELED"), action))
        assert (caught.value.type, caught.value.non_retryable) == ("RunClosed", True)
    assert world.counts.ran["x"] == 0
    assert (
        await world.rows("SELECT 1 FROM workflow_run_steps UNION ALL SELECT 1 FROM workflow_action_invocations") == []
    )


async def test_an_outcome_that_comes_after_the_end_of_the_run_is_dropped(world: World) -> None:
    running = asyncio.create_task(run_step(world.activity(), request(await world.run(), "test.gated")))
    await asyncio.wait_for(world.counts.begun("x").wait(), PATIENCE_SECONDS)
    async with world.store.begin() as connection:
        await connection.execute(text("UPDATE workflow_runs SET status = 'CANCELED'"))
        await connection.execute(text("UPDATE workflow_action_invocations SET status = 'ABANDONED'"))
    world.counts.gate("x").set()
    with pytest.raises(ApplicationError):
        await running
    assert [status for _, _, status in await world.tries()] == ["ABANDONED"]


@pytest.mark.parametrize(("action", "write"), [("test.quick", "succeed"), ("test.fails", "fail")])
async def test_an_outcome_in_hand_waits_for_postgres(
    world: World, monkeypatch: pytest.MonkeyPatch, action: str, write: str
) -> None:
    original = getattr(settling_attempts, write)
    away = [3]

    async def at_first_away(*arguments: Any) -> Any:
        if away[0]:
            away[0] -= 1
            raise ConnectionRefusedError("Postgres is restarting")
        return await original(*arguments)

    monkeypatch.setattr(settling_attempts, write, at_first_away)
    fails = {"category": "ActionError", "message": "no", "code": "E1"}
    answer = await run_step(world.activity(), request(await world.run(), action, **fails))
    assert ("ok" in answer) == (write == "succeed")
    assert away == [0]
    assert world.counts.ran["x"] == 1


@pytest.mark.parametrize("given_up", [ConnectionRefusedError, asyncio.CancelledError])
@pytest.mark.parametrize(("action", "write"), [("test.ordinary", "succeed"), ("test.fails", "fail")])
async def test_f12_a_repeat_writes_the_outcome_that_is_in_hand(
    world: World, monkeypatch: pytest.MonkeyPatch, action: str, write: str, given_up: type[BaseException]
) -> None:
    """Postgres was away for longer than the activity waits, or the activity has had all its time."""
    monkeypatch.setattr(persistence, "ORDINARY_PATIENCE_SECONDS", 0.0)
    activity, told = world.activity(), {"category": "ActionError", "message": "no", "code": "E1"}
    asked = request(await world.run(), action, **told)

    async def away(*_arguments: Any) -> Any:
        raise given_up

    with monkeypatch.context() as outage:
        outage.setattr(settling_attempts, write, away)
        for _ in range(2):
            with pytest.raises(given_up):
                await run_step(activity, asked)
    answer = await run_step(activity, asked)
    assert ("ok" in answer) == (write == "succeed")
    assert world.counts.ran["x"] == 1
    assert await world.tries() == [("root.steps[0]", 1, "SUCCEEDED" if write == "succeed" else "FAILED")]
    other = request(await world.run(), action, **told)
    await run_step(activity, other)
    assert world.counts.ran["x"] == 2, "another run's is its own"


async def test_a_repeat_with_an_older_trace_moves_nothing_back(world: World) -> None:
    run_id = await world.run()
    await run_step(world.activity(), request(run_id, value=1))
    await run_step(world.activity(), request(run_id, value=2, path="root.steps[1]", seq=5))
    await run_step(world.activity(), request(run_id, value=1))
    [row] = await world.rows("SELECT node_path, seq, step_count FROM workflow_runs")
    assert (row["node_path"], row["seq"], row["step_count"]) == ("root.steps[1]", 5, 1)


async def test_the_action_is_told_who_it_runs_for(world: World) -> None:
    run_id = await world.run()
    await run_step(world.activity(), request(run_id, key="k", attempt=3))
    [ctx] = world.counts.contexts
    assert (ctx.run_id, ctx.step_path, ctx.attempt, ctx.tenant) == (run_id, "root.steps[0]", 3, DEFAULT_TENANT)
    assert ctx.idempotency_key == "k"
