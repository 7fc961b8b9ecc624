"""A small world in memory: runs on the engine's machine, with events, tasks, children, quota and idempotent actions.

It follows design/operations.md as far as a case can see it. Machine, actions, expressions, routing keys and trigger mappings
are the engine's own code.
"""

from __future__ import annotations

import json
from collections import deque
from datetime import UTC, datetime
from typing import Any

import jsonschema

from engine.actions.builtin.regex import REGEX_ACTIONS
from engine.actions.context import ActionContext
from engine.actions.declaration import declarations_of
from engine.actions.idempotency import idempotency_key
from engine.actions.invoke import invoke
from engine.actions.registry import ActionRegistry
from engine.actions.secrets import SecretResolver
from engine.contract import SEMANTICS_VERSION
from engine.definition.compile import compile_definition
from engine.definition.hash import definition_hash
from engine.definition.parse import parse_definition
from engine.definition.plan import Plan
from engine.errors import CHILD, RunError, StepFailure
from engine.ids import derived_id
from engine.interpreter import effects as fx
from engine.interpreter.machine import Machine
from engine.interpreter.scopes import system_of
from engine.interpreter.times import iso_of, milliseconds_of
from engine.rebuild.memory_host import EvenHost, VirtualClock
from engine.settings import DEFAULT_TENANT
from engine.values.redaction.policy import BUILT_IN
from engine.values.redaction.redact import redact
from tests.conformance.actions import Journal, conformance_actions
from tests.conformance.memory_run import Event, Published, Refused, Run, States, Task, arrival
from tests.conformance.observed import Json

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


class CaseSecrets:
    """The secrets of a case, and which were read."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self.reads: list[str] = []

    async def read(self, name: str, tenant: str) -> str | None:
        if name in self._values:
            self.reads.append(name)
        return self._values.get(name)


class World:
    """Everything between the runs. ``hop``: at every effect and boundary a run goes on in a new machine, from its JSON."""

    def __init__(self, case: Json, *, hop: bool) -> None:
        self.hop = hop
        self.clock = VirtualClock(START)
        self.host = EvenHost()
        self.journal = Journal()
        regex = [declared for handler in REGEX_ACTIONS for declared in declarations_of(handler)]
        self.registry = ActionRegistry([*regex, *conformance_actions(lambda _ctx: self.journal)])
        self.secrets = CaseSecrets(case.get("secrets") or {})
        self.settings: dict[str, Json] = {key: dict(value) for key, value in (case.get("settings") or {}).items()}
        quota = case.get("quota") or {}
        self.quota_limit: int | None = quota.get("limit")
        self._quota_used: int = quota.get("used", 0)
        self.versions: dict[str, dict[int, Published]] = {}
        self.runs: dict[str, Run] = {}
        self.tasks: list[Task] = []
        self.events: list[Event] = []
        self.invocations: list[Json] = []
        self._outputs: dict[tuple[str, int, str], Any] = {}
        self._ready: deque[tuple[Run, fx.Outcome | None]] = deque()

    @property
    def now_ms(self) -> int:
        return milliseconds_of(self.clock.now)

    def publish(self, source: Json) -> None:
        """Make a version available. Its checks are not this host's subject."""
        definition = parse_definition(source, lenient=True)
        published = Published(source, definition, compile_definition(definition), definition_hash(source))
        self.versions.setdefault(definition.id, {})[definition.version] = published

    # --- launching --------------------------------------------------------------------------------------------------

    def launch(self, workflow_id: str, version: int | None, payload: Any, *, parent: Run | None = None) -> Run:
        """A new run, which starts when the world settles. Raises Refused."""
        settings = self.settings.get(workflow_id, {})
        if settings.get("is_paused"):
            raise Refused("WORKFLOW_PAUSED", "Workflow is paused")
        limit = settings.get("concurrency_limit")
        active = [run for run in self.runs.values() if run.facts.workflow_id == workflow_id and run.finish is None]
        if limit and len(active) >= limit and parent is None:
            raise Refused("CONCURRENCY_LIMIT", "Workflow concurrency limit reached")
        versions = self.versions.get(workflow_id, {})
        chosen = versions.get(max(versions, default=0) if version is None else version)
        if chosen is None:
            raise Refused("VERSION_NOT_FOUND", "Workflow has no published versions")
        require(payload, SCHEMAS[chosen.plan.payload_schema_ref], "PAYLOAD_REJECTED")
        if parent is not None and parent.depth >= MAX_CHILD_DEPTH:
            raise Refused("CHILD_TOO_DEEP", f"Child workflows are nested deeper than {MAX_CHILD_DEPTH}")
        return self._new_run(workflow_id, chosen, payload, parent)

    def _new_run(self, workflow_id: str, chosen: Published, payload: Any, parent: Run | None) -> Run:
        effect = None if parent is None else parent.waiting
        facts = fx.RunFacts(
            run_id=effect.child_run_id if isinstance(effect, fx.StartChild) else derived_id("case", len(self.runs)),
            workflow_id=workflow_id,
            workflow_version=chosen.plan.version,
            tenant=DEFAULT_TENANT,
            definition_hash=chosen.hash,
            semantics_version=SEMANTICS_VERSION,
            root_run_id=None if parent is None else parent.facts.root_run_id or parent.id,
        )
        traits = self._traits(chosen.plan)
        units = None if self.quota_limit is None else 0
        own_payload = json.loads(json.dumps(payload))
        states = States()
        machine = Machine.start(
            chosen.plan, facts, own_payload, None, self.host, traits, units, observer=states, at_ms=self.now_ms
        )
        run = Run(facts, chosen, payload, machine, self.now_ms, traits, states=states)
        if parent is not None:
            run.parent, run.depth = parent.id, parent.depth + 1
        self.runs[run.id] = run
        self._ready.append((run, None))
        return run

    def _traits(self, plan: Plan) -> dict[str, fx.ActionTraits]:
        found = [self.registry.find(*action) for action in plan.actions]
        return {action.label: action.traits for action in found if action is not None}

    # --- running ----------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Run everything until it waits or has ended."""
        while self._ready:
            run, outcome = self._ready.popleft()
            while run.finish is None:
                if outcome is not None:
                    run.machine.resume(outcome, self.now_ms)
                    self._hop(run)
                effect = run.machine.advance()
                run.ledger.add(effect.trace)
                self._note_pure_tries(effect.trace)
                self._hop(run)
                run.waiting = effect
                outcome = await self._answer(run, effect)
                if outcome is None:
                    break
                run.remember(effect, outcome)
                run.waiting = None

    def _note_pure_tries(self, trace: fx.Trace) -> None:
        """Tries of pure actions, which the machine makes itself, are tries as any other."""
        for record in trace:
            if isinstance(record, fx.StepRecord) and record.call is not None:
                call = record.call
                status, shown = "SUCCEEDED" if call.error is None else "FAILED", redact(call.input, BUILT_IN)[0]
                tried: Json = {"action": call.action_id, "path": record.step.path, "input": shown}
                self.invocations.append({**tried, "status": status, "output": call.output})

    def unblock(self, run: Run, outcome: fx.Outcome) -> None:
        """Answer the effect a run waits on."""
        run.remember(run.waiting, outcome)
        run.waiting = None
        self._ready.append((run, outcome))

    def _hop(self, run: Run) -> None:
        """Continue in another machine, as after continue-as-new: nothing of it may be seen."""
        if not self.hop:
            return
        state = json.loads(json.dumps(run.machine.snapshot(), allow_nan=False))
        plan = compile_definition(run.published.definition)
        run.machine = Machine.restore(plan, run.facts, state, self.host, run.traits)
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
                granted = self.grant()
                if granted is None:
                    self.quota_wait(run, effect, "WAITING")
                return granted
        self._quota_used -= run.machine.release_quota()
        match effect:
            case fx.Sleep() | fx.AwaitTime():
                run.timers.append(effect.delay_ms)
            case fx.AwaitEvent():
                return self._early_event(run, effect)
            case fx.AwaitTask():
                self.tasks.append(Task(run, effect))
            case fx.StartChild():
                try:
                    self.launch(effect.workflow_id, effect.workflow_version, effect.input, parent=run)
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
                now=lambda: self.clock.now,
            )
            key = (action.id, action.version, idempotency_key(action, ctx, effect.input, effect.idempotency_key))
            if key in self._outputs:
                return fx.ActionSucceeded(self._outputs[key])
            resolved = await SecretResolver([self.secrets]).resolve(effect.input, effect.secret_paths, run.facts.tenant)
            output = await invoke(action, resolved.value, ctx, resolved.secrets)
        except StepFailure as failure:
            self.invocations.append({**stored, "status": "FAILED", "output": None})
            return fx.StepFailed(
                RunError(failure.category, failure.message, code=failure.code, details=failure.details)
            )
        self._outputs[key] = output
        self.invocations.append({**stored, "status": "SUCCEEDED", "output": output})
        return fx.ActionSucceeded(output)

    def _ended(self, run: Run, finish: fx.Finish) -> None:
        run.finish = finish
        parent = self.runs.get(run.parent or "")
        if parent is None or parent.finish is not None:
            return
        if finish.status == "SUCCEEDED":
            self.unblock(parent, fx.ChildSucceeded({**finish.scopes, "system": system_of(run.facts)}))
        else:
            error = RunError.from_json(finish.error) if finish.error else RunError(CHILD, "The child run failed")
            self.unblock(parent, fx.StepFailed(error))

    def cancel(self, run: Run) -> None:
        """The run first, then its children: a parent that ended does not hear of their end."""
        waiting = run.waiting
        finish = run.machine.cancel("canceled by the script", self.now_ms)
        run.ledger.add(finish.trace)
        if isinstance(waiting, fx.AwaitQuota):
            self.quota_wait(run, waiting, "CANCELED")
        self._quota_used -= run.machine.release_quota()
        for task in self.tasks:
            task.open = task.open and task.run is not run
        self._ended(run, finish)
        for child in [child for child in self.runs.values() if child.parent == run.id and child.finish is None]:
            self.cancel(child)

    # --- time and events --------------------------------------------------------------------------------------------

    async def pass_time(self, milliseconds: int) -> None:
        """Go forward, stopping at every due time on the way."""
        target = self.now_ms + milliseconds
        while (due := self._next_due()) is not None and due[0] <= target:
            self.clock.advance(max(0, due[0] - self.now_ms))
            self.unblock(due[1], fx.TimedOut() if isinstance(due[1].waiting, fx.AwaitEvent) else fx.Elapsed())
            await self.settle()
        self.clock.advance(target - self.now_ms)

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

    def signal(self, run: Run, event: fx.EventArrived) -> None:
        """Hand an event to a run, which may be waiting for it or keep it."""
        run.machine.deliver(event)
        taken = run.machine.take_event() if isinstance(run.waiting, fx.AwaitEvent) else None
        if taken is not None:
            self.unblock(run, taken)

    def signal_now(self, run: Run, event_id: str, name: str, key: str | None, payload: Any) -> None:
        """As ``signal``, for an event of this moment."""
        self.signal(run, arrival(event_id, name, key, payload, self.now_ms))

    def _early_event(self, run: Run, effect: fx.AwaitEvent) -> fx.Outcome | None:
        """Events that came before the wait, and a deadline that is over already."""
        for event in self.events:
            if event.published_ms >= run.started_ms and event.wanted_by(effect):
                run.machine.deliver(event.arrival_for(effect))
        early = run.machine.take_event()
        if early is None and effect.timeout_at is not None and effect.timeout_at <= iso_of(self.now_ms):
            return fx.TimedOut()
        return early

    # --- quota ------------------------------------------------------------------------------------------------------

    @property
    def quota_used(self) -> int:
        """Steps that were started, counted exactly."""
        counted = sum(run.machine.steps_started for run in self.runs.values())
        return self._quota_used + (counted if self.quota_limit is None else 0)

    def grant(self) -> fx.QuotaGranted | None:
        """A lease; None while the quota is used up."""
        if self.quota_limit is None:
            return fx.QuotaGranted(None)
        units = min(self.quota_limit - self._quota_used, LEASE_BLOCK)
        if units < 1:
            return None
        self._quota_used += units
        return fx.QuotaGranted(units)

    def quota_wait(self, run: Run, effect: fx.AwaitQuota, status: str) -> None:
        """The wait row that the reservation writes itself."""
        seq = 1_000_000 + len(run.ledger.waits) * 2 + (status != "WAITING")
        record = fx.WaitRecord(seq, effect.step, "quota", status, iso_of(self.now_ms), timeout_at=PERIOD_END)
        run.ledger.add([record])


def require(value: Any, schema: Json, code: str) -> None:
    """Raises Refused with the code when the value does not fit the schema."""
    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError as error:
        raise Refused(code, f"The value does not fit its schema: {error.message}") from error
