"""The in-memory host: plays the script of a case in a small world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from engine.definition.correlation import resolve_correlation
from engine.definition.models import EventTrigger
from engine.definition.triggers import apply_trigger_mapping
from engine.errors import Invalid, StepFailure
from engine.interpreter import effects as fx
from engine.interpreter.times import iso_of
from tests.conformance.memory_run import Event, Refused, Run
from tests.conformance.memory_world import World, require
from tests.conformance.observed import Checkpoint, Json, Observed

_NOT_OPEN_WAITS = ("retry", "child")
"""Back-offs and children are phases of their own."""


class InMemoryHost:
    """One case. Its world stays to be looked at after ``play``."""

    def __init__(self, case: Json, *, hop: bool = False) -> None:
        self._case = case
        self.world = World(case, hop=hop)
        self._aliases: dict[str, str] = {}
        self._counter = 0
        self._operations: dict[str, Callable[[Json], Awaitable[Json]]] = {
            "start": self._start,
            "replay": self._replay,
            "pauseWorkflow": self._pause_workflow,
            "signalEvent": self._signal_event,
            "publishEvent": self._publish_event,
            "advance": self._advance,
            "completeTask": self._complete_task,
            "cancel": self._cancel,
            "setQuota": self._set_quota,
            "resumeQuota": self._resume_quota,
        }

    async def play(self) -> Observed:
        """Publish everything, run the script, and tell what happened."""
        world, observed = self.world, Observed(aliases=self._aliases)
        for source in self._definitions():
            world.publish(source)
        for operation in self._case.get("script", []):
            try:
                result = await self._operations[operation["op"]](operation)
            except Refused as refused:
                result = {"ok": False, "error": str(refused), "code": refused.code}
            await world.settle()
            observed.op_results.append(result)
            observed.checkpoints.append(self._checkpoint())
        observed.runs = [run.observed(world.runs) for run in world.runs.values()]
        observed.calls = world.journal.calls
        observed.tasks = [task.observed() for task in world.tasks]
        observed.invocations = world.invocations
        observed.quota_used = world.quota_used
        observed.secret_reads = world.secrets.reads
        observed.events = [{"name": event.name, "error": event.error} for event in world.events]
        return observed

    def _definitions(self) -> list[Json]:
        case = self._case
        found = [case["definition"]] if "definition" in case else []
        found += case.get("definitions", [])
        return found + [item["definition"] for item in case.get("workflows", []) if item.get("status") == "published"]

    def _run_of(self, operation: Json) -> Run:
        return self.world.runs[self._aliases[operation.get("run", "main")]]

    def _checkpoint(self) -> Checkpoint | None:
        run = self.world.runs.get(self._aliases.get("main", ""))
        if run is None:
            return None
        waits = [
            wait for wait in run.ledger.waits if wait.status == "WAITING" and wait.wait_type not in _NOT_OPEN_WAITS
        ]
        return Checkpoint(run.phase, run.status, [{"type": wait.wait_type, "path": wait.step.path} for wait in waits])

    # --- operations -------------------------------------------------------------------------------------------------

    async def _start(self, operation: Json) -> Json:
        fire_key = operation.get("triggerFireKey")
        known = next(
            (run for run in self.world.runs.values() if fire_key is not None and run.fire_key == fire_key), None
        )
        run = known
        if run is None:
            workflow_id = operation.get("workflowId") or self._case["definition"]["id"]
            payload = operation.get("payload", self._case.get("payload", {}))
            run = self.world.launch(workflow_id, operation.get("workflowVersion"), payload)
            run.fire_key = fire_key
        self._aliases.setdefault(operation.get("run", "main"), run.id)
        return {"ok": True, "created": known is None, "version": run.facts.workflow_version, "runId": run.id}

    async def _replay(self, operation: Json) -> Json:
        source = self.world.runs[self._aliases[operation["of"]]]
        payload = operation.get("payload", source.input)
        run = self.world.launch(source.facts.workflow_id, source.facts.workflow_version, payload)
        run.replay_of = source.id
        self._aliases[operation["run"]] = run.id
        return {"ok": True, "created": True, "version": run.facts.workflow_version, "runId": run.id}

    async def _pause_workflow(self, operation: Json) -> Json:
        self.world.settings.setdefault(operation["workflowId"], {})["is_paused"] = True
        return {"ok": True}

    async def _signal_event(self, operation: Json) -> Json:
        run = self._run_of(operation)
        if run.finish is None:
            self._counter += 1
            event_id = operation.get("eventId") or f"signal-{self._counter}"
            key, payload = operation.get("correlationKey"), operation.get("payload", {})
            self.world.signal_now(run, event_id, operation["name"], key, payload)
        return {"ok": True}

    async def _advance(self, operation: Json) -> Json:
        await self.world.pass_time(operation["ms"])
        return {"ok": True}

    async def _complete_task(self, operation: Json) -> Json:
        tasks = self.world.tasks
        if "taskId" in operation:
            tasks = [task for task in tasks if task.effect.task_id == operation["taskId"]]
        elif "index" in operation:
            tasks = tasks[operation["index"] : operation["index"] + 1]
        task = next((task for task in tasks if task.open), None)
        if task is None:
            raise Refused("TASK_NOT_FOUND", "There is no such open task")
        payload = operation.get("payload")
        response = payload if isinstance(payload, dict) else {}
        form = (self._case.get("forms") or {}).get(task.effect.task_type)
        if form is not None:
            require(response, form, "RESPONSE_INVALID")
        task.open = False
        event_name = operation.get("eventName") or "HUMAN_TASK_COMPLETED"
        self.world.unblock(task.run, fx.TaskCompleted(event_name, response))
        return {"ok": True}

    async def _cancel(self, operation: Json) -> Json:
        run = self._run_of(operation)
        if run.finish is not None:
            raise Refused("RUN_ENDED", "The run has ended")
        self.world.cancel(run)
        return {"ok": True}

    async def _set_quota(self, operation: Json) -> Json:
        self.world.quota_limit = operation["limit"]
        return {"ok": True}

    async def _resume_quota(self, operation: Json) -> Json:
        run = self._run_of(operation)
        waiting = run.waiting
        if run.finish is not None or not isinstance(waiting, fx.AwaitQuota):
            raise Refused("NOT_PAUSED_BY_QUOTA", "The run is not paused by quota")
        granted = self.world.grant()
        if granted is None:
            return {"ok": False, "result": {"ok": False, "resumed": False, "reason": "quota_exhausted"}}
        self.world.quota_wait(run, waiting, "RESOLVED")
        self.world.unblock(run, granted)
        return {"ok": True, "result": {"ok": True, "resumed": True}}

    async def _publish_event(self, operation: Json) -> Json:
        world = self.world
        self._counter += 1
        event_id = operation.get("eventId") or f"event-{self._counter}"
        if any(event.id == event_id for event in world.events):
            return {"ok": True, "status": "duplicate", "signaled": 0, "startedRuns": []}
        name, payload = operation["name"], operation.get("payload", {})
        paths = self._case.get("correlationPaths") or {}
        keys = list(resolve_correlation(paths, name, payload, operation.get("correlationKey")))
        event = Event(event_id, name, keys, payload, world.now_ms)
        world.events.append(event)
        waiting = [run for run in world.runs.values() if run.finish is None and event.wanted_by(run.waiting)]
        for run in waiting:
            world.signal(run, event.arrival_for(run.waiting))
        started, problems = self._trigger(event, operation.get("payloadSchemaRef"))
        if not waiting and not started:
            event.error = "; ".join(problems) or (None if keys else "The event has no correlation key")
        return {
            "ok": True,
            "status": "resumed" if waiting else "no_wait",
            "signaled": len(waiting),
            "startedRuns": [run.id for run in started],
        }

    def _trigger(self, event: Event, schema_ref: str | None) -> tuple[list[Run], list[str]]:
        """Start what the event triggers, each workflow on its own, in its latest version."""
        started: list[Run] = []
        problems: list[str] = []
        for workflow_id, versions in self.world.versions.items():
            latest = versions[max(versions)]
            trigger = latest.definition.trigger
            if not isinstance(trigger, EventTrigger) or trigger.event_name != event.name:
                continue
            try:
                payload, mapped = _payload_of(trigger, event, schema_ref, latest.plan.payload_schema_ref)
                run = self.world.launch(workflow_id, None, payload)
            except (Refused, StepFailure, Invalid) as refused:
                problems.append(f"{workflow_id}: {refused}")
                continue
            run.trigger_mapping_applied = mapped
            started.append(run)
        return started, problems


def _payload_of(trigger: EventTrigger, event: Event, schema_ref: str | None, wanted_ref: str) -> tuple[Any, bool]:
    source_ref = trigger.source_payload_schema_ref or schema_ref
    if not trigger.payload_mapping and source_ref is not None and source_ref != wanted_ref:
        raise Refused("SCHEMA_DIFFERS", "The event's schema is not the workflow's, and there is no mapping")
    seen = {
        "name": event.name,
        "correlationKey": event.keys[0] if event.keys else None,
        "payload": event.payload,
        "payloadSchemaRef": schema_ref,
    }
    return apply_trigger_mapping(trigger, seen, lambda: iso_of(event.published_ms), lambda _steps: None)
