"""The pure parts, without any server: the interpreter's steps per second, and what an expression costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from engine.definition.compile import compile_definition
from engine.definition.parse import parse_definition
from engine.definition.plan import Plan
from engine.expression import compile_expression
from engine.interpreter import effects as fx
from engine.interpreter.machine import Machine
from engine.interpreter.times import milliseconds_of
from engine.rebuild.memory_host import EvenHost
from tests.bench.measuring import Measurement, Verdict, best_of, number
from tests.bench.servers import Servers

NAME = "pure"

LEAST_STEPS_PER_SECOND = 50_000
MOST_MICROSECONDS = 5.0
MOST_COMPILE_MICROSECONDS = 100.0
FACTS = fx.RunFacts("run", "bench", 1, "tenant", "hash", "bench")
DOCUMENTS = {"1 kB": 1_000, "10 kB": 10_000, "100 kB": 100_000}
PATH = "payload.order.customer.address.city"
EXPRESSIONS = (
    PATH,
    "payload.order.total > 100 and payload.order.open",
    "'Order ' & payload.order.id & ': ' & payload.order.total",
)


async def measure(servers: Servers, *, quick: bool) -> Measurement:
    """See the module."""
    repeats = 3 if quick else 9
    result = Measurement(
        NAME,
        "In memory",
        "The interpreter alone, on definitions of 30,000 steps per run; its traces are made and thrown away. Expressions on"
        " documents of three sizes, compiled once. The fastest of several repeats: everything else a machine does only adds.",
        ("", "1 kB", "10 kB", "100 kB"),
    )
    for label, plan, payload, steps in _programs():
        _interpreter(result, label, _driver(plan, payload, steps), steps, repeats)
    for source in EXPRESSIONS:
        _expression(result, source, repeats)
    _compile(result, repeats)
    return result


def _interpreter(result: Measurement, label: str, run: Callable[[], None], steps: int, repeats: int) -> None:
    rate = steps / best_of(repeats, run)
    result.rows.append((f"{label}, steps per second", number(rate), "", ""))
    result.verdicts.append(
        Verdict(
            f"interpreter, {label}",
            f"at least {LEAST_STEPS_PER_SECOND:,} steps/s",
            f"{number(rate)} steps/s",
            rate >= LEAST_STEPS_PER_SECOND,
        )
    )


def _programs() -> list[tuple[str, Plan, dict[str, Any], int]]:
    state = {"id": "state", "type": "state.set", "config": {"state": "SEEN"}}
    choose = {"id": "if", "type": "control.if", "condition": {"$expr": "item >= 0"}, "then": [state], "else": []}
    add = {"id": "add", "type": "transform.assign", "config": {"assign": {"vars.last": {"$expr": "item + 1"}}}}
    call = {
        "id": "call",
        "type": "action.call",
        "config": {
            "actionId": "bench.act",
            "version": 1,
            "inputMapping": {"n": {"$expr": "item"}},
            "saveAs": "vars.last",
        },
    }
    return [
        ("loops, conditions, assignments", _plan([choose, add]), {"items": list(range(10_000))}, 30_001),
        ("actions answered at once", _plan([call]), {"items": list(range(30_000))}, 30_001),
    ]


def _plan(body: list[dict[str, Any]]) -> Plan:
    loop = {
        "id": "loop",
        "type": "control.forEach",
        "items": {"$expr": "payload.items"},
        "itemVar": "item",
        "body": body,
    }
    source = {"id": "bench", "version": 1, "name": "Bench", "payloadSchemaRef": "bench.Payload.v1", "steps": [loop]}
    return compile_definition(parse_definition(source))


def _driver(plan: Plan, payload: dict[str, Any], steps: int) -> Callable[[], None]:
    host, began = EvenHost(), milliseconds_of(datetime(2026, 1, 1, tzinfo=UTC))
    answers: dict[type, fx.Outcome] = {fx.Flush: fx.Flushed(), fx.CallAction: fx.ActionSucceeded({"ok": True})}

    def run() -> None:
        machine = Machine.start(plan, FACTS, payload, None, host, {}, None, at_ms=began)
        while not isinstance(effect := machine.advance(), fx.Finish):
            machine.resume(answers[type(effect)], began)
        assert (effect.status, effect.steps_started) == ("SUCCEEDED", steps)

    return run


def _expression(result: Measurement, source: str, repeats: int) -> None:
    expression = compile_expression(source)
    times = []
    for size in DOCUMENTS.values():
        context = {"payload": _document(size)}

        def evaluate(context: dict[str, Any] = context) -> None:
            for _ in range(1_000):
                expression.evaluate(context, lambda: "")

        times.append(best_of(repeats, evaluate) * 1_000)
    result.rows.append((f"`{source}`, microseconds", *(f"{value:.2f}" for value in times)))
    if source == PATH:
        result.verdicts.append(
            Verdict(
                "expression, path on a 100 kB document",
                f"at most {MOST_MICROSECONDS:g} us",
                f"{times[-1]:.2f} us ({times[-1] / times[0]:.2f}x that on 1 kB)",
                times[-1] <= MOST_MICROSECONDS,
            )
        )


def _compile(result: Measurement, repeats: int) -> None:
    def compile_all() -> None:
        for _ in range(100):
            for source in EXPRESSIONS:
                compile_expression(source)

    microseconds = best_of(repeats, compile_all) * 1_000_000 / (100 * len(EXPRESSIONS))
    result.rows.append(("compiling one of them, microseconds", f"{microseconds:.0f}", "", ""))
    result.verdicts.append(
        Verdict(
            "expression, compile",
            f"at most {MOST_COMPILE_MICROSECONDS:.0f} us",
            f"{microseconds:.0f} us",
            microseconds <= MOST_COMPILE_MICROSECONDS,
        )
    )


def _document(size: int) -> dict[str, Any]:
    order = {"id": "A-1", "total": 120.5, "open": True, "customer": {"name": "N", "address": {"city": "Berlin"}}}
    line = {"sku": "X-1000", "quantity": 3, "price": 9.5, "note": "a line of the order"}
    lines = (size - len(json.dumps(order))) // len(json.dumps(line))
    return {"order": {**order, "lines": [dict(line) for _ in range(lines)]}}
