"""Random definitions, and a host that answers every effect in a way that only depends on which effect it is."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import strategies as st

from engine.definition.step_ref import StepRef
from engine.errors import RunError
from engine.interpreter import effects as fx
from tests.engine.interpreter.driving import NOW, Driver, expr

SOURCES = st.sampled_from(
    [
        "1",
        '"text"',
        "toString(vars.n)",
        "coalesce(vars.n, 0) & 1",
        'append(vars.log, "a")',
        "append(vars.log, coalesce(index, -1))",
        "local.t",
        "vars.x & vars.y",
        "coalesce(error.category, meta.state)",
        "{'item': item, 'n': length}",
        "nowIso()",
    ]
)
CONDITIONS = st.sampled_from(
    ["true", "false", "vars.n = 1", "index = 0", "payload.missing", "1", "coalesce(isLast, false)"]
)
ITEMS = st.sampled_from(["[]", "[1,2,3]", "vars.log", "payload.items", '["a","b"]'])
TARGETS = st.sampled_from(["vars.n", "vars.log", "payload.p.q", "meta.m", "local.t", "/a/b", "vars.x", "vars.x.y"])
POLICIES = st.sampled_from(
    [
        {},
        {},
        {"onError": {"policy": "continue"}},
        {"retry": {"maxAttempts": 3, "backoffMs": 100}},
        {"retry": {"maxAttempts": 2, "backoffMs": 5, "retryOn": ["TransientError"]}, "onError": {"policy": "fail"}},
    ]
)
ASSIGNS = st.dictionaries(TARGETS, st.builds(expr, SOURCES), max_size=3)


def _node(step_type: str, config: Any, policy: Any = None) -> dict[str, Any]:
    return {"type": step_type, "config": config, **(policy or {})}


ACTION = st.builds(
    lambda source, policy, target: _node(
        "action.call",
        {"actionId": "test.act", "version": 1, "inputMapping": {"a": [expr(source)]}, "saveAs": target},
        policy,
    ),
    SOURCES,
    POLICIES,
    st.sampled_from(["out", "vars.log", "local.t", "payload.o"]),
)
TIME = st.builds(
    lambda ms, entries: _node("time.wait", {"mode": "duration", "durationMs": ms, "assign": entries}),
    st.integers(1, 9),
    ASSIGNS,
)
EVENT = st.builds(
    lambda entries, timeout, policy: _node(
        "event.wait", {"eventName": "E", "correlationKey": expr('"k"'), "assign": entries, **timeout}, policy
    ),
    ASSIGNS,
    st.sampled_from([{}, {"timeoutMs": 50}]),
    st.sampled_from([{}, {"onError": {"policy": "continue"}}]),
)
TASK = st.builds(lambda source: _node("human.task", {"taskType": "t", "title": expr(source)}), SOURCES)
CHILD = st.builds(
    lambda policy, source: {
        "type": "control.callWorkflow",
        "workflowId": "o",
        "workflowVersion": 1,
        "inputMapping": {"a": expr(source)},
        "outputMapping": {"vars.child": expr("childRun.vars.v")},
        **policy,
    },
    POLICIES,
    SOURCES,
)
PURE = st.one_of(
    st.builds(lambda entries: _node("transform.assign", {"assign": entries}), ASSIGNS),
    st.builds(lambda state: _node("state.set", {"state": state}), st.sampled_from(["A", "B"])),
    st.builds(
        lambda source, policy: _node(
            "action.call",
            {
                "actionId": "transform.uppercase_text",
                "version": 1,
                "inputMapping": {"text": expr(source)},
                "saveAs": "up",
            },
            policy,
        ),
        SOURCES,
        POLICIES,
    ),
    st.sampled_from([{"type": "control.return"}, {"type": "no.such.type", "onError": {"policy": "continue"}}]),
)
LEAVES = st.one_of(ACTION, ACTION, TIME, EVENT, EVENT, TASK, CHILD, PURE, PURE)


def _blocks(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    lists = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(
            lambda condition, then, else_: {
                "type": "control.if",
                "condition": expr(condition),
                "then": then,
                "else": else_,
            },
            CONDITIONS,
            lists,
            lists,
        ),
        st.builds(
            lambda items, var, body, policy: {
                "type": "control.forEach",
                "items": expr(items),
                "itemVar": var,
                "body": body,
                "onItemError": policy,
            },
            ITEMS,
            st.sampled_from(["x", "y", "n"]),
            lists,
            st.sampled_from(["continue", "fail"]),
        ),
        st.builds(
            lambda body, catch, name: {"type": "control.tryCatch", "try": body, "catch": catch, **name},
            lists,
            lists,
            st.sampled_from([{}, {"captureErrorAs": "err"}, {"captureErrorAs": "local.t"}]),
        ),
    )


STEPS = st.lists(st.recursive(LEAVES, _blocks, max_leaves=10), min_size=1, max_size=6)
PAYLOAD = {"items": [{"a": 1}, 2]}


def with_ids(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps with ids, which no two have in common."""
    count = iter(range(10_000))

    def named(step: dict[str, Any]) -> dict[str, Any]:
        branches = {
            name: [named(item) for item in step[name]]
            for name in ("then", "else", "try", "catch", "body")
            if name in step
        }
        return {"id": f"s{next(count)}", **step, **branches}

    return [named(step) for step in steps]


class Scripted(Driver):
    """Answers by what the effect is; at every chance the run hops to a new machine if it is a hopper."""

    def __init__(
        self, steps: list[dict[str, Any]], *, hop: bool = False, quota: int | None = None, block: int = 1
    ) -> None:
        super().__init__(*with_ids(steps), payload=PAYLOAD, quota=quota)
        self._hop = hop
        self._events = 0
        self.granted = quota or 0
        self.on(fx.CallAction, self._called).on(fx.AwaitEvent, self._event)
        self.on(fx.StartChild, self._child)
        self.on(fx.AwaitTask, lambda _: fx.TaskCompleted("DONE", {"ok": True}))
        self.on(fx.AwaitQuota, lambda _: self._grant(block))

    def run(self, limit: int = 10**6) -> Driver:
        """To the end, or until ``limit`` effects were given."""
        while len(self.effects) < limit:
            effect = self.machine.advance()
            self.effects.append(effect)
            self.records += effect.trace
            self.ledger.add(effect.trace)
            if isinstance(effect, fx.Finish):
                break
            self._interrupt()
            if len(self.effects) == limit:
                break
            outcome = self._answers[type(effect)](effect)
            assert outcome is not None
            self.machine.resume(outcome, self.clock.now_ms)
            self._interrupt()
        return self

    def _interrupt(self) -> None:
        if self._hop:
            self.hop()

    def _grant(self, block: int) -> fx.Outcome:
        self.granted += block
        return fx.QuotaGranted(block)

    @staticmethod
    def _chance(step: StepRef, attempt: int) -> Random:
        return Random(f"{step.path}|{step.iteration}|{attempt}")

    def _called(self, effect: fx.CallAction) -> fx.Outcome:
        chance = self._chance(effect.step, effect.attempt)
        if chance.random() < 0.4:
            return fx.StepFailed(RunError(chance.choice(["TransientError", "ActionError"]), "no", code="N"))
        return fx.ActionSucceeded({"v": effect.input})

    def _child(self, effect: fx.StartChild) -> fx.Outcome:
        chance = self._chance(effect.step, effect.attempt)
        if chance.random() < 0.4:
            return fx.StepFailed(RunError("ActionError", "child"))
        return fx.ChildSucceeded({"vars": {"v": 5} if chance.random() < 0.7 else {}, "payload": effect.input})

    def _event(self, effect: fx.AwaitEvent) -> fx.Outcome:
        """Two events for each wait, so that the buffer has something to carry."""
        for number in (0, 1):
            self.machine.deliver(fx.EventArrived(f"e{self._events}-{number}", "E", "k", {"n": number}, NOW))
        self._events += 1
        self._interrupt()
        if effect.timeout_at is not None and self._chance(effect.step, 1).random() < 0.5:
            return fx.TimedOut()
        taken = self.machine.take_event()
        assert taken is not None
        return taken
