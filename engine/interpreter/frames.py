"""Frames: what is open around the current step and has a state of its own, loops and tries. Plain branches need none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.definition.plan import ForEach, Plan, TryCatch
from engine.interpreter.scopes import Document, Scopes


@dataclass(slots=True)
class LoopFrame:
    """A loop that is at one of its items. Holds what has to be put back when the loop is left, in whatever way."""

    at: int
    """Index of the ForEach instruction."""
    step: ForEach
    items: list[Any]
    index: int
    outer_iteration: str
    outer_local: Document | None
    had_previous: bool
    """Whether ``vars`` had the item variable before the loop."""
    previous: Any


@dataclass(frozen=True, slots=True)
class TryFrame:
    """A try branch being run."""

    at: int
    """Index of the TryCatch instruction."""
    step: TryCatch


Frame = LoopFrame | TryFrame


def open_loop(at: int, step: ForEach, items: list[Any], scopes: Scopes, iteration: str) -> LoopFrame:
    """A frame before its first item; call ``enter_item`` next. ``items`` is not empty."""
    name = step.item_var
    variables = scopes.variables
    return LoopFrame(
        at=at,
        step=step,
        items=items,
        index=0,
        outer_iteration=iteration,
        outer_local=scopes.local,
        had_previous=name in variables,
        previous=variables.get(name),
    )


def enter_item(frame: LoopFrame, scopes: Scopes) -> str:
    """Set the item variable and a fresh loop scope for the frame's item; returns the iteration, such as ``0.3``."""
    index, length, name = frame.index, len(frame.items), frame.step.item_var
    item = frame.items[index]
    scopes.set_variable(name, item)
    scopes.enter(
        {
            name: item,
            "item": item,
            "index": index,
            "length": length,
            "isFirst": index == 0,
            "isLast": index == length - 1,
        }
    )
    return f"{frame.outer_iteration}.{index}" if frame.outer_iteration else str(index)


def leave_loop(frame: LoopFrame, scopes: Scopes) -> str:
    """Put back the item variable and the outer loop scope; returns the outer iteration."""
    if frame.had_previous:
        scopes.set_variable(frame.step.item_var, frame.previous)
    else:
        scopes.drop_variable(frame.step.item_var)
    scopes.enter(frame.outer_local)
    return frame.outer_iteration


def frame_to_json(frame: Frame, plan: Plan) -> Document:
    """Frames are stored with labels: indexes do not outlive a change of the compiler."""
    if isinstance(frame, TryFrame):
        return {"try": plan.labels[frame.at]}
    return {
        "loop": plan.labels[frame.at],
        "items": frame.items,
        "index": frame.index,
        "outerIteration": frame.outer_iteration,
        "outerLocal": frame.outer_local,
        "hadPrevious": frame.had_previous,
        "previous": frame.previous,
    }


def frame_from_json(value: Document, plan: Plan) -> Frame:
    """The inverse of ``frame_to_json``. Raises KeyError or TypeError when the state does not fit the plan."""
    label = value["try"] if "try" in value else value["loop"]
    at = plan.index[label]
    step = plan.code[at]
    if "try" in value:
        if not isinstance(step, TryCatch):
            raise TypeError(f"{label} is no tryCatch")
        return TryFrame(at, step)
    if not isinstance(step, ForEach):
        raise TypeError(f"{label} is no forEach")
    return LoopFrame(
        at=at,
        step=step,
        items=list(value["items"]),
        index=int(value["index"]),
        outer_iteration=str(value["outerIteration"]),
        outer_local=value["outerLocal"],
        had_previous=bool(value["hadPrevious"]),
        previous=value["previous"],
    )
