"""An action that a deployment takes away under a run, in every place a step can be: the run waits for it, or is canceled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from temporalio.worker import Worker

from engine.actions.registry import ActionRegistry
from engine.operations.catalog.publish import PublishRequest, publish_definition
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.worker.temporal_worker import build_worker
from tests.engine.operations.conftest import definition
from tests.engine.workflow.actions import registry_of
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import attempt, call, for_each, quick, retried, wait_event
from tests.engine.workflow.test_two_releases import context_of, lacking

IT = call("it", "test.flaky", label="it", failures=0)
SHAPES: dict[str, list[dict[str, Any]]] = {
    "a pause before the next try": [retried(call("it", "test.flaky", label="it", failures=1), backoffMs=1_500)],
    "a chain": [quick("a"), IT, quick("b")],
    "a loop": [for_each("f", "[1]", [quick("a"), IT])],
    "a catch": [attempt("t", [call("x", "test.fails", category="ActionError", message="no", code="C")], [IT])],
}


def worker(bench: Bench, registry: ActionRegistry, identity: str) -> Worker:
    dependencies = replace(bench.dependencies, actions=registry, identity=identity)
    return build_worker(bench.client, dependencies, sandboxed=False, identity=identity)


async def start(bench: Bench, shape: str) -> Run:
    """A run that waits for an event before its steps."""
    body = definition("wf.main", steps=[wait_event("w"), *SHAPES[shape]])
    del body["version"]
    await publish_definition(context_of(bench), PublishRequest(body), registry_of(bench.counts))
    return await bench.start()


async def told_to_be_elsewhere(bench: Bench, run: Run) -> None:
    async def told() -> bool:
        findings = (await diagnose_run(context_of(bench), run.id)).findings
        return "ACTION_ELSEWHERE" in {finding.code for finding in findings}

    await bench.until(told)


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_run_waits_for_the_action_and_goes_on(shape: str, idle_bench: Bench) -> None:
    bench, everything = idle_bench, registry_of(idle_bench.counts)
    paused = "pause" in shape
    async with worker(bench, everything, "before"):
        run = await start(bench, shape)
        await run.waiting("event")
        if paused:
            await run.send_event("PING")

            async def tried() -> bool:
                return [row["status"] for row in await run.tries()] == ["FAILED"]

            await bench.until(tried)
    async with worker(bench, lacking(bench, "test.flaky"), "without"):
        if not paused:
            await run.send_event("PING")
        await told_to_be_elsewhere(bench, run)
    async with worker(bench, everything, "after"):
        row = await run.ended()
    assert (row["status"], bench.counts.ran["it"]) == ("SUCCEEDED", 2 if paused else 1)


@pytest.mark.parametrize("shape", ["a loop", "a catch"])
async def test_a_run_that_waits_for_an_action_is_canceled(shape: str, idle_bench: Bench) -> None:
    bench = idle_bench
    async with worker(bench, lacking(bench, "test.flaky"), "without"):
        run = await start(bench, shape)
        await run.waiting("event")
        await run.send_event("PING")
        await told_to_be_elsewhere(bench, run)
        await run.handle.cancel()
        assert (await run.ended())["status"] == "CANCELED"
    assert "STARTED" not in {step["status"] for step in await run.steps()}
