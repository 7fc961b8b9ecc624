"""The machine fed with a recorded run: it goes as far as the records carry it, on the times they tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.actions.pure_host import PureHost
from engine.contract import SUPPORTED_SEMANTICS
from engine.definition.compile import compile_definition
from engine.definition.parse import parse_definition
from engine.definition.plan import Plan
from engine.definition.step_ref import StepRef
from engine.errors import Invalid, RunError
from engine.interpreter import effects as fx
from engine.interpreter.ledger import Ledger, key_of
from engine.interpreter.machine import Machine
from engine.interpreter.recorded_run import NOT_KEPT, RecordedAttempt, RecordedRun, RecordedWait
from engine.interpreter.run_state import StepObserver
from engine.rebuild.memory_host import VirtualClock
from engine.rebuild.recorded_traits import recorded_traits

_OVER = ("RESOLVED", "TIMED_OUT")
_OPEN = ("RUNNING", "WAITING")


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the machine could not go on."""

    code: str
    """OPEN (the run is here now), CANCELED, NOT_RECORDED, INPUT_CHANGED, SEMANTICS_DIFFER, DEFINITION_UNREADABLE or TOO_LONG."""
    message: str
    step: StepRef | None = None
    recorded: Any = None
    """For INPUT_CHANGED: what the step was given then."""
    now: Any = None
    """For INPUT_CHANGED: what it would be given now."""


class Stopped(Exception):
    """Carries a Stop out of the loop."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop.message)
        self.stop = stop


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a pass was, just before a step: another pass goes on from here."""

    machine: dict[str, Any]
    """``Machine.snapshot``. It shares its values with the pass, which are never changed in place."""
    time: datetime


def plan_of(run: RecordedRun) -> Plan:
    """The program of a recorded run. Raises Stopped (SEMANTICS_DIFFER, DEFINITION_UNREADABLE)."""
    if run.facts.semantics_version not in SUPPORTED_SEMANTICS:
        raise Stopped(
            Stop(
                "SEMANTICS_DIFFER",
                f"The run was made by semantics {run.facts.semantics_version}, which this build does not have.",
            )
        )
    try:
        return compile_definition(parse_definition(run.definition, lenient=True))
    except Invalid as refused:
        raise Stopped(Stop("DEFINITION_UNREADABLE", refused.message)) from refused


class Replaying:
    """One pass of the machine over a recorded run.

    The machine is leased one unit of quota at a time, so that it asks before every step, and every step starts at the very
    time that is recorded of it, wherever the run's own activations began and ended.
    """

    def __init__(
        self,
        run: RecordedRun,
        plan: Plan,
        payload: Any,
        *,
        strict: bool,
        observer: StepObserver | None = None,
        enough: Callable[[], bool] = lambda: False,
        since: Checkpoint | None = None,
    ) -> None:
        """``strict``: a record is used only for the very input it was made with; else the records are the run's own.

        ``enough`` is asked before every step; once it says so, nothing more is computed. ``since``: where to begin, of a pass
        over the same run with the same payload; None: at its start.
        """
        self.run = run
        self.ledger = Ledger()
        self._strict = strict
        self._enough = enough
        self._observer = observer
        self._traits: dict[str, fx.ActionTraits] = {}
        self._labels = [f"{action}@{version}" for action, version in plan.actions]
        if since is not None:
            self._clock = VirtualClock(since.time)
            self._machine = Machine.restore(plan, run.facts, since.machine, PureHost(), self._traits, observer=self)
            return
        # Not the run's own start: that is Postgres's time, and may be ahead of Temporal's.
        began = min((step.started_at for step in run.steps.values()), default=run.started_at)
        self._clock = VirtualClock(_moment(began))
        self._machine = Machine.start(
            plan,
            run.facts,
            payload,
            dict(run.meta),
            PureHost(),
            self._traits,
            quota_units=0,
            observer=self,
            at_ms=self._clock.now_ms,
        )

    def go(self, until: Callable[[], bool] = lambda: False) -> fx.Finish | Stop:
        """Run to the end, to where the records end, or to the first effect at which ``until`` holds."""
        try:
            while True:
                effect = self._machine.advance()
                self.ledger.add(effect.trace)
                if isinstance(effect, fx.Finish):
                    return effect
                if until():
                    return Stop("OPEN", "The state that was asked for is known.", self._machine.current_step)
                outcome, at = self._recorded(effect)
                self._clock.move_to(_moment(at))
                self._machine.resume(outcome, self._clock.now_ms)
        except Stopped as stopped:
            return stopped.stop

    @property
    def scopes(self) -> dict[str, Any]:
        """``{payload, vars, local, meta, error}`` where the machine is now."""
        return self._machine.scopes

    @property
    def next_step(self) -> StepRef | None:
        """The step that is about to start; None while one is going on."""
        pending = self._machine.pending
        return pending.step if isinstance(pending, fx.AwaitQuota) else None

    def checkpoint(self) -> Checkpoint:
        """Where the pass is. To be taken only before a step: see ``next_step``."""
        return Checkpoint(self._machine.snapshot(), self._clock.now)

    def cancel(self) -> fx.Finish:
        """End the run here, as its cancellation did."""
        finish = self._machine.cancel(None, None)
        self.ledger.add(finish.trace)
        return finish

    def before(self, step: StepRef, scopes: dict[str, Any]) -> None:
        """A step that is in no record is a step the run has not reached, whatever would come of it."""
        if not self._strict and key_of(step) not in self.run.steps:
            if self.run.status in _OPEN:
                raise Stopped(Stop("OPEN", f"The run has not started step {step.step_id} yet.", step))
            raise Stopped(Stop("NOT_RECORDED", f"Step {step.step_id} is not recorded.", step))
        if self._observer is not None:
            self._observer.before(step, scopes)

    def after(self, step: StepRef, scopes: dict[str, Any]) -> None:
        """Passed on to the observer."""
        if self._observer is not None:
            self._observer.after(step, scopes)

    # --- records as outcomes ----------------------------------------------------------------------------------------

    def _recorded(self, effect: fx.Effect) -> tuple[fx.Outcome, str]:
        """The recorded answer to an effect and the time it was taken at. Raises Stopped where there is none."""
        match effect:
            case fx.CallAction():
                found = self._attempt(effect.step, effect.attempt, effect.input)
                return _outcome_of_attempt(found, child=False), self._after_attempt(effect, found)
            case fx.StartChild():
                found = self._attempt(effect.step, effect.attempt, effect.input)
                return _outcome_of_attempt(found, child=True), self._after_attempt(effect, found)
            case fx.Sleep():
                return fx.Elapsed(), self._wait(effect.step, "retry", effect.attempt).ended_at or effect.due_at
            case fx.AwaitTime() | fx.AwaitEvent() | fx.AwaitTask() if self._was_canceled(effect.step):
                # What it waited for may have come; the run was canceled before it took it.
                raise self._stopped(effect.step, "")
            case fx.AwaitTime():
                self._wait(effect.step, "time")
                return fx.Elapsed(), self._ended_at(effect.step)
            case fx.AwaitEvent():
                return self._event(effect), self._ended_at(effect.step)
            case fx.AwaitTask():
                return self._answer(effect), self._ended_at(effect.step)
            case fx.AwaitQuota():
                return fx.QuotaGranted(1), self._beginning_of(effect.step)
            case fx.Flush():
                return fx.Flushed(), self._now
        raise TypeError(f"{type(effect).__name__} has no record")

    def _beginning_of(self, step: StepRef) -> str:
        """Prepare for a step that is about to start; when it did."""
        if self._enough():
            raise Stopped(
                Stop(
                    "TOO_LONG",
                    f"It takes too long to compute the run; it was given up before step {step.step_id}.",
                    step,
                )
            )
        traits = recorded_traits(self.run, step)
        self._traits.clear()
        if traits is not None:
            self._traits.update(dict.fromkeys(self._labels, traits))
        known = self.run.steps.get(key_of(step))
        return self._now if known is None else known.started_at

    def _attempt(self, step: StepRef, attempt: int, given: Any) -> RecordedAttempt:
        key = key_of(step)
        known = self.run.steps.get(key)
        if known is not None and self._was_canceled(step) and attempt >= known.attempt:
            # The try may have ended well; the run was canceled before it took the outcome.
            raise self._stopped(step, "")
        found = self.run.tries.get((*key, attempt))
        if found is None or found.output is NOT_KEPT:
            raise self._stopped(step, f"What try {attempt} of step {step.step_id} gave is not recorded.")
        undecided = known is not None and known.status in ("STARTED", "CANCELED")
        if found.error is not None and undecided and (*key, "retry", attempt) not in self.run.waits:
            # The try has failed, and what the run makes of that is not known.
            raise self._stopped(step, "")
        if self._strict and found.input is NOT_KEPT:
            raise self._stopped(step, f"What step {step.step_id} was given is not recorded.")
        if self._strict and found.input != given:
            raise Stopped(
                Stop("INPUT_CHANGED", f"Step {step.step_id} would get an input it never had.", step, found.input, given)
            )
        return found

    def _was_canceled(self, step: StepRef) -> bool:
        """Whether the run was canceled at a step, for a pass that goes where the run went."""
        known = self.run.steps.get(key_of(step))
        return not self._strict and known is not None and known.status == "CANCELED"

    def _wait(self, step: StepRef, wait_type: str, attempt: int = 1) -> RecordedWait:
        found = self.run.waits.get((*key_of(step), wait_type, attempt))
        if found is None or found.status not in _OVER:
            raise self._stopped(step, f"How the wait of step {step.step_id} ended is not recorded.")
        return found

    def _event(self, effect: fx.AwaitEvent) -> fx.Outcome:
        wait = self._wait(effect.step, "event")
        asked, then = [effect.event_name, effect.key], [wait.event_name, wait.key]
        if self._strict and asked != then:
            message = f"Step {effect.step.step_id} would wait for another event."
            raise Stopped(Stop("INPUT_CHANGED", message, effect.step, then, asked))
        if wait.status == "TIMED_OUT":
            return fx.TimedOut()
        event = self.run.events.get(key_of(effect.step))
        if event is None:
            raise self._stopped(effect.step, f"The event that step {effect.step.step_id} took is not stored any more.")
        return event

    def _answer(self, effect: fx.AwaitTask) -> fx.Outcome:
        key = key_of(effect.step)
        known, wait = self.run.steps.get(key), self.run.waits.get((*key, "human", 1))
        closed = wait is not None and wait.status == "CANCELED" and known is not None and known.status != "CANCELED"
        if closed and known is not None and known.error is not None:
            # Somebody closed the task, not the run: that was the step's failure.
            return fx.StepFailed(RunError.from_json(known.error))
        task = self.run.tasks.get(key)
        if task is None:
            raise self._stopped(effect.step, f"The response to the task of step {effect.step.step_id} is not recorded.")
        asked = {"title": effect.title, "description": effect.description or "", "context": effect.context}
        then = {"title": task.title, "description": task.description or "", "context": task.context}
        if self._strict and asked != then:
            message = f"Step {effect.step.step_id} would ask something else."
            raise Stopped(Stop("INPUT_CHANGED", message, effect.step, then, asked))
        return task.answer

    def _stopped(self, step: StepRef, message: str) -> Stopped:
        known = self.run.steps.get(key_of(step))
        if known is not None and known.status == "STARTED":
            return Stopped(Stop("OPEN", f"The run is at step {step.step_id}.", step))
        if known is not None and known.status == "CANCELED":
            return Stopped(Stop("CANCELED", f"The run was canceled at step {step.step_id}.", step))
        if known is None and self._strict:
            return Stopped(Stop("INPUT_CHANGED", f"Step {step.step_id} was never reached.", step))
        return Stopped(Stop("NOT_RECORDED", message, step))

    # --- times ------------------------------------------------------------------------------------------------------

    @property
    def _now(self) -> str:
        return self._clock.now.isoformat()

    def _ended_at(self, step: StepRef) -> str:
        known = self.run.steps.get(key_of(step))
        return self._now if known is None else known.completed_at or self._now

    def _after_attempt(self, effect: fx.CallAction | fx.StartChild, found: RecordedAttempt) -> str:
        """When the machine took the outcome. A worker's clock wrote the row of the try and the end of the step; the machine's
        own time is in the back-off it began, in the error it recorded, and in the end of a child's step."""
        key = key_of(effect.step)
        known = self.run.steps.get(key)
        pause = self.run.waits.get((*key, "retry", effect.attempt))
        if pause is not None:
            return pause.opened_at
        if known is None:
            return self._now
        if found.error is not None and known.error is not None:
            return str(known.error.get("at") or self._now)
        if isinstance(effect, fx.StartChild):
            return known.completed_at or self._now
        # Nothing looks at the clock between the success of an action and the start of the next step.
        return self._now


def _outcome_of_attempt(found: RecordedAttempt, *, child: bool) -> fx.Outcome:
    if found.error is not None:
        return fx.StepFailed(RunError.from_json(found.error))
    return fx.ChildSucceeded(found.output) if child else fx.ActionSucceeded(found.output)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
