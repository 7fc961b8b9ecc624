"""A host for tests of the machine: it answers effects from a table and remembers everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from engine.definition.compile import compile_definition
from engine.definition.parse import parse_definition
from engine.definition.plan import Plan
from engine.definition.step_ref import StepRef
from engine.interpreter import effects as fx
from engine.interpreter.ledger import Ledger
from engine.interpreter.machine import Machine
from engine.rebuild.memory_host import EvenHost, VirtualClock

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = "2026-01-01T00:00:00.000Z"
FACTS = fx.RunFacts(
    run_id="run", workflow_id="w", workflow_version=1, tenant="tenant", definition_hash="hash", semantics_version="test"
)
Answer = Callable[[Any], fx.Outcome | None]


def plan_of(*steps: dict[str, Any]) -> Plan:
    """A definition of these steps, compiled."""
    source = {"id": "w", "version": 1, "name": "W", "payloadSchemaRef": "payload.Any.v1", "steps": list(steps)}
    return compile_definition(parse_definition(source, lenient=True))


class Host(EvenHost):
    """Chance that a test can set."""

    drawn = 0.5

    def chance(self, run_id: str, step: StepRef, attempt: int) -> float:
        return self.drawn


class Driver:
    """One machine, driven until it ends or an answer is None."""

    def __init__(
        self,
        *steps: dict[str, Any],
        payload: Any = None,
        traits: Mapping[str, fx.ActionTraits] | None = None,
        quota: int | None = None,
        item_limit: int | None = None,
        facts: fx.RunFacts = FACTS,
    ) -> None:
        self.clock = VirtualClock(START)
        self.host = Host()
        self.traits = traits or {}
        self.plan = plan_of(*steps)
        self.machine = Machine.start(
            self.plan,
            facts,
            {} if payload is None else payload,
            None,
            self.host,
            self.traits,
            quota,
            item_limit,
            at_ms=self.clock.now_ms,
        )
        self.ledger = Ledger()
        self.effects: list[fx.Effect] = []
        self.records: list[fx.Record] = []
        self._answers: dict[type, Answer] = {
            fx.Flush: lambda _: fx.Flushed(),
            fx.Sleep: self._slept,
            fx.AwaitTime: self._slept,
        }

    def on(self, effect: type, answer: Answer) -> Driver:
        """Answer effects of this class."""
        self._answers[effect] = answer
        return self

    def outputs(self, *outputs: Any) -> Driver:
        """Answer action calls one after the other: an exception-like RunError fails the try."""
        waiting = list(outputs)

        def answer(_call: fx.CallAction) -> fx.Outcome:
            output = waiting.pop(0)
            return fx.StepFailed(output) if isinstance(output, fx.RunError) else fx.ActionSucceeded(output)

        return self.on(fx.CallAction, answer)

    def _slept(self, effect: fx.Sleep | fx.AwaitTime) -> fx.Outcome:
        self.clock.advance(effect.delay_ms)
        return fx.Elapsed()

    def run(self) -> Driver:
        """Until the end, or until an effect has no answer."""
        while True:
            effect = self.machine.advance()
            self.effects.append(effect)
            self.records += effect.trace
            self.ledger.add(effect.trace)
            if isinstance(effect, fx.Finish):
                return self
            answer = self._answers.get(type(effect))
            outcome = None if answer is None else answer(effect)
            if outcome is None:
                return self
            self.machine.resume(outcome, self.clock.now_ms)

    def hop(self) -> Driver:
        """Go on in a new machine, from the state as JSON."""
        state = json.loads(json.dumps(self.machine.snapshot(), allow_nan=False))
        self.machine = Machine.restore(self.plan, FACTS, state, self.host, self.traits)
        return self

    @property
    def finish(self) -> fx.Finish:
        """How it ended."""
        last = self.effects[-1]
        assert isinstance(last, fx.Finish), f"it has not ended: {last}"
        return last

    @property
    def vars(self) -> dict[str, Any]:
        """The variables now."""
        found: dict[str, Any] = self.machine.scopes["vars"]
        return found

    @property
    def steps(self) -> list[tuple[str, str]]:
        """``(path, status)`` of every step, in order."""
        return [(step.step.path.removeprefix("root."), step.status) for step in self.ledger.steps]

    @property
    def waits(self) -> list[tuple[str, str]]:
        """``(type, status)`` of every wait, in order."""
        return [(wait.wait_type, wait.status) for wait in self.ledger.waits]


def expr(source: str) -> dict[str, str]:
    """``{"$expr": source}``."""
    return {"$expr": source}


def assign(step_id: str = "a", **targets: str) -> dict[str, Any]:
    """transform.assign to vars."""
    entries = {f"vars.{name}": expr(source) for name, source in targets.items()}
    return {"id": step_id, "type": "transform.assign", "config": {"assign": entries}}


def call(action_id: str = "test.act", step_id: str = "call", **fields: Any) -> dict[str, Any]:
    """action.call; ``config_...`` fields go into its config."""
    config = {name.removeprefix("config_"): value for name, value in fields.items() if name.startswith("config_")}
    rest = {name: value for name, value in fields.items() if not name.startswith("config_")}
    return {"id": step_id, "type": "action.call", "config": {"actionId": action_id, "version": 1, **config}, **rest}


def loop(*body: dict[str, Any], items: str = "[1,2]", var: str = "x", **fields: Any) -> dict[str, Any]:
    """control.forEach."""
    return {"id": "loop", "type": "control.forEach", "items": expr(items), "itemVar": var, "body": list(body), **fields}


def attempt(*steps: dict[str, Any], catch: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """control.tryCatch."""
    return {"id": "try", "type": "control.tryCatch", "try": list(steps), "catch": catch or [], **fields}


def failing(step_id: str = "fail") -> dict[str, Any]:
    """A step that fails with ExpressionError."""
    return assign(step_id, never="payload.missing")
