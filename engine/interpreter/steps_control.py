"""Blocks and the steps that only touch the scopes: if, forEach, tryCatch, return, transform.assign, state.set."""

from __future__ import annotations

from typing import Final

from engine.definition import plan
from engine.errors import VALIDATION, StepFailure
from engine.interpreter.frames import LoopFrame, TryFrame, enter_item, open_loop
from engine.interpreter.run_state import RunState
from engine.interpreter.trace import shown_assignments
from engine.wording import counted

_SOURCE_SHOWN: Final = 200


def run_if(state: RunState, step: plan.If) -> None:
    """Complete the step with the branch it chose, then enter the branch."""
    chosen = step.condition.evaluate(state.scopes.context(), state)
    if chosen is not True and chosen is not False:
        raise step.condition.wrong_type(f"control.if condition must evaluate to a boolean, not {kind_of(chosen)}")
    state.complete(step, "SUCCEEDED", {"branch": "then" if chosen else "else"})
    state.at = step.then_target if chosen else step.else_target


def run_for_each(state: RunState, step: plan.ForEach) -> None:
    """Complete the step with the number of its items, then enter the first."""
    items = _items(state, step)
    if state.item_limit is not None and len(items) > state.item_limit:
        raise StepFailure(
            VALIDATION,
            f"control.forEach has {counted(len(items), 'item')}; {state.item_limit} are allowed here",
            code="TOO_MANY_ITEMS",
        )
    at = state.at
    state.succeed(step, {"items": len(items)})
    if items and step.body is not None:
        frame = open_loop(at, step, items, state.scopes, state.iteration)
        state.frames.append(frame)
        state.iteration = enter_item(frame, state.scopes)
        state.at = step.body


def _items(state: RunState, step: plan.ForEach) -> list[object]:
    context = state.scopes.context()
    try:
        items = step.items.evaluate(context, state)
    except StepFailure as failure:
        if failure.code != "no-json-result" or state.earlier:
            raise
        message = f"control.forEach items found nothing; {_remedy(step, 'an empty array then')}"
        raise StepFailure(failure.category, message, code=failure.code, details=failure.details) from failure
    if not isinstance(items, list):
        problem = f"control.forEach items must evaluate to an array, not {kind_of(items)}"
        if not state.earlier and step.items.selects(context):
            problem += f": it found one, which stands for itself; {_remedy(step, 'an array always')}"
        raise step.items.wrong_type(problem)
    return items


def _remedy(step: plan.ForEach, gives: str) -> str:
    source = step.items.source.strip()
    shown = source if len(source) <= _SOURCE_SHOWN else f"{source[:_SOURCE_SHOWN]}…"
    return f"[{shown}] is {gives}"


def run_loop_turn(state: RunState, turn: plan.LoopTurn) -> None:
    """After the last step of a body: the next item, or what follows the loop."""
    frame = state.frames[-1] if state.frames else None
    if not isinstance(frame, LoopFrame) or frame.at != turn.loop:
        raise RuntimeError(f"no open loop at {state.plan.labels[state.at]}")
    frame.index += 1
    if frame.index < len(frame.items) and frame.step.body is not None:
        state.iteration = enter_item(frame, state.scopes)
        state.at = frame.step.body
    else:
        state.frames.pop()
        state.leave(frame)
        state.at = frame.step.next


def run_try_catch(state: RunState, step: plan.TryCatch) -> None:
    """Complete the step, then enter the try branch."""
    state.frames.append(TryFrame(state.at, step))
    state.complete(step, "SUCCEEDED")
    state.at = step.body


def run_try_end(state: RunState, end: plan.TryEnd) -> None:
    """After the last step of a try branch that did not fail."""
    frame = state.frames.pop() if state.frames else None
    if not isinstance(frame, TryFrame):
        raise RuntimeError(f"no open try at {state.plan.labels[state.at]}")
    state.at = end.next


def run_return(state: RunState, step: plan.Return) -> None:
    """End the run, wherever it is."""
    state.complete(step, "SUCCEEDED")
    state.finish("SUCCEEDED")


def run_assign(state: RunState, step: plan.Assign) -> None:
    """All entries in order, each seeing the earlier ones; all of them or none."""
    state.succeed(step, shown_assignments(assign_all(state, step.entries)))


def assign_all(state: RunState, entries: plan.Assignments) -> list[tuple[str, object]]:
    """Apply an assign map; returns target and value of each entry. A failing entry undoes the earlier ones."""
    scopes = state.scopes
    mark = scopes.mark()
    assigned: list[tuple[str, object]] = []
    try:
        for target, formula in entries:
            value = formula.evaluate(scopes.context(), state)
            scopes.assign(target, value)
            assigned.append((target.text, value))
    except StepFailure:
        scopes.rollback(mark)
        raise
    return assigned


def run_state_set(state: RunState, step: plan.StateSet) -> None:
    """Write ``meta.state``."""
    state.scopes.set_state(step.state)
    state.succeed(step, {"state": step.state})


def run_broken(_state: RunState, step: plan.Broken) -> None:
    """Fail with what was wrong with the step when it was read."""
    raise StepFailure(step.category, step.problem, code=step.code)


def kind_of(value: object) -> str:
    """The JSON type of a value, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "an array" if isinstance(value, list) else "an object"
