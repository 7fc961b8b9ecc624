"""The interpreter: a state machine without I/O.

Theory of operation
===================

A run is a position in a compiled definition (``Plan``) with the scopes its steps have written. The machine executes
steps in memory; what needs the outside world it returns to its host as an ``Effect``, and the host answers with an
``Outcome``:

    machine = Machine.start(plan, facts, payload, ...)          # or Machine.restore(plan, facts, snapshot, ...)
    while not isinstance(effect := machine.advance(), Finish):
        machine.resume(*await perform(effect))

Three hosts do this: the Temporal workflow (``engine.workflow``) with activities and timers, the dry run
(``engine.simulate``) with fixtures on a virtual clock, and the rebuilder (``engine.rebuild``) with what is recorded of
a run. Rules of the language are written here, once; a host decides nothing but how an effect is done.

Sources of truth
----------------

* The plan is immutable and shared by all runs of a version. A state belongs to one ``definition_hash``.
* ``RunState`` is everything a run is: position (``at``), open loops and tries (``frames``), scopes, the open step, the
  pending effect, buffered events, counters. ``snapshot()`` is that as JSON; there is nothing else to save.
* Under Temporal the history is the truth: it has every outcome in order. The machine is deterministic in (plan,
  payload, outcomes, events, and the times that come with them), so replaying them gives the same effects and the same
  state. Hence no I/O and no randomness of its own; its clock is the time of the last fact that is on record for the run:
  its start, and then the ``at`` of each outcome. It stands still in between and never goes back.
* Rows in Postgres are a projection, made from the ``trace`` each effect carries. The machine never reads them. ``seq``
  counts the records of a run from 1 over all its executions, so that a projection can tell a late write from a new one.

States
------

Which state the machine is in follows from two fields, ``pending`` and ``delivered``:

    state      pending   delivered   what is next
    READY      None      False       ``advance`` executes steps from ``at``
    OFFERED    effect    False       ``advance`` returns it, with its trace
    AWAITING   effect    True        ``resume``; ``advance`` returns the effect again, with an empty trace
    ENDED      Finish    either      nothing: ``advance`` returns Finish again, ``resume`` refuses

    READY    -- advance -->  AWAITING, or ENDED
    AWAITING -- resume  -->  READY (the step has ended), or OFFERED (it needs something else, or the run has ended)
    OFFERED  -- advance -->  AWAITING, or ENDED
    any      -- cancel  -->  ENDED

READY and OFFERED are the boundaries (``at_boundary``): no answer is owed, so a snapshot taken there repeats nothing. A
machine restored from a snapshot taken in AWAITING returns its effect again, for the host to do again; effects are
therefore done idempotently.

One open step
-------------

Steps of a run are executed one after the other, never side by side. So at most one step is open, that at ``at``, and an
outcome needs no address: it is the open step's. A step opens when it needs its host and stays open over all its
attempts; input and idempotency key are evaluated once, when it opens. An action with a retry policy goes

    CallAction(attempt 1) -> StepFailed -> Sleep -> Elapsed -> CallAction(attempt 2) -> ActionSucceeded

and is one step with two attempts and one wait of type ``retry``. Steps that need no host (``control.*`` but
``control.callWorkflow``, ``transform.assign``, ``state.set``, pure actions) start and complete within ``advance``. Flush
and AwaitQuota come between two steps and belong to none. Instructions that are no steps (the turn of a loop, the end of
a try, the end) leave no record and use no quota.

What is promised
----------------

``advance``
    Executes steps until the host is needed, for a bounded time: after ``PURE_STEPS_PER_ACTIVATION`` steps, or as much
    evaluation or trace as ``run_state`` allows, it returns Flush. Every record is in the trace of exactly one effect,
    once. It never raises for what a definition or its data do: that is a failure of the step (``routing.fail``:
    onError, the nearest try, the nearest loop that continues, else the end of the run). A RuntimeError is a bug of
    ours.

``resume``
    Takes one of the outcomes that ``_ANSWERS`` allows for the pending effect. Any other raises TypeError and changes
    nothing. It applies the outcome to the open step, which completes, fails, or asks for its next effect; it starts no
    other step.

``cancel`` may be called in every state and cannot be caught by a definition; a run that has ended keeps its end.
``deliver`` takes an event at any time, also before the step that waits for it; an event id counts once in the life of a
run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from engine.definition import plan as code
from engine.definition.plan import Plan
from engine.definition.step_ref import StepRef
from engine.errors import CANCELLATION, CORRUPTION, RunError, StepFailure
from engine.interpreter import effects as fx
from engine.interpreter import snapshot, steps_action, steps_control, steps_wait
from engine.interpreter.routing import fail
from engine.interpreter.run_state import RunState, StepObserver
from engine.interpreter.scopes import Scopes

_STEPS: Final[dict[type, Callable[[RunState, Any], None]]] = {
    code.If: steps_control.run_if,
    code.ForEach: steps_control.run_for_each,
    code.TryCatch: steps_control.run_try_catch,
    code.Return: steps_control.run_return,
    code.Assign: steps_control.run_assign,
    code.StateSet: steps_control.run_state_set,
    code.Broken: steps_control.run_broken,
    code.ActionCall: steps_action.run_action,
    code.Email: steps_action.run_email,
    code.TimeWait: steps_wait.run_time_wait,
    code.EventWait: steps_wait.run_event_wait,
    code.HumanTask: steps_wait.run_human_task,
    code.CallWorkflow: steps_wait.run_call_workflow,
}
_TURNS: Final[dict[type, Callable[[RunState, Any], None]]] = {
    code.LoopTurn: steps_control.run_loop_turn,
    code.TryEnd: steps_control.run_try_end,
    code.End: lambda state, _end: state.finish("SUCCEEDED"),
}
_ANSWERS: Final[dict[type, tuple[type, ...]]] = {
    fx.CallAction: (fx.ActionSucceeded, fx.StepFailed),
    fx.Sleep: (fx.Elapsed,),
    fx.AwaitTime: (fx.Elapsed,),
    fx.AwaitEvent: (fx.EventArrived, fx.TimedOut),
    fx.AwaitTask: (fx.TaskCompleted, fx.StepFailed),
    fx.StartChild: (fx.ChildSucceeded, fx.StepFailed),
    fx.AwaitQuota: (fx.QuotaGranted,),
    fx.Flush: (fx.Flushed,),
}


class Machine:
    """One run. Not thread-safe; every method returns at once."""

    def __init__(self, state: RunState) -> None:
        """Use ``start`` or ``restore``."""
        self._state = state

    @classmethod
    def start(  # noqa: PLR0917  # the order of the interpreter's protocol with its hosts
        cls,
        plan: Plan,
        facts: fx.RunFacts,
        payload: Any,
        meta: dict[str, Any] | None,
        host: fx.Host,
        traits: Mapping[str, fx.ActionTraits],
        quota_units: int | None,
        item_limit: int | None = None,
        observer: StepObserver | None = None,
        *,
        at_ms: int,
    ) -> Machine:
        """A new run. A payload that is no object counts as empty.

        ``traits`` by ``id@version``: the registered ones among ``plan.actions``. ``quota_units``: units leased so far; None
        when the tenant has no limit. ``item_limit``: the most items a loop may have, for dry runs. ``observer`` sees the scopes
        around every step; it is not part of the state. ``at_ms``: when the run started, in milliseconds since 1970.
        """
        scopes = Scopes(facts, payload if isinstance(payload, dict) else {}, {}, dict(meta or {}))
        state = RunState(plan, facts, scopes, host, traits, at_ms)
        state.quota = quota_units
        state.item_limit = item_limit
        state.observer = observer
        return cls(state)

    @classmethod
    def restore(
        cls,
        plan: Plan,
        facts: fx.RunFacts,
        state: dict[str, Any],
        host: fx.Host,
        traits: Mapping[str, fx.ActionTraits],
        *,
        observer: StepObserver | None = None,
        at_ms: int | None = None,
    ) -> Machine:
        """A run as ``snapshot`` left it. A state that does not fit the plan gives a machine whose only effect is its failure.

        ``at_ms`` moves the clock on: for what was stored by a host whose clock is not the record's.
        """
        try:
            restored = snapshot.from_json(plan, facts, state, host, traits)
            restored.observer = observer
            restored.move_clock(at_ms)
            return cls(restored)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            broken = RunState(plan, facts, Scopes(facts, {}, {}, {}), host, traits, at_ms or 0)
            message = f"The stored state of the run cannot be read: {problem}"
            broken.finish("FAILED", RunError(CORRUPTION, message, at=broken.now_iso, code="STATE_UNREADABLE"))
            return cls(broken)

    # --- what the host does in turns --------------------------------------------------------------------------------

    def advance(self) -> fx.Effect:
        """Run to the next effect. While one is pending it is returned again, with an empty trace."""
        state = self._state
        if state.pending is None:
            self._run(state)
        pending = state.pending
        if pending is None:
            raise RuntimeError("the interpreter stopped without an effect")
        if state.delivered:
            return replace(pending, trace=())
        state.delivered = True
        return pending

    def resume(self, outcome: fx.Outcome, at_ms: int | None) -> None:
        """Take the host's answer to the pending effect. Raises TypeError when it is no answer to that.

        ``at_ms``: when the answer was put on record, milliseconds since 1970; None: it is nothing that is put on record.
        """
        state = self._state
        pending = state.pending
        if pending is None or not state.delivered or not isinstance(outcome, _ANSWERS.get(type(pending), ())):
            raise TypeError(f"{type(outcome).__name__} does not answer {type(pending).__name__}")
        state.pending = None
        state.delivered = False
        state.move_clock(at_ms)
        state.refresh()
        if isinstance(outcome, fx.QuotaGranted):
            if outcome.units is not None and outcome.units < 1:
                raise TypeError("a quota grant without units is no grant")
            state.quota = outcome.units
        elif not isinstance(outcome, fx.Flushed):
            step = _open_step(state)
            try:
                self._apply(state, step, pending, outcome)
            except StepFailure as failure:
                fail(state, step, failure)

    def cancel(self, reason: str | None, at_ms: int | None) -> fx.Finish:
        """End the run as CANCELED, closing the open step and its wait. A run that has ended keeps its end.

        ``at_ms`` is a time for the rows alone: after it the machine computes nothing.
        """
        state = self._state
        pending = state.pending
        if isinstance(pending, fx.Finish):
            state.delivered, was_delivered = True, state.delivered
            return replace(pending, trace=()) if was_delivered else pending
        state.move_clock(at_ms)
        if pending is not None and not state.delivered:
            state.trace[:0] = pending.trace
        error = RunError(CANCELLATION, reason or "The run was canceled", at=state.now_iso)
        opened = state.open
        if opened is not None:
            state.end_wait("CANCELED")
            error = replace(error, node_path=opened.ref.path)
            state.complete(_open_step(state), "CANCELED", opened.outcome, error=error)
        state.finish("CANCELED", error)
        state.delivered = True
        finish = state.pending
        if not isinstance(finish, fx.Finish):
            raise RuntimeError("a canceled run did not finish")
        return finish

    # --- events -----------------------------------------------------------------------------------------------------

    def deliver(self, event: fx.EventArrived) -> bool:
        """Buffer an event, at any time. False when its id is buffered or was used by this run: it is ignored then."""
        return self._state.events.add(event)

    def matching_event(self) -> fx.EventArrived | None:
        """While an AwaitEvent is pending: the oldest buffered event that matches it."""
        state = self._state
        pending, step = state.pending, state.plan.code[state.at]
        if not isinstance(pending, fx.AwaitEvent) or not isinstance(step, code.EventWait):
            return None
        return state.events.match(pending.event_name, pending.key, step.filters)

    @property
    def event_filters(self) -> list[Any]:
        """While an AwaitEvent is pending: the filters of its step as JSON, as the record of the wait has them."""
        wait = None if self._state.open is None else self._state.open.wait
        payload = None if wait is None else wait.payload
        return list(payload["filters"]) if isinstance(payload, dict) and "filters" in payload else []

    def use_event(self, event: fx.EventArrived) -> None:
        """Take an event out of the buffer for good. Resume with it."""
        self._state.events.use(event)

    def take_event(self) -> fx.EventArrived | None:
        """``matching_event``, taken out for good."""
        event = self.matching_event()
        if event is not None:
            self.use_event(event)
        return event

    # --- state ------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON. Serialize it before the run goes on: it shares its values with the machine."""
        return snapshot.to_json(self._state)

    def rewind(self, state: dict[str, Any]) -> None:
        """Go back to what ``snapshot`` gave."""
        now = self._state
        self._state = snapshot.from_json(now.plan, now.facts, state, now.host, now.traits)

    def digest(self) -> str:
        """Of the whole state but the buffered events: two machines with the same digest go on in the same way."""
        return snapshot.digest_of(snapshot.to_json(self._state))

    def release_quota(self) -> int:
        """Give back the leased units that were not used: the next step asks for new ones. 0 without a limit."""
        units = self._state.quota
        if units is None:
            return 0
        self._state.quota = 0
        return units

    @property
    def pending(self) -> fx.Effect | None:
        """The effect the host is to answer, or is about to be given."""
        return self._state.pending

    @property
    def waiting_records(self) -> fx.Trace:
        """While a wait is pending: the records its effect came with; in a restored machine those of the wait and its step."""
        state, opened = self._state, self._state.open
        if state.pending is None or opened is None or opened.wait is None:
            return ()
        started = fx.StepRecord(
            opened.wait.seq - 1, opened.ref, "STARTED", opened.attempt, opened.started_at, outcome=opened.outcome
        )
        return state.pending.trace or (started, opened.wait)

    @property
    def now_ms(self) -> int:
        """The machine's time, milliseconds since 1970: that of the last fact on record."""
        return self._state.now_ms

    @property
    def now_iso(self) -> str:
        """The same, as ISO-8601."""
        return self._state.now_iso

    @property
    def seq(self) -> int:
        """Number of the last record made."""
        return self._state.seq

    @property
    def steps_started(self) -> int:
        """Steps started so far, loop iterations counted, tries not."""
        return self._state.steps_started

    @property
    def evaluated(self) -> int:
        """Evaluation steps used by this object; what was used before it was restored is not in it."""
        return self._state.evaluated

    @property
    def current_step(self) -> StepRef | None:
        """The step that is open, comes next, or ended the run; None when the end was reached without one."""
        step = self._state.plan.code[self._state.at]
        return self._state.ref(step) if isinstance(step, code.Instruction) else None

    @property
    def current_path(self) -> str | None:
        """Path of ``current_step``."""
        step = self.current_step
        return None if step is None else step.path

    @property
    def frame_depth(self) -> int:
        """Loops and tries that are open around the current step."""
        return len(self._state.frames)

    @property
    def at_boundary(self) -> bool:
        """Whether the host owes no answer and the run has not ended: a snapshot now repeats nothing."""
        state = self._state
        return not isinstance(state.pending, fx.Finish) and (state.pending is None or not state.delivered)

    @property
    def scopes(self) -> dict[str, Any]:
        """``{payload, vars, local, meta, error}`` as they are now. Not to be changed."""
        return self._state.scopes.final()

    # --- inside -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _run(state: RunState) -> None:
        """Steps and turns until something is pending."""
        program = state.plan.code
        while state.pending is None:
            instruction = program[state.at]
            if not isinstance(instruction, code.Instruction):
                _TURNS[type(instruction)](state, instruction)
                continue
            if state.exhausted:
                state.suspend(fx.Flush(trace=state.take_trace(), steps_started=state.steps_started))
                return
            if state.quota is not None:
                if state.quota == 0:
                    state.suspend(fx.AwaitQuota(state.take_trace(), state.ref(instruction), state.steps_started))
                    return
                state.quota -= 1
            state.room -= 1
            state.spent_before = state.spent
            state.steps_started += 1
            if state.observer is not None:
                state.observer.before(state.ref(instruction), state.scopes.final())
            try:
                _STEPS[type(instruction)](state, instruction)
            except StepFailure as failure:
                fail(state, instruction, failure)

    @staticmethod
    def _apply(state: RunState, step: Any, pending: fx.Effect, outcome: fx.Outcome) -> None:
        """Hand an outcome to the step that waits for it. Raises StepFailure when the step fails by it."""
        match outcome:
            case fx.ActionSucceeded():
                steps_action.action_succeeded(state, step, outcome.output)
            case fx.StepFailed():
                if isinstance(step, code.CallWorkflow):
                    steps_wait.child_failed(state, step, outcome.error)
                elif isinstance(step, code.HumanTask):
                    steps_wait.task_canceled(state, step, outcome.error)
                else:
                    steps_action.action_failed(state, step, outcome.error)
            case fx.Elapsed() if isinstance(pending, fx.AwaitTime):
                steps_wait.time_over(state, step)
            case fx.Elapsed():
                _repeat(state, step)
            case fx.EventArrived():
                steps_wait.event_arrived(state, step, outcome)
            case fx.TimedOut():
                raise steps_wait.event_timed_out(state, step)
            case fx.TaskCompleted():
                steps_wait.task_completed(state, step, outcome)
            case fx.ChildSucceeded():
                steps_wait.child_succeeded(state, step, outcome.scopes)


def _open_step(state: RunState) -> code.Instruction:
    """The step that waits for the host."""
    step = state.plan.code[state.at]
    if not isinstance(step, code.Instruction):
        raise RuntimeError(f"{state.plan.labels[state.at]} is no step")
    return step


def _repeat(state: RunState, step: Any) -> None:
    """The back-off is over: the next try of the same step."""
    opened = state.open
    if opened is None:
        raise RuntimeError("a back-off ended that no step had asked for")
    state.end_wait("RESOLVED")
    opened.attempt += 1
    if isinstance(step, code.CallWorkflow):
        steps_wait.start_child(state, step, opened)
    else:
        steps_action.call_action(state, step, opened)
