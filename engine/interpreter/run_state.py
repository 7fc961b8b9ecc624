"""The state of a run, and the transitions that all kinds of steps share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from engine.contract import TEMPORAL_CLOCK_SEMANTICS
from engine.definition.plan import Instruction, Plan
from engine.definition.step_ref import StepRef
from engine.errors import EXPRESSION, RunError, StepFailure
from engine.interpreter.effects import (
    ActionTraits,
    Effect,
    Finish,
    Host,
    LogRecord,
    PureCall,
    Record,
    RunFacts,
    StepRecord,
    Trace,
    WaitRecord,
)
from engine.interpreter.events import EventBuffer
from engine.interpreter.frames import Frame, LoopFrame, leave_loop
from engine.interpreter.scopes import Scopes
from engine.interpreter.times import iso_of
from engine.interpreter.trace import bounded
from engine.values.json_size import json_size

PURE_STEPS_PER_ACTIVATION: Final = 200
"""After so many pure steps the host gets a Flush, far below the two seconds after which Temporal suspects a deadlock."""
EVALUATION_STEPS: Final = 1_000_000
"""About 0.3 s of evaluating: as much as one step may use in all its expressions, and after as much the host gets a Flush."""
TRACE_BYTES_PER_ACTIVATION: Final = 256 * 1024
"""About how much of pure calls' inputs and outputs one effect may carry; an effect crosses as one message."""
PURE_CALL_COST: Final = 20_000
"""What a pure action counts as, in evaluation steps: it may evaluate an expression of its own, and does not say what it cost."""
_MESSAGE_LIMIT: Final = 8_000


@dataclass(slots=True)
class OpenStep:
    """A step that has been started and waits for its host."""

    ref: StepRef
    started_at: str
    attempt: int = 1
    input: Any = None
    """Resolved once and kept for every try: what is repeated is the call, not the evaluation."""
    key: str | None = None
    """The author's idempotency key, resolved once for the same reason."""
    wait: WaitRecord | None = None
    """The wait that is open."""
    outcome: Any = None


class StepObserver(Protocol):
    """An observer of the scopes before and after every step. They are never changed, so observing copies nothing."""

    def before(self, step: StepRef, scopes: dict[str, Any]) -> None:
        """The step is about to start; ``scopes`` as of ``Scopes.final``."""
        ...

    def after(self, step: StepRef, scopes: dict[str, Any]) -> None:
        """The step is complete, and what it leaves open, a loop or a try, is not entered or left yet."""
        ...


class RunState:
    """The state of one run. Only the interpreter's own modules change it."""

    __slots__ = (
        "at",
        "delivered",
        "earlier",
        "evaluated",
        "events",
        "facts",
        "frames",
        "host",
        "item_limit",
        "iteration",
        "now_iso",
        "now_ms",
        "observer",
        "open",
        "pending",
        "plan",
        "quota",
        "room",
        "rounds",
        "scopes",
        "seq",
        "spent",
        "spent_before",
        "steps_started",
        "trace",
        "traits",
    )

    def __init__(  # noqa: PLR0917  # assembled in one place
        self, plan: Plan, facts: RunFacts, scopes: Scopes, host: Host, traits: Mapping[str, ActionTraits], now_ms: int
    ) -> None:
        self.plan: Final = plan
        self.facts: Final = facts
        self.earlier: Final = facts.semantics_version == TEMPORAL_CLOCK_SEMANTICS
        """The run began before ``SEMANTICS_VERSION``, and goes on computing what it would have computed."""
        self.rounds: Final = self.earlier
        """Arithmetic rounds integers beyond 2^53, instead of refusing them."""
        self.host: Final = host
        self.traits: Final = traits
        self.scopes = scopes
        self.at = plan.entry
        self.frames: list[Frame] = []
        self.observer: StepObserver | None = None
        self.item_limit: int | None = None
        """How many items a loop may have; None without a limit. Dry runs have one."""
        self.iteration = ""
        self.events = EventBuffer()
        self.seq = 0
        self.steps_started = 0
        self.quota: int | None = None
        """Units left of the lease; None without a limit."""
        self.trace: list[Record] = []
        self.pending: Effect | None = None
        self.delivered = False
        """Whether the host has been given the pending effect."""
        self.open: OpenStep | None = None
        self.now_ms = now_ms
        self.now_iso = iso_of(now_ms)
        self.room = 0
        self.spent = 0
        """Evaluation steps used since the last effect."""
        self.spent_before = 0
        """``spent`` when the current step began."""
        self.evaluated = 0
        """Evaluation steps used since this object was made; no part of a snapshot."""
        self.refresh()

    # --- time -------------------------------------------------------------------------------------------------------

    def move_clock(self, at_ms: int | None) -> None:
        """The machine's time is that of the last fact on record; it never goes back. None: nothing new is on record."""
        if at_ms is not None and at_ms > self.now_ms:
            self.now_ms = at_ms
            self.now_iso = iso_of(at_ms)

    def clock(self) -> str:
        """``nowIso()`` of expressions."""
        return self.now_iso

    # --- budget -----------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """A new activation: begin to count again."""
        self.room = PURE_STEPS_PER_ACTIVATION
        self.spent = self.spent_before = 0

    def admit(self) -> None:
        """Raise StepFailure when the step has used more evaluation steps than one step may."""
        if self.spent - self.spent_before > EVALUATION_STEPS:
            raise StepFailure(
                EXPRESSION,
                f"The expressions of this step need more than {EVALUATION_STEPS} evaluation steps together; split the step.",
                code="too-large",
            )

    def spend(self, steps: int) -> None:
        """Count evaluation steps."""
        self.spent += steps
        self.evaluated += steps

    @property
    def exhausted(self) -> bool:
        """Whether the host should get a Flush before the next step."""
        return self.room <= 0 or self.spent > EVALUATION_STEPS

    # --- records ----------------------------------------------------------------------------------------------------

    def ref(self, step: Instruction) -> StepRef:
        """The identity of this execution of the step."""
        if not self.iteration:
            return step.ref
        ref = step.ref
        return StepRef(ref.path, self.iteration, ref.visit, ref.step_id, ref.step_type)

    def start(self, step: Instruction, outcome: Any = None) -> OpenStep:
        """Open the step: it is about to wait for its host."""
        self.open = OpenStep(self.ref(step), self.now_iso, outcome=outcome)
        return self.open

    def report(self, opened: OpenStep, error: RunError | None = None, call: PureCall | None = None) -> None:
        """Record that the step is STARTED, in its present attempt; ``error`` is what the last attempt failed with."""
        self.seq += 1
        self.trace.append(
            StepRecord(
                self.seq,
                opened.ref,
                "STARTED",
                opened.attempt,
                opened.started_at,
                outcome=bounded(opened.outcome),
                error=None if error is None else error.to_json(),
                call=self._charged(call),
            )
        )

    def complete(
        self,
        step: Instruction,
        status: str,
        outcome: Any = None,
        *,
        error: RunError | None = None,
        handled_by: str | None = None,
        call: PureCall | None = None,
    ) -> None:
        """Record the end of the step, and close it if it was open. Where the run goes next is the caller's choice."""
        opened = self.open
        self.open = None
        self.seq += 1
        now = self.now_iso
        self.trace.append(
            StepRecord(
                self.seq,
                self.ref(step) if opened is None else opened.ref,
                status,
                1 if opened is None else opened.attempt,
                now if opened is None else opened.started_at,
                now,
                bounded(outcome),
                None if error is None else error.to_json(),
                handled_by,
                self._charged(call),
            )
        )
        if self.observer is not None:
            self.observer.after(self.ref(step), self.scopes.final())

    def succeed(self, step: Instruction, outcome: Any = None, call: PureCall | None = None) -> None:
        """Record success and go on to what follows."""
        self.complete(step, "SUCCEEDED", outcome, call=call)
        self.at = step.next

    def wait(self, opened: OpenStep, wait_type: str, **fields: Any) -> None:
        """Open a wait of the step; ``fields`` as in WaitRecord."""
        self.seq += 1
        opened.wait = WaitRecord(
            self.seq, opened.ref, wait_type, "WAITING", self.now_iso, attempt=opened.attempt, **fields
        )
        self.trace.append(opened.wait)

    def end_wait(self, status: str, matched_event_id: str | None = None, payload: Any = None) -> None:
        """Close the open wait, if there is one. ``payload`` is added to what its row has."""
        opened = self.open
        if opened is None or opened.wait is None:
            return
        self.seq += 1
        self.trace.append(
            replace(
                opened.wait,
                seq=self.seq,
                status=status,
                at=self.now_iso,
                matched_event_id=matched_event_id,
                payload=payload,
            )
        )
        opened.wait = None

    def log(self, level: str, message: str, step: StepRef | None, context: Any = None) -> None:
        """A line for the author's log."""
        self.seq += 1
        self.trace.append(LogRecord(self.seq, level, message, step, self.now_iso, context))

    def take_trace(self) -> Trace:
        """What was recorded since the last effect."""
        trace = tuple(self.trace)
        self.trace.clear()
        return trace

    def _charged(self, call: PureCall | None) -> PureCall | None:
        """Spend the activation's room on what a pure call carries and costs."""
        if call is not None:
            self.spend(PURE_CALL_COST)
            size = json_size(call.input, TRACE_BYTES_PER_ACTIVATION) + json_size(
                call.output, TRACE_BYTES_PER_ACTIVATION
            )
            self.room -= size * PURE_STEPS_PER_ACTIVATION // TRACE_BYTES_PER_ACTIVATION
        return call

    # --- ends -------------------------------------------------------------------------------------------------------

    def error_of(self, failure: StepFailure | RunError, step: Instruction) -> RunError:
        """The failure as the definition and the rows see it: with the step it belongs to and the time it was noticed."""
        message = failure.message
        if len(message) > _MESSAGE_LIMIT:
            message = message[:_MESSAGE_LIMIT] + "…"
        return RunError(failure.category, message, step.ref.path, self.now_iso, failure.code, failure.details)

    def suspend(self, effect: Effect) -> None:
        """Make ``effect`` pending: the host is to answer it."""
        self.pending = effect
        self.delivered = False

    def leave(self, frame: Frame) -> None:
        """Put back what the frame changed; it has been popped already."""
        if isinstance(frame, LoopFrame):
            self.iteration = leave_loop(frame, self.scopes)

    def finish(self, status: str, error: RunError | None = None) -> None:
        """End the run, leaving every loop on the way."""
        while self.frames:
            self.leave(self.frames.pop())
        self.suspend(
            Finish(
                trace=self.take_trace(),
                status=status,
                error=None if error is None else error.to_json(),
                scopes=self.scopes.final(),
                steps_started=self.steps_started,
            )
        )
