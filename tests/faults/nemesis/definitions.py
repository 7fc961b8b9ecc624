"""Random definitions on the actions of the ledger: drawn from a generator, so the same one draws the same again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from tests.engine.workflow.steps import (
    Step,
    ask,
    assign,
    attempt,
    call,
    call_workflow,
    for_each,
    going_on,
    retried,
    set_state,
    wait_event,
    wait_time,
    when,
)

EVENTS = ("GO-0", "GO-1", "GO-2")
"""Names that definitions wait for."""
LARGEST_N = 9
"""Of ``payload.n`` and of the ``n`` of events that may be refused by filters; a larger one passes every filter."""
CONDITIONS = (
    "nowIso() < payload.deadline",
    "nowIso() < payload.deadline",
    "payload.n > 4",
    "coalesce(vars.seen, 0) & 1 = '11'",
    "true",
    "false",
)
TIME = "=nowIso()"


@dataclass(frozen=True)
class Definition:
    """A workflow to publish."""

    workflow_id: str
    steps: list[Step]
    trigger: Step | None = None
    """None: started by hand, or called."""


@dataclass
class _Author:
    chance: Random
    children: Sequence[str]
    may_wait: bool = True
    numbers: Any = field(default_factory=count)

    def steps(self, depth: int, most: int) -> list[Step]:
        return [self.step(depth) for _ in range(self.chance.randint(1, most))]

    def step(self, depth: int) -> Step:
        blocks: list[Callable[[int], Step]] = [self._if, self._loop, self._catch]
        if depth and self.chance.random() < 0.35:
            return self.chance.choice(blocks)(depth - 1)
        leaves: list[tuple[int, Callable[[], Step]]] = [
            (5, self._quick),
            (4, self._inside),
            (2, self._ordinary),
            (2, self._flaky),
            (2, self._pure),
            (1, self._large),
            (1, self._raises),
            (1, self._pause),
            *([(3, self._event), (1, self._in_time), (1, self._task)] if self.may_wait else []),
            *([(2, self._child)] if self.children else []),
        ]
        [leaf] = self.chance.choices([leaf for _, leaf in leaves], [weight for weight, _ in leaves])
        return leaf()

    def _id(self) -> str:
        return f"s{next(self.numbers)}"

    def _at(self) -> dict[str, Any]:
        # What depends on the time would have another key, were it computed again at another time.
        return {"at": TIME} if self.chance.random() < 0.5 else {}

    def _quick(self) -> Step:
        return call(self._id(), "ledger.quick", **self._at())

    def _inside(self) -> Step:
        return call(self._id(), "ledger.inside", **self._at())

    def _ordinary(self) -> Step:
        return call(self._id(), "ledger.ordinary", seconds=self.chance.choice((0, 0.1, 0.3, 1.0)), **self._at())

    def _flaky(self) -> Step:
        step = retried(call(self._id(), "ledger.flaky", failures=self.chance.choice((1, 2, 9))), backoffMs=200)
        return step if self.chance.random() < 0.3 else going_on(step)

    def _pure(self) -> Step:
        return self.chance.choice((
            lambda: assign(self._id(), seen="coalesce(vars.seen, 0) & 1", at="nowIso()"),
            lambda: set_state(self._id(), self.chance.choice("AB")),
            lambda: call(self._id(), "transform.uppercase_text", text="=payload.order"),
            lambda: call(self._id(), "ledger.silent", value="=payload.n"),
        ))()  # fmt: skip

    def _large(self) -> Step:
        return call(self._id(), "rude.says", characters=self.chance.choice((1_000, 60_000, 300_000)))

    def _raises(self) -> Step:
        return going_on(call(self._id(), "rude.raises", value="nothing", characters=10))

    def _pause(self) -> Step:
        return wait_time(self._id(), self.chance.choice((20, 300, 1_500)))

    def _event(self, **config: Any) -> Step:
        if self.chance.random() < 0.4:
            config["filters"] = [{"path": "n", "op": ">", "value": self.chance.randrange(LARGEST_N)}]
        return wait_event(self._id(), self.chance.choice(EVENTS), key="payload.order", **config)

    def _in_time(self) -> Step:
        step = self._event(timeoutMs=self.chance.choice((300, 3_000)))
        return attempt(self._id(), [step, self._quick()], [self._inside()])

    def _task(self) -> Step:
        return ask(self._id(), "payload.order")

    def _child(self) -> Step:
        given = {name: f"payload.{name}" for name in ("order", "n", "deadline")}
        step = call_workflow(self._id(), self.chance.choice(self.children), **given)
        return step if self.chance.random() < 0.3 else going_on(step)

    def _if(self, depth: int) -> Step:
        condition = self.chance.choice(CONDITIONS)
        # Both have an effect, so that it would be seen if both were done.
        then, otherwise = ([*self.steps(depth, 2), self._inside()] for _ in range(2))
        return when(self._id(), condition, then, otherwise)

    def _loop(self, depth: int) -> Step:
        items = self.chance.choice(("[1, 2]", "[1, 2, 3]", "[1..5]", "[]"))
        policy = self.chance.choice(("fail", "continue"))
        return for_each(self._id(), items, self.steps(depth, 3), itemVar=f"item{depth}", onItemError=policy)

    def _catch(self, depth: int) -> Step:
        fails = call(self._id(), "rude.raises", value="nothing")
        return attempt(self._id(), [*self.steps(depth, 2), fails], self.steps(depth, 2))


def draw_definitions(chance: Random, number: int) -> list[Definition]:
    """So many that are started by hand, after those they call and before one that an event ``FIRE`` starts."""
    children = [
        Definition("wf.child", _Author(chance, ()).steps(1, 3)),
        Definition("wf.short", _Author(chance, (), may_wait=False).steps(1, 3)),
    ]
    called = [child.workflow_id for child in children]
    mains = [Definition(f"wf.{index}", _Author(chance, called).steps(2, 6)) for index in range(number)]
    fired = Definition("wf.fired", _Author(chance, called).steps(1, 3), {"type": "event", "eventName": "FIRE"})
    return [*children, *mains, fired]
