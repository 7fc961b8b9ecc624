"""The machine of a run inside ``run_chain``: fed with one outcome after the other, always one effect ahead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from engine.actions.pure_host import PureHost
from engine.activities.attempt import RequestedAttempt, attempt_of
from engine.activities.dependencies import ActivityDependencies
from engine.contract import REPLAY_COST
from engine.definition.plan import Plan
from engine.errors import RunError
from engine.interpreter import effects as fx
from engine.interpreter.machine import Machine
from engine.interpreter.snapshot import digest_and_size
from engine.store.trace.chains import AttemptKey
from engine.store.trace.payloads import INLINE_BYTES
from engine.store.trace.projection import Progress
from engine.store.trace.settling_attempts import Settled
from engine.values.json_size import json_size
from engine.workflow.encoding import decode_trace
from engine.workflow.wire import ChainOutcome, RunChainInput, RunChainOutput

MAX_BYTES: Final = 128 * 1024
"""With so much in its outcomes a chain ends: they are in the history as one event."""
TASK_ENDS_BYTES: Final = 16 * 1024
"""After so much in its outcomes the workflow task ends, as after a chain that took long: what was recorded in a task goes to
Temporal in one message, which may have 4 MB, and a task whose message has more is done again for ever."""
MAX_COST: Final = 200_000_000
"""Nanoseconds that the workflow's machine needs for the outcomes of a chain, as ``REPLAY_COST`` estimates them. It takes them in
one go, and one that computes for too long in one go counts as stuck, on however busy a core."""


class Chain:
    """Where a chain is. ``step`` is the quick action that comes next, None when something else does."""

    def __init__(self, plan: Plan, request: RunChainInput, dependencies: ActivityDependencies) -> None:
        self._facts = fx.RunFacts(
            run_id=request["run"],
            workflow_id=request["workflow"],
            workflow_version=request["workflow_version"],
            tenant=request["tenant"],
            definition_hash=request["hash"],
            semantics_version=request["semantics"],
            root_run_id=request["root"],
        )
        self._dependencies = dependencies
        traits = {name: fx.ActionTraits(**value) for name, value in request["traits"].items()}
        self._machine = Machine.restore(plan, self._facts, request["machine"], PureHost(), traits)
        self._state: dict[str, Any] = {}
        self._outcomes: list[ChainOutcome] = []
        self._bytes = 0
        self._steps_before = self._machine.steps_started
        self._seq = request["seq"]
        # The machine has been asked for this effect before: its trace comes beside it.
        self.effect = replace(self._machine.advance(), trace=decode_trace(request["trace"]))
        self.step = self._step()
        self.ended = False
        self.long = False

    @property
    def begun(self) -> bool:
        """Whether it has an outcome."""
        return bool(self._outcomes)

    @property
    def full(self) -> bool:
        """Whether its outcomes are as large as they may be, or to take them costs as much as it may."""
        machine = self._machine
        steps = machine.steps_started - self._steps_before
        cost = REPLAY_COST["step"] * steps + REPLAY_COST["evaluation"] * machine.evaluated
        return self._bytes >= MAX_BYTES or cost >= MAX_COST

    def take(self, settled: Settled) -> None:
        """Feed what an attempt gave, and compute what comes next."""
        outcome: fx.Outcome
        if settled.error is None:
            outcome = fx.ActionSucceeded(settled.output)
            self._outcomes.append({"ok": settled.output, "at": settled.at_ms})
        else:
            outcome = fx.StepFailed(RunError.from_json(settled.error))
            self._outcomes.append({"error": settled.error, "at": settled.at_ms})
        value = settled.output if settled.error is None else settled.error
        self._bytes += json_size(value, self._dependencies.max_value_bytes)
        machine = self._machine
        machine.resume(outcome, settled.at_ms)
        # Nothing in it is changed in place, so it stays what it is when the machine goes on.
        self._state = machine.snapshot()
        self.effect = machine.advance()
        self.step = self._step()

    def end_here(self) -> None:
        """Whatever comes next is not for this chain."""
        self.step = None

    def answer(self) -> RunChainOutput:
        """What the workflow is told."""
        digest, size = digest_and_size(self._state) if self.begun else ("", 0)
        return {
            "outcomes": self._outcomes,
            "seq": self._state["seq"] if self.begun else self._seq,
            "digest": digest,
            "ended": self.ended,
            "long": self.long or self._bytes >= TASK_ENDS_BYTES,
            "size": size + (self._bytes if self._bytes > INLINE_BYTES else 0),
        }

    def progress(self) -> Progress:
        """The trace since the last effect, up to the one that comes next."""
        effect = self.effect
        if effect.trace:
            self._seq = effect.trace[-1].seq
        return Progress(self._facts.run_id, effect.trace, self._seq, effect.steps_started)

    def _step(self) -> RequestedAttempt | None:
        effect, progress = self.effect, self.progress()
        if not isinstance(effect, fx.CallAction) or not effect.traits.quick:
            return None
        return attempt_of(effect, self._facts, progress, self._machine.now_ms, self._dependencies)


def key_of(step: RequestedAttempt) -> AttemptKey:
    """Where the attempt is in its run."""
    ref = step.attempt.step
    return (ref.path, ref.iteration, ref.visit, step.attempt.attempt)
