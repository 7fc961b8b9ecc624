"""The compiled form of a definition: a flat list of instructions with integer targets.

Every instruction knows the index of the one that follows it (``next``), wherever that is: the next step of its list, the end of
the block around it, the turn of the loop. So the interpreter needs frames only for what has a state of its own: loops and tries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.definition.assign_paths import Target
from engine.definition.formula import Formula
from engine.definition.models import Filter, RetryPolicy
from engine.definition.step_ref import StepRef
from engine.definition.template import Template

Assignments = tuple[tuple[Target, Formula], ...]


@dataclass(frozen=True, slots=True)
class Instruction:
    """What every step has."""

    ref: StepRef
    """The step's identity outside loops."""
    next: int
    continue_on_error: bool
    retry: RetryPolicy | None


@dataclass(frozen=True, slots=True)
class If(Instruction):
    condition: Formula
    then_target: int
    else_target: int


@dataclass(frozen=True, slots=True)
class ForEach(Instruction):
    items: Formula
    item_var: str
    continue_on_item_error: bool
    body: int | None
    """None when the body is empty."""
    turn: int | None
    """Where its LoopTurn is; None when the body is empty."""


@dataclass(frozen=True, slots=True)
class TryCatch(Instruction):
    body: int
    catch: int
    capture: Target | None


@dataclass(frozen=True, slots=True)
class CallWorkflow(Instruction):
    workflow_id: str
    workflow_version: int
    inputs: tuple[tuple[str, Formula], ...]
    outputs: Assignments


@dataclass(frozen=True, slots=True)
class Return(Instruction):
    pass


@dataclass(frozen=True, slots=True)
class Assign(Instruction):
    entries: Assignments


@dataclass(frozen=True, slots=True)
class StateSet(Instruction):
    state: str


@dataclass(frozen=True, slots=True)
class ActionCall(Instruction):
    action_id: str
    action_version: int
    mapping: Template
    key: Formula | None
    save_as: Target | None
    config: Any
    """The step's config as authored: what the action sees as its step config."""


@dataclass(frozen=True, slots=True)
class Email(Instruction):
    """``email.parseBody`` and ``email.renderCommentBlocks``: an action with a fallback."""

    action_id: str
    action_version: int
    text: Formula | None
    html: Formula | None
    save_as: Target


@dataclass(frozen=True, slots=True)
class TimeWait(Instruction):
    duration_ms: int | Formula | None
    until: Formula | None
    """Set when ``duration_ms`` is None."""
    assign: Assignments


@dataclass(frozen=True, slots=True)
class EventWait(Instruction):
    event_name: str
    key: Formula
    filters: tuple[Filter, ...]
    timeout_ms: int | None
    assign: Assignments


@dataclass(frozen=True, slots=True)
class HumanTask(Instruction):
    task_type: str
    title: Formula
    description: Formula | None
    context_data: tuple[tuple[str, Formula], ...]
    assign: Assignments


@dataclass(frozen=True, slots=True)
class Broken(Instruction):
    """A step that cannot work as it was written; it fails when it is reached, before it does anything."""

    category: str
    code: str
    problem: str


# --- turns: instructions that are no steps ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoopTurn:
    """The end of a loop body: the next item, or what follows the loop."""

    loop: int


@dataclass(frozen=True, slots=True)
class TryEnd:
    """The end of a try branch that did not fail."""

    next: int


@dataclass(frozen=True, slots=True)
class End:
    """The end of the definition."""


Code = Instruction | LoopTurn | TryEnd | End


@dataclass(frozen=True, slots=True)
class Plan:
    """A definition, ready to run. Shared by all runs of that version; holds no state of any run."""

    workflow_id: str
    version: int
    payload_schema_ref: str
    code: tuple[Code, ...]
    labels: tuple[str, ...]
    """A name for each instruction that outlives a recompilation: the step's path, ``<path>.turn``, ``<path>.end``, ``end``.
    States of runs are stored with labels, never with indexes."""
    index: dict[str, int]
    """Label to index."""
    entry: int
    actions: tuple[tuple[str, int], ...]
    """Every (action id, version) a step may call, sorted."""
    children: tuple[tuple[str, int], ...]
    """Every (workflow id, version) a step may call, sorted."""
