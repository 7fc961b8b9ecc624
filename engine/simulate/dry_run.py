"""The dry run: a definition on the real machine, with fixtures on a virtual clock, and nothing written anywhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from engine.actions.context import ActionContext
from engine.actions.invoke import invoke
from engine.actions.registry import ActionRegistry
from engine.actions.schema import parse_input
from engine.actions.secrets import secret_name
from engine.contract import SEMANTICS_VERSION
from engine.definition.compile import compile_definition
from engine.definition.hash import definition_hash
from engine.definition.parse import parse_definition
from engine.errors import QUOTA, Invalid, RunError, StepFailure
from engine.interpreter import effects as fx
from engine.interpreter.ledger import Ledger, StepKey, key_of
from engine.interpreter.machine import Machine
from engine.rebuild.memory_host import EvenHost, VirtualClock
from engine.settings import DEFAULT_TENANT
from engine.simulate.fixtures import MISSING, Fixtures, as_object, failure_in
from engine.simulate.report import Outcome, SimulatedAttempt, Simulation, Status, TraceEntry
from engine.simulate.sample import sample_of
from engine.values.json_pointer import names_of
from engine.values.jsonb_order import as_stored
from engine.values.request_limits import MAX_PAYLOAD_BYTES
from engine.wording import counted

_EXECUTED_FOR_REAL: Final = "transform."
"""Actions with this prefix only compute: a dry run runs them as a real run would."""


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """Budgets. Steps and time end the dry run; a longer loop is an ordinary error of its step."""

    max_steps: int = 500
    max_items: int = 100
    max_duration_ms: int = 5_000

    def __post_init__(self) -> None:
        limits = {"max_steps": 5_000, "max_items": 1_000, "max_duration_ms": 30_000}
        for name, limit in limits.items():
            if not 0 < getattr(self, name) <= limit:
                raise Invalid(
                    "SIMULATION_OPTION_INVALID", f"{name} must be from 1 to {limit}.", "Choose a value in that range."
                )


async def simulate(
    definition: Any,
    payload: Any,
    *,
    registry: ActionRegistry,
    now: datetime,
    fixtures: Mapping[str, Any] | None = None,
    options: SimulationOptions | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Simulation:
    """Dry-run a definition (JSON) from ``now`` (aware UTC, the start of the virtual clock).

    Raises Invalid: ``INVALID_WORKFLOW_DEFINITION``, ``PAYLOAD_TOO_LARGE`` (512 KiB of JSON), ``NON_SERIALIZABLE``.
    """
    size = len(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_PAYLOAD_BYTES:
        raise Invalid(
            "PAYLOAD_TOO_LARGE",
            f"The payload has {size} bytes; {MAX_PAYLOAD_BYTES} are allowed.",
            "Use a smaller payload.",
        )
    return await _DryRun(
        definition, payload, registry, now, Fixtures(fixtures), options or SimulationOptions(), monotonic
    ).run()


class _BudgetSpent(Exception):
    """The dry run went on for too long."""


class _Paused(Exception):
    """A wait without a fixture: the dry run ends here."""


class _DryRun:
    def __init__(  # noqa: PLR0917  # assembled in one place, above
        self,
        definition: Any,
        payload: Any,
        registry: ActionRegistry,
        now: datetime,
        fixtures: Fixtures,
        options: SimulationOptions,
        monotonic: Callable[[], float],
    ) -> None:
        plan = compile_definition(parse_definition(definition))
        facts = fx.RunFacts(
            run_id="simulation",
            workflow_id=plan.workflow_id,
            workflow_version=plan.version,
            tenant=DEFAULT_TENANT,
            definition_hash=definition_hash(definition),
            semantics_version=SEMANTICS_VERSION,
        )
        registered = [found for action in plan.actions if (found := registry.find(*action)) is not None]
        self._facts = facts
        self._registry = registry
        self._fixtures = fixtures
        self._options = options
        self._clock = VirtualClock(now)
        self._deadline = monotonic() + options.max_duration_ms / 1000
        self._monotonic = monotonic
        self._ledger = Ledger()
        self._invocations: list[SimulatedAttempt] = []
        self._warnings: dict[str, None] = {}
        self._seen: dict[StepKey, tuple[Any, Any, bool]] = {}
        """Input, output and whether it came from a fixture or a sample, by step."""
        self._machine = Machine.start(
            plan,
            facts,
            payload,
            None,
            EvenHost(),
            {action.label: action.traits for action in registered},
            quota_units=options.max_steps,
            item_limit=options.max_items,
            at_ms=self._clock.now_ms,
        )

    async def run(self) -> Simulation:
        status: Status = "failed"
        errors: list[dict[str, Any]] = []
        try:
            while True:
                effect = self._machine.advance()
                self._ledger.add(effect.trace)
                if isinstance(effect, fx.Finish):
                    status = "completed" if effect.status == "SUCCEEDED" else "failed"
                    errors += [effect.error] if effect.error else []
                    break
                if self._monotonic() > self._deadline:
                    raise _BudgetSpent(f"The dry run took longer than {self._options.max_duration_ms} ms.")
                self._machine.resume(await self._answer(effect), self._clock.now_ms)
        except _Paused:
            status = "paused-at-wait"
        except _BudgetSpent as spent:
            path = self._machine.current_path or ""
            errors.append(RunError(QUOTA, str(spent), path, code="SIMULATION_BUDGET").to_json())
        scopes = self._machine.scopes
        return Simulation(
            status=status,
            trace=[self._entry(record) for record in self._ledger.steps],
            final_vars=scopes["vars"],
            final_payload=scopes["payload"],
            invocations=self._invocations,
            errors=errors,
            warnings=list(self._warnings),
        )

    async def _answer(self, effect: fx.Effect) -> fx.Outcome:
        match effect:
            case fx.CallAction():
                return await self._call(effect)
            case fx.Sleep():
                self._clock.advance(effect.delay_ms)
                return fx.Elapsed()
            case fx.Flush():
                return fx.Flushed()
            case fx.AwaitQuota():
                raise _BudgetSpent(f"The dry run started more than {counted(self._options.max_steps, 'step')}.")
            case fx.AwaitTime() | fx.AwaitEvent() | fx.AwaitTask() | fx.StartChild():
                return self._resumed(effect)
            case fx.Finish():
                raise RuntimeError("the end of a run has no answer")

    async def _call(self, effect: fx.CallAction) -> fx.Outcome:
        action_input = self._with_placeholders(effect)
        fixture = self._fixtures.find(effect)
        source, output, error = await self._output(effect, action_input, fixture)
        step = effect.step
        self._invocations.append(
            SimulatedAttempt(
                step_id=step.step_id,
                path=step.path,
                iteration=step.iteration,
                attempt=effect.attempt,
                action_id=effect.action_id,
                version=effect.action_version,
                input=action_input,
                output_source=source,
            )
        )
        self._seen[key_of(step)] = (action_input, output, source != "executed")
        return fx.StepFailed(error) if error is not None else fx.ActionSucceeded(output)

    async def _output(self, effect: fx.CallAction, action_input: Any, fixture: Any) -> tuple[Any, Any, RunError | None]:
        registered = self._registry.find(effect.action_id, effect.action_version)
        if fixture is not MISSING:
            return "fixture", as_stored(fixture), failure_in(fixture)
        if registered is None:
            self._warn(
                f"{self._registry.missing(effect.action_id, effect.action_version)} Its output is taken as empty."
            )
            return "empty", {}, None
        try:
            if registered.id.startswith(_EXECUTED_FOR_REAL):
                return "executed", as_stored(await invoke(registered, action_input, self._context(effect))), None
            parse_input(registered.label, registered.input_model, action_input)
        except StepFailure as failure:
            return (
                "executed",
                None,
                RunError(failure.category, failure.message, code=failure.code, details=failure.details),
            )
        sample = sample_of(registered.output_schema())
        self._warn(f"Action {registered.label} has no fixture; its output is made up from its schema.")
        return "schema", {} if sample is None else sample, None

    def _context(self, effect: fx.CallAction) -> ActionContext:
        step = effect.step
        return ActionContext(
            tenant=self._facts.tenant,
            run_id=self._facts.run_id,
            workflow_id=self._facts.workflow_id,
            workflow_version=self._facts.workflow_version,
            step_path=step.path,
            iteration=step.iteration,
            visit=step.visit,
            attempt=effect.attempt,
            idempotency_key=effect.idempotency_key or f"{step.path}:{step.iteration}",
            now=lambda: self._clock.now,
        )

    def _with_placeholders(self, effect: fx.CallAction) -> Any:
        value = effect.input
        for pointer in effect.secret_paths:
            segments = names_of(pointer)
            value = self._placeholder(value, segments)
        return value

    def _placeholder(self, value: Any, segments: list[str]) -> Any:
        if not segments:
            name = secret_name(value)
            self._warn(f"Secret {name} is a placeholder in a dry run.")
            return f"secret:{name}"
        if isinstance(value, dict):
            return {**value, segments[0]: self._placeholder(value[segments[0]], segments[1:])}
        index = int(segments[0])
        return [*value[:index], self._placeholder(value[index], segments[1:]), *value[index + 1 :]]

    def _resumed(self, effect: fx.AwaitTime | fx.AwaitEvent | fx.AwaitTask | fx.StartChild) -> fx.Outcome:
        fixture = self._fixtures.find(effect)
        if fixture is MISSING:
            raise _Paused
        fixture = as_stored(fixture)
        self._seen[key_of(effect.step)] = (effect.input if isinstance(effect, fx.StartChild) else None, fixture, True)
        error = failure_in(fixture)
        match effect:
            case fx.AwaitTime():
                self._clock.advance(effect.delay_ms)
                return fx.Elapsed()
            case fx.AwaitEvent() if isinstance(fixture, dict) and fixture.get("$timeout") is True and effect.timeout_at:
                self._clock.move_to(datetime.fromisoformat(effect.timeout_at))
                return fx.TimedOut()
            case fx.AwaitEvent():
                event = fx.EventArrived(
                    None, effect.event_name, effect.key, as_object(fixture), self._clock.now.isoformat()
                )
                return event
            case fx.AwaitTask():
                return fx.TaskCompleted("HUMAN_TASK_COMPLETED", as_object(fixture))
            case fx.StartChild() if error is not None:
                return fx.StepFailed(error)
            case fx.StartChild():
                known = isinstance(fixture, dict) and ("vars" in fixture or "payload" in fixture)
                return fx.ChildSucceeded(fixture if known else {"vars": as_object(fixture), "payload": effect.input})

    def _entry(self, record: fx.StepRecord) -> TraceEntry:
        step = record.step
        action_input, output, stubbed = self._seen.get(key_of(step), (None, None, False))
        if record.call is not None:
            action_input, output = record.call.input, record.call.output
        outcome: Outcome = "stubbed" if stubbed else "executed"
        if record.status == "STARTED":
            outcome = "would-wait"
        elif record.error is not None:
            outcome = "error"
        facts = record.outcome if isinstance(record.outcome, dict) else {}
        if step.step_type == "transform.assign" and record.status == "SUCCEEDED":
            output = facts.get("assigned")
        return TraceEntry(
            step_id=step.step_id,
            path=step.path,
            iteration=step.iteration,
            type=step.step_type,
            outcome=outcome,
            evaluated_input=action_input,
            output=output,
            branch_taken=facts.get("branch"),
            saved_as=facts.get("savedAs"),
            handled_by=record.handled_by,
            message=None if record.error is None else str(record.error["message"]),
        )

    def _warn(self, message: str) -> None:
        self._warnings[message] = None
