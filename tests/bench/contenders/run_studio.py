"""Run Studio: a whole production worker, and beside it what starts runs, as in a small service."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from unittest.mock import patch

from temporalio.client import Client
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from engine.actions.registry import ActionRegistry, load_actions
from engine.contract import ReplayCost, workflow_id_for
from engine.operations.actor import Actor
from engine.operations.catalog.publish import PublishRequest, publish_definition
from engine.operations.context import OperationContext
from engine.operations.events.correlation_paths import set_correlation_paths
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.temporal.client import connect_temporal
from engine.temporal.connection import TemporalConnection
from engine.temporal.data_converter import data_converter
from engine.worker.host import WorkerHost
from engine.workflow.effort import Effort
from engine.workflow.run_workflow import RunWorkflow
from tests.bench.contenders.actions import RAN, RAN_AT
from tests.bench.contenders.memory import resident_kilobytes
from tests.bench.contenders.process import serve
from tests.bench.contenders.told import Told
from tests.bench.measuring import in_flight

ACTIONS = "tests.bench.contenders.actions"
READY_SECONDS = 30.0
Steps = list[dict[str, Any]]


class RunStudio:
    """See the module."""

    async def open(self, database_url: str, temporal_address: str) -> None:
        """A worker that polls, and a client."""
        settings = Settings.load(
            database_url=database_url, temporal_address=temporal_address, action_modules=(ACTIONS,), log_level="error"
        )
        self._stop = asyncio.Event()
        self._worker = WorkerHost(settings, settings.action_modules)
        await self._worker.start(self._stop)
        self._registry: ActionRegistry = load_actions(settings.action_modules, settings)
        self._store = create_store_engine(settings.required_database_url(), pool_size=20)
        self._client: Client = await connect_temporal(settings)
        self._context = OperationContext(
            self._store, TemporalConnection.from_client(self._client), Actor("bench", source="api")
        )
        self._told = Told(self._store, self._context.tenant)
        await self._told.open()
        await set_correlation_paths(self._context, {"GO": ["order"]})
        async with asyncio.timeout(READY_SECONDS):
            while not self._worker.ready:  # noqa: ASYNC110 - the worker tells nobody
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Stop polling."""
        self._stop.set()
        await self._worker.stop()
        await self._told.close()
        await self._store.dispose()

    # --- throughput -------------------------------------------------------------------------------------------------

    async def seconds(self, kind: str, steps: int, runs: int, at_once: int) -> float:
        """How long so many whole runs of so many steps take, from the launch to the result."""
        before = RAN[kind]
        taken = await self.whole_runs(kind, steps, runs, at_once)
        assert RAN[kind] - before == runs * steps, f"{RAN[kind] - before} steps instead of {runs * steps}"
        return taken

    async def whole_runs(self, kind: str, steps: int, runs: int, at_once: int) -> float:
        """The same where other processes have workers too, which may make some of the steps, and this one some of theirs."""
        workflow = await self._publish(f"bench.{kind}.{steps}", _chain(kind, steps))
        return await in_flight(runs, at_once, lambda: self._whole_run(workflow))

    async def ran(self, kind: str) -> int:
        """How many steps were made in this process."""
        return RAN[kind]

    async def control_seconds(self, items: int, runs: int, at_once: int) -> float:
        """The same for runs of one loop over so many items, with three steps per turn: an if, a state and an assignment."""
        workflow = await self._publish("bench.control", _loop())
        payload = {"items": list(range(items))}
        return await in_flight(runs, at_once, lambda: self._whole_run(workflow, payload))

    # --- latency ----------------------------------------------------------------------------------------------------

    async def start_to_first_step(self, samples: int) -> list[float]:
        """Milliseconds from the request to start a run until its first action runs, one run after the other."""
        workflow = await self._publish("bench.start", _chain("quick", 1))
        found = []
        for _ in range(samples):
            began = time.perf_counter()
            run_id = await self._whole_run(workflow)
            found.append((RAN_AT[run_id] - began) * 1000)
        return found

    async def event_to_resumed_step(self, samples: int) -> list[float]:
        """Milliseconds from the submission of an event until the action after its wait runs, one run after the other."""
        workflow = await self._publish("bench.event", [_wait("go"), *_chain("quick", 1)])
        found = []
        for _ in range(samples):
            run_id = await self._start(workflow)
            await self._told.waiting(run_id, READY_SECONDS)
            began = time.perf_counter()
            await submit_event(self._context, EventRequest("GO", {"order": run_id}))
            await self._result(run_id)
            found.append((RAN_AT[run_id] - began) * 1000)
        return found

    # --- replay and memory ------------------------------------------------------------------------------------------

    async def replay_milliseconds(self, kind: str, steps: int, repeats: int) -> dict[str, float]:
        """Fastest replay of a finished run: milliseconds per step, what its whole history is estimated at, and the events in it.

        ``kind``: of the actions; ``assign`` for assignments, and ``filter`` for some that look through three thousand items.
        """
        workflow = await self._publish(f"bench.{kind}.{steps}", _repeated(kind, steps))
        run_id = await self._whole_run(workflow, {"value": 1, "items": [{"n": n} for n in range(3_000)]})
        history = await self._client.get_workflow_handle(workflow_id_for(run_id)).fetch_history()
        replayer = Replayer(
            workflows=[RunWorkflow],
            workflow_runner=UnsandboxedWorkflowRunner(),
            data_converter=data_converter(self._store),
        )
        taken: list[float] = []
        asked: list[tuple[Effort, ReplayCost]] = []
        estimate = Effort.nanoseconds

        def noted(effort: Effort, cost: ReplayCost) -> int:
            asked.append((effort, cost))
            return estimate(effort, cost)

        for _ in range(repeats):
            began = time.perf_counter()
            with patch.object(Effort, "nanoseconds", noted):
                await replayer.replay_workflow(history)
            taken.append((time.perf_counter() - began) * 1000)
        # Asked before each chain, and one chain can be the whole run: what counts is the history at its end.
        effort, cost = asked[-1]
        size = sum(event.ByteSize() for event in history.events)
        return {
            "milliseconds": min(taken) / steps,
            "estimated": effort.of_history(cost, len(history.events), size) / 1e6 / steps,
            "events": len(history.events),
        }

    async def idle_kilobytes(self, runs: int, payload_characters: int) -> float:
        """Memory per run that waits for an event and is kept in the worker's cache."""
        workflow = await self._publish("bench.idle", [*_chain("quick", 3), _wait("idle")])
        payload = {"value": "x" * payload_characters}
        await self._many_waiting(workflow, payload, runs // 5)
        before = resident_kilobytes()
        await self._many_waiting(workflow, payload, runs)
        return (resident_kilobytes() - before) / runs

    async def _many_waiting(self, workflow: str, payload: Any, runs: int) -> None:
        async def one() -> None:
            await self._told.waiting(await self._start(workflow, payload), READY_SECONDS)

        await in_flight(runs, 16, one)

    # --- runs -------------------------------------------------------------------------------------------------------

    async def _publish(self, workflow_id: str, steps: Steps) -> str:
        definition = {
            "id": workflow_id, "version": 1, "name": workflow_id, "payloadSchemaRef": "bench.Payload.v1", "steps": steps,
        }  # fmt: skip
        request = PublishRequest(definition, {"type": "object"}, only_if_changed=True)
        await publish_definition(self._context, request, self._registry)
        return workflow_id

    async def _whole_run(self, workflow: str, payload: Any = None) -> str:
        run_id = await self._start(workflow, payload)
        await self._result(run_id)
        return run_id

    async def _start(self, workflow: str, payload: Any = None) -> str:
        launched = await launch_published_run(self._context, LaunchRequest(workflow, payload or {"value": 1}))
        assert not launched.pending, launched.message
        return launched.run_id

    async def _result(self, run_id: str) -> None:
        await self._client.get_workflow_handle(workflow_id_for(run_id)).result()


def _chain(kind: str, steps: int) -> Steps:
    config = {
        "actionId": f"bench.{kind}",
        "version": 1,
        "inputMapping": {"value": {"$expr": "payload.value"}},
        "saveAs": "vars.answer",
    }
    return [{"id": f"s{index}", "type": "action.call", "config": config} for index in range(steps)]


def _repeated(kind: str, steps: int) -> Steps:
    sources = {"assign": "item + 1", "filter": "len(payload.items[n > 10])"}
    if kind not in sources:
        return _chain(kind, steps)
    body = {"id": "a", "type": "transform.assign", "config": {"assign": {"vars.a": {"$expr": sources[kind]}}}}
    items = {"$expr": f"[1..{steps}]"}
    return [
        {"id": "loop", "type": "control.forEach", "items": items, "itemVar": "item", "body": [body]},
        *_chain("quick", 1),
    ]


def _wait(step_id: str) -> dict[str, Any]:
    config = {"eventName": "GO", "correlationKey": {"$expr": "system.runId"}}
    return {"id": step_id, "type": "event.wait", "config": config}


def _loop() -> Steps:
    even = {"id": "state", "type": "state.set", "config": {"state": "COUNTED"}}
    add = {
        "id": "add",
        "type": "transform.assign",
        "config": {"assign": {"vars.sum": {"$expr": "coalesce(vars.sum, 0) + item"}}},
    }
    choose = {"id": "if", "type": "control.if", "condition": {"$expr": "item >= 0"}, "then": [even], "else": []}
    return [
        {
            "id": "loop",
            "type": "control.forEach",
            "items": {"$expr": "payload.items"},
            "itemVar": "item",
            "body": [choose, add],
        }
    ]


if __name__ == "__main__":
    serve(RunStudio())
