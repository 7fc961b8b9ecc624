"""What the in-memory world knows of a run, and how it is told to the checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.definition.models import Definition
from engine.definition.plan import Plan
from engine.definition.step_ref import StepRef
from engine.interpreter import effects as fx
from engine.interpreter.ledger import Ledger, StepKey, key_of
from engine.interpreter.machine import Machine
from engine.interpreter.recorded_run import (
    AttemptKey,
    RecordedAttempt,
    RecordedRun,
    RecordedStep,
    RecordedTask,
    RecordedWait,
)
from engine.interpreter.times import iso_of
from tests.conformance.observed import Json, ObservedRun


class Refused(Exception):
    """An operation of the script was refused, with the code that the engine's operation has for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Published:
    """One published version."""

    source: Json
    definition: Definition
    plan: Plan
    hash: str


class States:
    """The scopes around every step, as the run itself had them."""

    def __init__(self) -> None:
        self.befores: dict[StepKey, Json] = {}
        self.afters: dict[StepKey, Json] = {}

    def before(self, step: StepRef, scopes: Json) -> None:
        self.befores[key_of(step)] = scopes

    def after(self, step: StepRef, scopes: Json) -> None:
        self.afters[key_of(step)] = scopes


@dataclass(slots=True)
class Run:
    """A run and the host's side of it."""

    facts: fx.RunFacts
    published: Published
    input: Any
    machine: Machine
    started_ms: int
    traits: dict[str, fx.ActionTraits]
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
    tries: dict[AttemptKey, RecordedAttempt] = field(default_factory=dict)
    events: dict[StepKey, fx.EventArrived] = field(default_factory=dict)
    tasks: dict[StepKey, RecordedTask] = field(default_factory=dict)
    states: States = field(default_factory=States)

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

    def remember(self, effect: fx.Effect | None, outcome: fx.Outcome) -> None:
        """Keep what the rows of a real run would keep of an answer."""
        match effect, outcome:
            case fx.CallAction() | fx.StartChild(), fx.ActionSucceeded() | fx.ChildSucceeded() | fx.StepFailed():
                key = (*key_of(effect.step), effect.attempt)
                if isinstance(outcome, fx.StepFailed):
                    self.tries[key] = RecordedAttempt(effect.input, error=outcome.error.to_json())
                else:
                    output = outcome.output if isinstance(outcome, fx.ActionSucceeded) else outcome.scopes
                    self.tries[key] = RecordedAttempt(effect.input, output)
            case fx.AwaitEvent(), fx.EventArrived():
                self.events[key_of(effect.step)] = outcome
            case fx.AwaitTask(), fx.TaskCompleted():
                self.tasks[key_of(effect.step)] = RecordedTask(
                    effect.title, effect.description, effect.context, outcome
                )

    def recorded(self) -> RecordedRun:
        """The run as its rows tell it."""
        return RecordedRun(
            facts=self.facts,
            status=self.status,
            definition=self.published.source,
            payload=self.input,
            meta={},
            started_at=iso_of(self.started_ms),
            steps={
                key_of(record.step): RecordedStep(
                    step_id=record.step.step_id,
                    step_type=record.step.step_type,
                    status=record.status,
                    attempt=record.attempt,
                    seq=record.seq,
                    started_at=record.started_at,
                    completed_at=record.completed_at,
                    outcome=record.outcome,
                    error=record.error,
                )
                for record in self.ledger.steps
            },
            waits={
                (*key_of(record.step), record.wait_type, record.attempt): RecordedWait(
                    status=record.status,
                    opened_at=self.ledger.opened_at(record),
                    ended_at=None if record.status == "WAITING" else record.at,
                    event_name=record.event_name,
                    key=record.key,
                )
                for record in self.ledger.waits
            },
            tries=self.tries,
            events=self.events,
            tasks=self.tasks,
        )

    def observed(self, runs: dict[str, Run]) -> ObservedRun:
        """The run as the checks look at it."""
        scopes = self.machine.scopes
        return ObservedRun(
            run_id=self.id,
            workflow_id=self.facts.workflow_id,
            version=self.facts.workflow_version,
            status=self.status,
            phase=self.phase,
            input=self.input,
            steps=[{"path": step.step.path, "status": step.status} for step in self.ledger.steps],
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
                for wait in self.ledger.waits
            ],
            timers=self.timers,
            vars=scopes["vars"],
            payload=scopes["payload"],
            meta=scopes["meta"],
            error=self.finish.error if self.finish is not None else None,
            parent=self.parent,
            root=self.facts.root_run_id if self.parent in runs else None,
            replay_of=self.replay_of,
            trigger_mapping_applied=self.trigger_mapping_applied,
        )


@dataclass(slots=True)
class Event:
    """A published event."""

    id: str
    name: str
    keys: list[str]
    payload: Any
    published_ms: int
    error: str | None = None

    def wanted_by(self, effect: fx.Effect | None) -> bool:
        """Routing looks at name and key; filters are the run's own business."""
        if not isinstance(effect, fx.AwaitEvent) or effect.event_name != self.name:
            return False
        return effect.key is None or effect.key in self.keys

    def arrival_for(self, effect: fx.Effect | None) -> fx.EventArrived:
        """The event as a run gets it, under the key that its wait asked for."""
        wanted = effect.key if isinstance(effect, fx.AwaitEvent) else None
        key = wanted if wanted in self.keys else next(iter(self.keys), None)
        return arrival(self.id, self.name, key, self.payload, self.published_ms)


@dataclass(slots=True)
class Task:
    """A human task and the run that asked for it."""

    run: Run
    effect: fx.AwaitTask
    open: bool = True

    def observed(self) -> Json:
        return {
            "type": self.effect.task_type,
            "title": self.effect.title,
            "description": self.effect.description or "",
            "contextData": self.effect.context,
        }


def arrival(event_id: str, name: str, key: str | None, payload: Any, at_ms: int) -> fx.EventArrived:
    """An event as a run gets it; a payload that is no object counts as empty."""
    return fx.EventArrived(event_id, name, key, payload if isinstance(payload, dict) else {}, iso_of(at_ms))
