"""The in-memory host of the conformance cases: the engine's machine in a small world of runs, events, tasks and quota.

The world follows design/operations.md as far as a case can see it; runs, actions, expressions, routing of keys and trigger
mappings are the engine's own code.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jsonschema

from engine.actions.context import ActionContext
from engine.actions.idempotency import idempotency_key
from engine.actions.invoke import invoke
from engine.actions.registry import ActionRegistry
from engine.actions.secrets import SecretResolver
from engine.contract import SEMANTICS_VERSION
from engine.definition.compile import compile_definition
from engine.definition.hash import definition_hash
from engine.definition.models import Definition
from engine.definition.parse import parse_definition
from engine.definition.plan import Plan
from engine.errors import CHILD, RunError, StepFailure
from engine.ids import derived_id
from engine.interpreter import effects as fx
from engine.interpreter.ledger import Ledger
from engine.interpreter.machine import Machine
from engine.interpreter.times import iso_of, milliseconds_of
from engine.memory_host import MemoryHost, VirtualClock
from engine.redaction import BUILT_IN, redact
from engine.settings import DEFAULT_TENANT
from tests.conformance.actions import Journal, conformance_actions
from tests.conformance.observed import Checkpoint, Json, Observed, ObservedRun

START = datetime(2026, 1, 1, tzinfo=UTC)
PERIOD_END = "2026-02-01T00:00:00.000Z"
LEASE_BLOCK = 7
"""Units a run takes from a limited quota at once; any number must give the same results."""
MAX_CHILD_DEPTH = 16
SCHEMAS: dict[str, Json] = {
    "payload.Any.v1": {"type": "object"},
    "payload.NeedsName.v1": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    "payload.Empty.v1": {"type": "object", "maxProperties": 0},
}


class Refused(Exception):
    """An operation of the script was refused; the message is what the case may expect."""


@dataclass(slots=True)
class Published:
    """One published version."""

    definition: Definition
    plan: Plan
    hash: str


@dataclass(slots=True)
class Run:
    """A run and the host's side of it."""

    facts: fx.RunFacts
    published: Published
    input: Any
    machine: Machine
    started_ms: int
    parent: str | None = None
    replay_of: str | None = None
    fire_key: str | None = None
    depth: int = 1
    trigger_mapping_applied: bool = False
    ledger: Ledger = field(default_factory=Ledger)
    timers: list[int] = field(default_factory=list)
    finish: fx.Finish | None = None
    waiting: fx.Effect | None = None
    """The effect the run is blocked on."""
    quota_pauses: int = 0

    @property
    def id(self) -> str:
        return self.facts.run_id

    @property
    def phase(self) -> str:
        match self.waiting:
            case _ if self.finish is not None:
                return "terminal"
            case fx.Sleep():
                return "backoff"
            case fx.StartChild():
                return "child"
            case None:
                return "running"
        return "waiting"

    @property
    def status(self) -> str:
        if self.finish is not None:
            return self.finish.status
        return "RUNNING" if self.waiting is None else "WAITING"


@dataclass(slots=True)
class Event:
    """A published event."""

    id: str
    name: str
    keys: list[str]
    payload: Any
    published_ms: int
    error: str | None = None


@dataclass(slots=True)
class Task:
    """A human task and the run that asked for it."""

    run: Run
    effect: fx.AwaitTask
    open: bool = True


class CaseSecrets:
    """The secrets of a case, and who read them."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self.reads: list[str] = []

    async def read(self, name: str, tenant: str) -> str | None:
        if name in self._values:
            self.reads.append(name)
        return self._values.get(name)


class World:
    """One case, played. ``hop``: at every effect and boundary the run is taken out as JSON and put into a new machine."""

    def __init__(self, case: Json, *, hop: bool = False) -> None:
        self.case = case
        self.hop = hop
        self.clock = VirtualClock(START)
        self.host = MemoryHost(self.clock)
        self.journal = Journal()
        self.registry = ActionRegistry([*_regex_actions(), *conformance_actions(self.journal)])
        self.secrets = CaseSecrets(case.get("secrets") or {})
        self.settings: dict[str, Json] = {key: dict(value) for key, value in (case.get("settings") or {}).items()}
        quota = case.get("quota") or {}
        self.quota_limit: int | None = quota.get("limit")
        self.quota_used: int = quota.get("used", 0)
        self.versions: dict[str, dict[int, Published]] = {}
        self.runs: dict[str, Run] = {}
        self.aliases: dict[str, str] = {}
        self.tasks: list[Task] = []
        self.events: list[Event] = []
        self.outputs: dict[tuple[str, int, str], Any] = {}
        self.invocations: list[Json] = []
        self.ready: deque[tuple[Run, fx.Outcome | None]] = deque()
        self._counter = 0

    # --- the script -------------------------------------------------------------------------------------------------

    async def play(self) -> Observed:
        """Publish everything, run the script, and tell what happened."""
        for raw in self._definitions():
            definition = parse_definition(raw, lenient=True)
            published = Published(definition, compile_definition(definition), definition_hash(raw))
            self.versions.setdefault(definition.id, {})[definition.version] = published
        observed = Observed()
        for operation in self.case.get("script", []):
            try:
                result = await getattr(self, f"_op_{operation['op']}")(operation)
            except Refused as refused:
                result = {"ok": False, "error": str(refused)}
            await self._settle()
            observed.op_results.append(result)
            observed.checkpoints.append(self._checkpoint())
        observed.aliases = self.aliases
        observed.runs = [_observed_run(run, self.runs) for run in self.runs.values()]
        observed.calls = self.journal.calls
        observed.tasks = [_observed_task(task.effect) for task in self.tasks]
        observed.invocations = self._stored_invocations()
        observed.quota_used = self._quota_used()
        observed.secret_reads = self.secrets.reads
        observed.events = [{"name": event.name, "error": event.error} for event in self.events]
        return observed

    def _definitions(self) -> list[Json]:
        found = [self.case["definition"]] if "definition" in self.case else []
        found += self.case.get("definitions", [])
        return found + [item["definition"] for item in self.case.get("workflows", []) if item.get("status") == "published"]

    async def _op_start(self, operation: Json) -> Json:
        fire_key = operation.get("triggerFireKey")
        known = next((run for run in self.runs.values() if fire_key is not None and run.fire_key == fire_key), None)
        if known is None:
            workflow_id = operation.get("workflowId") or self.case["definition"]["id"]
            payload = operation.get("payload", self.case.get("payload", {}))
            run = self._launch(workflow_id, operation.get("workflowVersion"), payload)
            run.fire_key = fire_key
        else:
            run = known
        self.aliases.setdefault(operation.get("run", "main"), run.id)
        return {"ok": True, "created": known is None, "version": run.facts.workflow_version, "runId": run.id}

    async def _op_replay(self, operation: Json) -> Json:
        source = self.runs[self.aliases[operation["of"]]]
        payload = operation.get("payload", source.input)
        run = self._launch(source.facts.workflow_id, source.facts.workflow_version, payload)
        run.replay_of = source.id
        self.aliases[operation["run"]] = run.id
        return {"ok": True, "created": True, "version": run.facts.workflow_version, "runId": run.id}

    async def _op_pauseWorkflow(self, operation: Json) -> Json:  # noqa: N802  # named after the script's operation
        self.settings.setdefault(operation["workflowId"], {})["is_paused"] = True
        return {"ok": True}

    async def _op_signalEvent(self, operation: Json) -> Json:  # noqa: N802  # named after the script's operation
        run = self._run_of(operation)
        if run.finish is None:
            self._counter += 1
            event_id = operation.get("eventId") or f"signal-{self._counter}"
            self._signal(run, event_id, operation["name"], operation.get("correlationKey"), operation.get("payload", {}))
        return {"ok": True}

    async def _op_advance(self, operation: Json) -> Json:
        target = milliseconds_of(self.clock.now) + operation["ms"]
        while (due := self._next_due()) is not None and due[0] <= target:
            self.clock.advance(max(0, due[0] - milliseconds_of(self.clock.now)))
            self._unblock(due[1], fx.TimedOut() if isinstance(due[1].waiting, fx.AwaitEvent) else fx.Elapsed())
            await self._settle()
        self.clock.advance(target - milliseconds_of(self.clock.now))
        return {"ok": True}

    async def _op_completeTask(self, operation: Json) -> Json:  # noqa: N802  # named after the script's operation
        candidates = [task for task in self.tasks if task.open]
        if "taskId" in operation:
            candidates = [task for task in candidates if task.effect.task_id == operation["taskId"]]
        elif "index" in operation:
            candidates = [task for task in self.tasks[operation["index"] : operation["index"] + 1] if task.open]
        if not candidates:
            raise Refused("There is no such open task")
        task, payload = candidates[0], operation.get("payload")
        response = payload if isinstance(payload, dict) else {}
        form = (self.case.get("forms") or {}).get(task.effect.task_type)
        if form is not None:
            _require(response, form, "The response does not fit the form")
        task.open = False
        event_name = operation.get("eventName") or "HUMAN_TASK_COMPLETED"
        self._unblock(task.run, fx.TaskCompleted(event_name, response))
        return {"ok": True}

    async def _op_cancel(self, operation: Json) -> Json:
        run = self._run_of(operation)
        if run.finish is not None:
            raise Refused("The run has ended")
        self._cancel(run)
        return {"ok": True}

    async def _op_setQuota(self, operation: Json) -> Json:  # noqa: N802  # named after the script's operation
        self.quota_limit = operation["limit"]
        return {"ok": True}

    async def _op_resumeQuota(self, operation: Json) -> Json:  # noqa: N802  # named after the script's operation
        run = self._run_of(operation)
        if not isinstance(run.waiting, fx.AwaitQuota):
            raise Refused("The run is not paused by quota")
        outcome = self._grant(run.waiting)
        if outcome is None:
            return {"ok": False, "result": {"ok": False, "resumed": False, "reason": "quota_exhausted"}}
        self._quota_wait(run, run.waiting, "RESOLVED")
        self._unblock(run, outcome)
        return {"ok": True, "result": {"ok": True, "resumed": True}}

    async def _op_publishEvent(self, operation: Json) -> Json:  # noqa: N802  # named after the script's operation
        self._counter += 1
        event_id = operation.get("eventId") or f"event-{self._counter}"
        if any(event.id == event_id for event in self.events):
            return {"ok": True, "status": "duplicate", "signaled": 0, "startedRuns": []}
        keys = self._keys(operation)
        event = Event(event_id, operation["name"], keys, operation.get("payload", {}), milliseconds_of(self.clock.now))
        self.events.append(event)
        waiting = [run for run in self.runs.values() if run.finish is None and _waits_for(run.waiting, event)]
        for run in waiting:
            self._signal(run, event.id, event.name, _key_for(run.waiting, event), event.payload)
        started, problems = self._trigger(event, operation)
        if not waiting and not started:
            event.error = "; ".join(problems) or (None if keys else "The event has no correlation key")
        return {
            "ok": True,
            "status": "resumed" if waiting else "no_wait",
            "signaled": len(waiting),
            "startedRuns": [run.id for run in started],
        }

    # --- launching --------------------------------------------------------------------------------------------------

    def _launch(self, workflow_id: str, version: int | None, payload: Any, *, parent: Run | None = None) -> Run:
        settings = self.settings.get(workflow_id, {})
        if settings.get("is_paused"):
            raise Refused("Workflow is paused")
        limit = settings.get("concurrency_limit")
        active = [run for run in self.runs.values() if run.facts.workflow_id == workflow_id and run.finish is None]
        if limit and len(active) >= limit and parent is None:
            raise Refused("Workflow concurrency limit reached")
        versions = self.versions.get(workflow_id, {})
        chosen = versions.get(max(versions, default=0) if version is None else version)
        if chosen is None:
            raise Refused("Workflow has no published versions")
        _require(payload, SCHEMAS[chosen.plan.payload_schema_ref], "Workflow payload validation failed")
        depth = 1 if parent is None else parent.depth + 1
        if depth > MAX_CHILD_DEPTH:
            raise Refused(f"Child workflows are nested deeper than {MAX_CHILD_DEPTH}")
        return self._new_run(workflow_id, chosen, payload, parent, depth)

    def _new_run(self, workflow_id: str, chosen: Published, payload: Any, parent: Run | None, depth: int) -> Run:
        effect = None if parent is None else parent.waiting
        run_id = (
            effect.child_run_id if isinstance(effect, fx.StartChild) else derived_id("conformance", len(self.runs))
        )
        facts = fx.RunFacts(
            run_id=run_id,
            workflow_id=workflow_id,
            workflow_version=chosen.plan.version,
            tenant=DEFAULT_TENANT,
            definition_hash=chosen.hash,
            semantics_version=SEMANTICS_VERSION,
            root_run_id=None if parent is None else parent.facts.root_run_id or parent.id,
        )
        machine = Machine.start(
            chosen.plan,
            facts,
            json.loads(json.dumps(payload)),
            None,
            self.host,
            self._traits(chosen.plan),
            quota_units=None if self.quota_limit is None else 0,
        )
        run = Run(facts, chosen, payload, machine, milliseconds_of(self.clock.now), depth=depth)
        run.parent = None if parent is None else parent.id
        self.runs[run.id] = run
        self.ready.append((run, None))
        return run

    def _traits(self, plan: Plan) -> dict[str, fx.ActionTraits]:
        found = [self.registry.find(*action) for action in plan.actions]
        return {action.label: action.traits for action in found if action is not None}

    def _trigger(self, event: Event, operation: Json) -> tuple[list[Run], list[str]]:
        """Start what is triggered by the event, each workflow on its own."""
        started: list[Run] = []
        problems: list[str] = []
        for workflow_id, versions in self.versions.items():
            latest = versions[max(versions)]
            trigger = latest.definition.trigger
            if trigger is None or trigger.type != "event" or trigger.event_name != event.name:
                continue
            source = trigger.source_payload_schema_ref or operation.get("payloadSchemaRef")
            try:
                if not trigger.payload_mapping and source != latest.plan.payload_schema_ref:
                    raise Refused(f"{workflow_id}: the event's schema is not the workflow's, and there is no mapping")
                payload, mapped = _mapped(trigger, event)
                run = self._launch(workflow_id, None, payload)
            except (Refused, StepFailure) as refused:
                problems.append(str(refused))
                continue
            run.trigger_mapping_applied = mapped
            started.append(run)
        return started, problems

    # --- running ----------------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        while self.ready:
            run, outcome = self.ready.popleft()
            if run.finish is not None:
                continue
            while True:
                if outcome is not None:
                    run.machine.resume(outcome)
                    self._hop(run)
                effect = run.machine.advance()
                run.ledger.add(effect.trace)
                self._hop(run)
                run.waiting = effect
                outcome = await self._answer(run, effect)
                if outcome is None:
                    break
                run.waiting = None

    def _hop(self, run: Run) -> None:
        """Continue in another machine, as after continue-as-new: nothing of it may be seen."""
        if not self.hop:
            return
        state = json.loads(json.dumps(run.machine.snapshot(), allow_nan=False))
        plan, facts = compile_definition(run.published.definition), run.facts
        run.machine = Machine.restore(plan, facts, state, self.host, self._traits(plan))
        if json.loads(json.dumps(run.machine.snapshot())) != state:
            raise AssertionError("a restored machine is not what was stored")

    async def _answer(self, run: Run, effect: fx.Effect) -> fx.Outcome | None:
        """What the host can answer at once; None when the run has to wait, or has ended."""
        match effect:
            case fx.CallAction():
                return await self._call(run, effect)
            case fx.Flush():
                return fx.Flushed()
            case fx.AwaitQuota():
                granted = self._grant(effect)
                if granted is None:
                    run.quota_pauses += 1
                    self._quota_wait(run, effect, "WAITING")
                return granted
        self.quota_used -= run.machine.release_quota()
        match effect:
            case fx.Sleep() | fx.AwaitTime():
                run.timers.append(effect.delay_ms)
            case fx.AwaitEvent():
                return self._early_event(run, effect)
            case fx.AwaitTask():
                self.tasks.append(Task(run, effect))
            case fx.StartChild():
                try:
                    self._launch(effect.workflow_id, effect.workflow_version, effect.input, parent=run)
                except Refused as refused:
                    return fx.StepFailed(RunError(CHILD, str(refused)))
            case fx.Finish():
                self._ended(run, effect)
        return None

    async def _call(self, run: Run, effect: fx.CallAction) -> fx.Outcome:
        step = effect.step
        stored: Json = {"action": effect.action_id, "path": step.path, "input": redact(effect.input, BUILT_IN)[0]}
        try:
            action = self.registry.get(effect.action_id, effect.action_version)
            ctx = ActionContext(
                tenant=run.facts.tenant,
                run_id=run.id,
                workflow_id=run.facts.workflow_id,
                workflow_version=run.facts.workflow_version,
                step_path=step.path,
                iteration=step.iteration,
                visit=step.visit,
                attempt=effect.attempt,
                idempotency_key="",
                now=self.host.now,
            )
            key = (action.id, action.version, idempotency_key(action, ctx, effect.input, effect.idempotency_key))
            if key in self.outputs:
                return fx.ActionSucceeded(self.outputs[key])
            resolved = await SecretResolver([self.secrets]).resolve(effect.input, effect.secret_paths, run.facts.tenant)
            output = await invoke(action, resolved.value, ctx, resolved.secrets)
        except StepFailure as failure:
            self.invocations.append({**stored, "status": "FAILED", "output": None})
            return fx.StepFailed(RunError(failure.category, failure.message, code=failure.code, details=failure.details))
        self.outputs[key] = output
        self.invocations.append({**stored, "status": "SUCCEEDED", "output": output})
        return fx.ActionSucceeded(output)

    def _early_event(self, run: Run, effect: fx.AwaitEvent) -> fx.Outcome | None:
        """Events that came before the wait, and a deadline that is over already."""
        for event in self.events:
            if event.published_ms >= run.started_ms and _waits_for(effect, event):
                run.machine.deliver(_arrival(event.id, event.name, _key_for(effect, event), event.payload, event.published_ms))
        early = run.machine.take_event()
        if early is None and effect.timeout_at is not None and effect.timeout_at <= iso_of(milliseconds_of(self.clock.now)):
            return fx.TimedOut()
        return early

    def _signal(self, run: Run, event_id: str, name: str, key: str | None, payload: Any) -> None:
        run.machine.deliver(_arrival(event_id, name, key, payload, milliseconds_of(self.clock.now)))
        event = run.machine.take_event() if isinstance(run.waiting, fx.AwaitEvent) else None
        if event is not None:
            self._unblock(run, event)

    def _unblock(self, run: Run, outcome: fx.Outcome) -> None:
        run.waiting = None
        self.ready.append((run, outcome))

    def _ended(self, run: Run, finish: fx.Finish) -> None:
        run.finish = finish
        parent = self.runs.get(run.parent or "")
        if parent is None or parent.finish is not None:
            return
        if finish.status == "SUCCEEDED":
            system = {"runId": run.id, "workflowId": run.facts.workflow_id, "workflowVersion": run.facts.workflow_version}
            self._unblock(parent, fx.ChildSucceeded({**finish.scopes, "system": system}))
        else:
            error = RunError.from_json(finish.error) if finish.error else RunError(CHILD, "The child run failed")
            self._unblock(parent, fx.StepFailed(error))

    def _cancel(self, run: Run) -> None:
        """The run first, then its children: a parent that ended does not hear of their end."""
        quota_wait = run.waiting
        finish = run.machine.cancel("canceled by the script")
        run.ledger.add(finish.trace)
        if isinstance(quota_wait, fx.AwaitQuota):
            self._quota_wait(run, quota_wait, "CANCELED")
        self.quota_used -= run.machine.release_quota()
        for task in self.tasks:
            task.open = task.open and task.run is not run
        self._ended(run, finish)
        for child in [child for child in self.runs.values() if child.parent == run.id and child.finish is None]:
            self._cancel(child)

    def _next_due(self) -> tuple[int, Run] | None:
        dues = []
        for run in self.runs.values():
            due = None
            if run.finish is None and isinstance(run.waiting, fx.Sleep | fx.AwaitTime):
                due = run.waiting.due_at
            elif run.finish is None and isinstance(run.waiting, fx.AwaitEvent):
                due = run.waiting.timeout_at
            if due is not None:
                dues.append((milliseconds_of(datetime.fromisoformat(due)), run))
        return min(dues, key=lambda item: item[0], default=None)

    # --- quota ------------------------------------------------------------------------------------------------------

    def _grant(self, _effect: fx.AwaitQuota) -> fx.QuotaGranted | None:
        if self.quota_limit is None:
            return fx.QuotaGranted(None)
        units = min(self.quota_limit - self.quota_used, LEASE_BLOCK)
        if units < 1:
            return None
        self.quota_used += units
        return fx.QuotaGranted(units)

    def _quota_wait(self, run: Run, effect: fx.AwaitQuota, status: str) -> None:
        """The wait row that the reservation writes itself."""
        now = iso_of(milliseconds_of(self.clock.now))
        seq = 1_000_000 + len(run.ledger.waits) * 2 + (status != "WAITING")
        run.ledger.add(
            [fx.WaitRecord(seq, effect.step, "quota", status, now, timeout_at=PERIOD_END, attempt=run.quota_pauses)]
        )

    def _quota_used(self) -> int:
        counted = sum(run.machine.steps_started for run in self.runs.values())
        return self.quota_used + (counted if self.quota_limit is None else 0)

    # --- telling ----------------------------------------------------------------------------------------------------

    def _run_of(self, operation: Json) -> Run:
        return self.runs[self.aliases[operation.get("run", "main")]]

    def _checkpoint(self) -> Checkpoint | None:
        run = self.runs.get(self.aliases.get("main", ""))
        if run is None:
            return None
        waits = [wait for wait in run.ledger.waits if wait.status == "WAITING" and wait.wait_type not in ("retry", "child")]
        return Checkpoint(run.phase, run.status, [{"type": wait.wait_type, "path": wait.step.path} for wait in waits])

    def _stored_invocations(self) -> list[Json]:
        return self.invocations

    def _keys(self, operation: Json) -> list[str]:
        from engine.definition.correlation import resolve_correlation

        paths = self.case.get("correlationPaths") or {}
        return list(resolve_correlation(paths, operation["name"], operation.get("payload", {}), operation.get("correlationKey")))


def _mapped(trigger: Any, event: Event) -> tuple[Any, bool]:
    from engine.definition.triggers import apply_trigger_mapping

    key = event.keys[0] if event.keys else None
    return apply_trigger_mapping(trigger, {"name": event.name, "correlationKey": key, "payload": event.payload})


def _regex_actions() -> list[Any]:
    from engine.actions.builtin.regex import REGEX_ACTIONS
    from engine.actions.declaration import declarations_of

    return [declared for handler in REGEX_ACTIONS for declared in declarations_of(handler)]


def _arrival(event_id: str, name: str, key: str | None, payload: Any, at_ms: int) -> fx.EventArrived:
    return fx.EventArrived(event_id, name, key, payload if isinstance(payload, dict) else {}, iso_of(at_ms))


def _waits_for(effect: fx.Effect | None, event: Event) -> bool:
    """Routing looks at name and key; filters are the run's own business."""
    if not isinstance(effect, fx.AwaitEvent) or effect.event_name != event.name:
        return False
    return effect.key is None or effect.key in event.keys


def _key_for(effect: fx.Effect | None, event: Event) -> str | None:
    """The key of the event that the wait asked for."""
    wanted = effect.key if isinstance(effect, fx.AwaitEvent) else None
    return wanted if wanted in event.keys else next(iter(event.keys), None)


def _require(value: Any, schema: Json, message: str) -> None:
    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError as error:
        raise Refused(f"{message}: {error.message}") from error


def _observed_task(effect: fx.AwaitTask) -> Json:
    return {
        "type": effect.task_type,
        "title": effect.title,
        "description": effect.description or "",
        "contextData": effect.context,
    }


def _observed_run(run: Run, runs: dict[str, Run]) -> ObservedRun:
    scopes = run.machine.scopes
    return ObservedRun(
        run_id=run.id,
        workflow_id=run.facts.workflow_id,
        version=run.facts.workflow_version,
        status=run.status,
        phase=run.phase,
        input=run.input,
        steps=[{"path": step.step.path, "status": step.status} for step in run.ledger.steps],
        waits=[
            {
                "type": wait.wait_type,
                "path": wait.step.path,
                "status": wait.status,
                "eventName": wait.event_name,
                "key": wait.key,
                "timeoutAt": wait.timeout_at,
                "matchedEventId": wait.matched_event_id,
            }
            for wait in run.ledger.waits
        ],
        timers=run.timers,
        vars=scopes["vars"],
        payload=scopes["payload"],
        meta=scopes["meta"],
        error=run.finish.error if run.finish is not None else None,
        parent=run.parent,
        root=run.facts.root_run_id if run.parent in runs else None,
        replay_of=run.replay_of,
        trigger_mapping_applied=run.trigger_mapping_applied,
    )
