"""F9: two workers with different actions, runs in flight: each step is done by a worker that has its action."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from temporalio.client import Client

from engine.actions.registry import ActionRegistry
from engine.definition import sites
from engine.operations.actor import Actor
from engine.operations.catalog.publish import PublishRequest, publish_definition
from engine.operations.context import OperationContext
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.store.database.transactions import writing
from engine.store.tenant.workers import WorkerProcess, record_heartbeat
from engine.temporal.connection import TemporalConnection
from engine.worker.temporal_worker import build_worker
from engine.workflow.wire import STEPS_NOT_HERE
from tests.engine.operations.conftest import definition
from tests.engine.workflow.actions import actions_of, registry_of
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import assign, call, quick, wait_event, when

RUNS = 6


def lacking(bench: Bench, *names: str) -> ActionRegistry:
    """The actions of the other release."""
    registry = ActionRegistry()
    for registered in actions_of(bench.counts):
        if registered.id not in names:
            registry.register(registered)
    return registry


def timed(bench: Bench, seconds: float) -> ActionRegistry:
    """The actions of a release that gives ``test.gated`` and ``test.pause`` so much time."""
    registry = ActionRegistry()
    for known in actions_of(bench.counts):
        traits = (
            replace(known.traits, timeout_seconds=seconds) if known.id in {"test.gated", "test.pause"} else known.traits
        )
        registry.register(replace(known, traits=traits))
    return registry


def context_of(bench: Bench) -> OperationContext:
    return OperationContext(bench.store, TemporalConnection.from_client(bench.client), Actor("tester"))


@pytest.mark.parametrize("step", ["test.quick", "test.ordinary", "test.writes"])
async def test_f9_every_run_succeeds_beside_a_worker_that_lacks_the_action(
    step: str, idle_bench: Bench, temporal_address: str
) -> None:
    bench = idle_bench
    body = definition("wf.main", steps=[quick("before"), call("it", step, label="it"), quick("after")])
    del body["version"]
    await publish_definition(context_of(bench), PublishRequest(body), registry_of(bench.counts))
    old = replace(bench.dependencies, actions=lacking(bench, step), identity="old")
    new = replace(bench.dependencies, identity="new")
    async with AsyncExitStack() as workers:
        # Each with a connection of its own, as processes have.
        for one in (old, new):
            client = await Client.connect(temporal_address)
            worker = build_worker(client, one, sandboxed=False, identity=one.identity)
            await workers.enter_async_context(worker)
        runs = [await bench.start() for _ in range(RUNS)]
        assert [(await run.ended())["status"] for run in runs] == ["SUCCEEDED"] * RUNS
    tries = [(tried["step_path"], tried["status"]) for run in runs for tried in await run.tries()]
    assert len(tries) == 3 * RUNS, "the worker that lacks it has no try"
    assert {status for _, status in tries} == {"SUCCEEDED"}


async def test_f9_until_a_worker_has_the_action_the_run_waits_and_why_names_the_workers(idle_bench: Bench) -> None:
    bench = idle_bench
    everything = registry_of(bench.counts)
    body = definition("wf.main", steps=[wait_event("w"), call("it", "test.quick", label="it")])
    del body["version"]
    await publish_definition(context_of(bench), PublishRequest(body), everything)
    old = replace(bench.dependencies, actions=lacking(bench, "test.quick"), identity="old")
    for identity, registry in (("old", old.actions), ("new", everything)):
        names = tuple(f"{action.id}@{action.version}" for action in registry)
        async with writing(bench.store) as connection:
            await record_heartbeat(connection, WorkerProcess(identity, "host", 1, "1", "queue", names), {})
    async with build_worker(bench.client, old, sandboxed=False, identity="old"):
        run = await bench.start()
        await run.waiting("event")
        await run.send_event("PING")

        async def told() -> tuple[str, ...]:
            findings = (await diagnose_run(context_of(bench), run.id)).findings
            return next((found.evidence for found in findings if found.code == "ACTION_ELSEWHERE"), ())

        evidence = await bench.until(told)
        assert evidence[:2] == ("Workers that have it: new.", "Workers that lack it: old.")
        assert await run.tries() == []
    async with bench.worker():
        assert (await run.ended())["status"] == "SUCCEEDED"
    # Known to be quick although the worker that loaded the run did not have it.
    history = await run.history()
    scheduled = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert set(scheduled) == {"run_chain"}


@pytest.mark.parametrize("step", [call("it", "test.gated", label="it"), call("it", "test.pause", seconds=2_000.0)])
async def test_an_action_has_the_time_it_was_published_with_on_a_worker_that_would_give_it_more(
    step: dict[str, Any], idle_bench: Bench
) -> None:
    bench = idle_bench
    body = definition("wf.main", steps=[step])
    del body["version"]
    await publish_definition(context_of(bench), PublishRequest(body), timed(bench, 0.2))
    async with build_worker(bench.client, bench.dependencies, sandboxed=False, identity="later"):
        row = await (await bench.start()).ended()
    error = row["error_json"]
    assert (error["code"], error["details"]) == ("ACTION_TIMEOUT", {"timeoutSeconds": 0.2})


async def test_an_action_has_the_time_it_was_published_with_on_a_worker_that_would_give_it_less(
    idle_bench: Bench,
) -> None:
    bench = idle_bench
    body = definition("wf.main", steps=[call("it", "test.pause", seconds=0.5)])
    del body["version"]
    await publish_definition(context_of(bench), PublishRequest(body), registry_of(bench.counts))
    earlier = replace(bench.dependencies, actions=timed(bench, 0.01))
    async with build_worker(bench.client, earlier, sandboxed=False, identity="earlier"):
        assert (await (await bench.start()).ended())["status"] == "SUCCEEDED"


async def later_release(bench: Bench, *before: dict[str, Any]) -> Run:
    """A run of a version that a later release has published, which has a step of its own."""
    await bench.publish([*before, {"id": "s", "type": "later.step", "config": {}}])
    await bench.execute("UPDATE workflow_definition_versions SET action_traits = '{}'")
    return await bench.start()


async def test_a_run_with_a_step_of_a_later_release_is_left_to_its_workers(
    idle_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = idle_bench

    async def step_back(run: Run) -> bool:
        pending = (await run.handle.describe()).raw_description.pending_activities
        return any(one.last_failure.message.startswith(STEPS_NOT_HERE) for one in pending)

    run = await later_release(bench)
    async with bench.worker():
        await bench.until(lambda: step_back(run))
        assert (await run.row())["status"] == "RUNNING"
    monkeypatch.setattr(sites, "KNOWN_TYPES", sites.KNOWN_TYPES | {"later.step"})
    async with build_worker(bench.client, bench.dependencies, sandboxed=False, identity="later"):
        # Here the later release is this one too, so it reaches the step, and has nothing to do it with.
        assert (await run.ended())["error_json"]["code"] == "UNKNOWN_NODE_TYPE"


OF_A_LATER_RELEASE: dict[str, dict[str, Any]] = {
    "a function": assign("s", x="laterFunction(payload.n)"),
    "an operator of expressions": assign("s", x="payload.n ?? 3"),
    "an operator of filters": wait_event("s", filters=[{"path": "n", "op": "later", "value": 1}]),
    "a setting": wait_event("s", laterSetting=1),
    "a kind of wait": {"id": "s", "type": "time.wait", "config": {"mode": "later"}},
    "a policy": {**quick("s"), "onError": {"policy": "later"}},
    "a setting of a retry": {**quick("s"), "retry": {"maxAttempts": 2, "backoffMs": 1, "later": True}},
    "a setting of a block": {**when("s", "true", []), "later": 1},
}


@pytest.mark.parametrize("name", OF_A_LATER_RELEASE)
async def test_a_run_of_a_version_that_only_a_later_release_can_read_is_left_to_its_workers(
    idle_bench: Bench, name: str
) -> None:
    """Not begun, and not failed in its middle."""
    bench = idle_bench
    await bench.publish([quick("q"), OF_A_LATER_RELEASE[name]])
    await bench.execute("UPDATE workflow_definition_versions SET action_traits = '{}'")
    run = await bench.start()

    async def said() -> bool:
        findings = (await diagnose_run(context_of(bench), run.id)).findings
        return "RELEASE_ELSEWHERE" in {finding.code for finding in findings}

    async with bench.worker():
        await bench.until(said)
        assert ((await run.row())["status"], bench.counts.ran["q"]) == ("RUNNING", 0)
        await run.handle.cancel()
        assert (await run.ended())["status"] == "CANCELED"


async def test_a_task_of_a_run_with_a_step_of_a_later_release_is_left_to_its_workers(
    idle_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = idle_bench
    with monkeypatch.context() as later:
        later.setattr(sites, "KNOWN_TYPES", sites.KNOWN_TYPES | {"later.step"})
        async with build_worker(bench.client, bench.dependencies, sandboxed=False, identity="later"):
            run = await later_release(bench, wait_event("w"))
            await run.waiting("event")
            await run.at_rest()
    await run.send_event("PING")

    async def refused() -> bool:
        return (await run.events())["WORKFLOW_TASK_FAILED"] > 0

    async with build_worker(bench.client, bench.dependencies, sandboxed=False, identity="earlier"):
        await bench.until(refused)
        assert (await run.row())["status"] == "WAITING"


async def test_a_step_that_nobody_knows_fails_when_it_is_reached(bench: Bench) -> None:
    """In a version from before this engine published."""
    run = await bench.play([quick("q"), {"id": "s", "type": "later.step", "config": {}}])
    assert (await run.row())["error_json"]["code"] == "UNKNOWN_NODE_TYPE"
    assert bench.counts.ran["q"] == 1
