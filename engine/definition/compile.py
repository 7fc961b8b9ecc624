"""From a Definition to a Plan."""

from __future__ import annotations

from typing import Any, Final

from engine.definition import plan
from engine.definition.assign_paths import parse_target
from engine.definition.formula import Formula
from engine.definition.models import (
    ActionCallStep,
    AssignStep,
    BrokenStep,
    CallWorkflowStep,
    ControlStep,
    Definition,
    EventWaitStep,
    Expr,
    ExprMap,
    ForEachStep,
    HumanTaskStep,
    IfStep,
    NodeStep,
    ParseEmailStep,
    RenderCommentStep,
    RetryPolicy,
    ReturnStep,
    StateSetStep,
    TimeWaitStep,
    TryCatchStep,
)
from engine.definition.step_ref import StepRef
from engine.definition.template import Template
from engine.errors import ACTION, VALIDATION, StepFailure
from engine.values.json_pointer import segment

PARSE_EMAIL_ACTION: Final = ("parse_email_reply", 1)
RENDER_COMMENT_ACTION: Final = ("convert_html_to_blocks", 1)

AnyStep = NodeStep | ControlStep | BrokenStep
Head = tuple[StepRef, int, bool, RetryPolicy | None]
"""The fields every instruction begins with."""


def compile_definition(definition: Definition) -> plan.Plan:
    """Compile once, run many times. Never fails: what cannot work (an expression, a target) fails its own step when reached."""
    return _Compiler().compile(definition)


class _Compiler:
    """Lays steps out from the last to the first, so that the index of what follows is always known."""

    def __init__(self) -> None:
        self._code: list[plan.Code] = []
        self._labels: list[str] = []
        self._actions: set[tuple[str, int]] = set()
        self._children: set[tuple[str, int]] = set()

    def compile(self, definition: Definition) -> plan.Plan:
        end = self._add(plan.End(), "end")
        entry = self._sequence(definition.steps, "root.steps", "/steps", end)
        return plan.Plan(
            workflow_id=definition.id,
            version=definition.version,
            payload_schema_ref=definition.payload_schema_ref,
            code=tuple(self._code),
            labels=tuple(self._labels),
            index={label: position for position, label in enumerate(self._labels)},
            entry=entry,
            actions=tuple(sorted(self._actions)),
            children=tuple(sorted(self._children)),
        )

    def _add(self, code: plan.Code, label: str) -> int:
        self._code.append(code)
        self._labels.append(label)
        return len(self._code) - 1

    def _sequence(self, steps: list[Any], path: str, pointer: str, following: int) -> int:
        """The index of the first step of the list, or ``following`` when it is empty."""
        for position in range(len(steps) - 1, -1, -1):
            following = self._step(steps[position], f"{path}[{position}]", f"{pointer}/{position}", following)
        return following

    def _step(self, step: AnyStep, path: str, at: str, following: int) -> int:
        ref = StepRef(path=path, iteration="", visit=1, step_id=step.id, step_type=step.type)
        on_error = None if isinstance(step, _WITHOUT_ON_ERROR) else step.on_error
        if on_error is None and isinstance(step, ActionCallStep):
            on_error = step.config.on_error
        retry = None if isinstance(step, _WITHOUT_RETRY) else step.retry
        head: Head = (ref, following, on_error is not None and on_error.policy == "continue", retry)
        try:
            code = self._code_of(step, head, path, at)
        except StepFailure as refused:
            code = plan.Broken(*head, refused.category, refused.code or "", refused.message)
        index = self._add(code, path)
        if isinstance(code, plan.ForEach) and code.turn is not None:
            self._code[code.turn] = plan.LoopTurn(index)
        return index

    def _code_of(self, step: AnyStep, head: Head, path: str, at: str) -> plan.Instruction:
        """The instruction of a step, after those of its branches. Raises StepFailure when a target in it is not valid."""
        following = head[1]
        match step:
            case IfStep():
                then = self._sequence(step.then, f"{path}.then.steps", f"{at}/then", following)
                else_ = self._sequence(step.else_, f"{path}.else.steps", f"{at}/else", following)
                return plan.If(*head, _formula(step.condition, f"{at}/condition"), then, else_)
            case ForEachStep():
                # The turn stands before the loop it belongs to; it learns the loop's index when that is known.
                turn = self._add(plan.LoopTurn(-1), f"{path}.turn") if step.body else None
                body = None if turn is None else self._sequence(step.body, f"{path}.body.steps", f"{at}/body", turn)
                items = _formula(step.items, f"{at}/items")
                return plan.ForEach(*head, items, step.item_var, step.on_item_error == "continue", body, turn)
            case TryCatchStep():
                capture = None if step.capture_error_as is None else parse_target(step.capture_error_as, bare=True)
                end = self._add(plan.TryEnd(following), f"{path}.end")
                body = self._sequence(step.try_, f"{path}.try.steps", f"{at}/try", end)
                catch = self._sequence(step.catch, f"{path}.catch.steps", f"{at}/catch", following)
                return plan.TryCatch(*head, body, catch, capture)
            case CallWorkflowStep():
                called = (step.workflow_id, step.workflow_version)
                self._children.add(called)
                inputs = _formulas(step.input_mapping, f"{at}/inputMapping")
                outputs = _assignments(step.output_mapping, f"{at}/outputMapping", bare=True)
                return plan.CallWorkflow(*head, *called, inputs, outputs)
            case ReturnStep():
                return plan.Return(*head)
            case BrokenStep():
                category = VALIDATION if step.code == "INVALID_CONFIG" else ACTION
                return plan.Broken(*head, category, step.code, step.problem)
        return self._node(step, head, f"{at}/config")

    def _node(self, step: NodeStep, head: Head, at: str) -> plan.Instruction:
        match step:
            case AssignStep():
                return plan.Assign(*head, _assignments(step.config.assign, f"{at}/assign"))
            case StateSetStep():
                return plan.StateSet(*head, step.config.state)
            case ActionCallStep():
                return self._action(step, head, at)
            case TimeWaitStep():
                given = step.config.duration_ms if step.config.mode == "duration" else None
                duration = _formula(given, f"{at}/durationMs") if isinstance(given, Expr) else given
                until = None if step.config.until is None else _formula(step.config.until, f"{at}/until")
                return plan.TimeWait(*head, duration, until, _assignments(step.config.assign, f"{at}/assign"))
            case EventWaitStep():
                return plan.EventWait(
                    *head,
                    step.config.event_name,
                    _formula(step.config.correlation_key, f"{at}/correlationKey"),
                    tuple(step.config.filters or ()),
                    step.config.timeout_ms,
                    _assignments(step.config.assign, f"{at}/assign"),
                )
            case HumanTaskStep():
                description = step.config.description
                return plan.HumanTask(
                    *head,
                    step.config.task_type,
                    _formula(step.config.title, f"{at}/title"),
                    None if description is None else _formula(description, f"{at}/description"),
                    _formulas(step.config.context_data, f"{at}/contextData"),
                    _assignments(step.config.assign, f"{at}/assign"),
                )
            case ParseEmailStep() | RenderCommentStep():
                action = PARSE_EMAIL_ACTION if isinstance(step, ParseEmailStep) else RENDER_COMMENT_ACTION
                self._actions.add(action)
                return plan.Email(
                    *head,
                    *action,
                    None if step.config.text is None else _formula(step.config.text, f"{at}/text"),
                    None if step.config.html is None else _formula(step.config.html, f"{at}/html"),
                    parse_target(step.config.save_as, bare=True),
                )

    def _action(self, step: ActionCallStep, head: Head, at: str) -> plan.ActionCall:
        config = step.config
        self._actions.add((config.action_id, config.version))
        return plan.ActionCall(
            *head,
            config.action_id,
            config.version,
            Template(config.input_mapping, f"{at}/inputMapping"),
            None if config.idempotency_key is None else _formula(config.idempotency_key, f"{at}/idempotencyKey"),
            # The designer leaves an empty saveAs behind: it means no saveAs.
            parse_target(config.save_as, bare=True) if config.save_as and config.save_as.strip() else None,
            config.model_dump(by_alias=True, exclude_unset=True),
        )


_WITHOUT_ON_ERROR: Final = (IfStep, ForEachStep, TryCatchStep, ReturnStep)
_WITHOUT_RETRY: Final = (*_WITHOUT_ON_ERROR, BrokenStep)


def _formula(expr: Expr, at: str) -> Formula:
    return Formula(expr.source, f"{at}/$expr")


def _formulas(mapping: ExprMap | None, at: str) -> tuple[tuple[str, Formula], ...]:
    return tuple((name, _formula(expr, f"{at}/{segment(name)}")) for name, expr in (mapping or {}).items())


def _assignments(mapping: ExprMap | None, at: str, *, bare: bool = False) -> plan.Assignments:
    return tuple((parse_target(name, bare=bare), formula) for name, formula in _formulas(mapping, at))
