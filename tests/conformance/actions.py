"""The test actions of the cases. Every host runs these; what they count lives in the case's own journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from engine.actions.context import ActionContext
from engine.actions.declaration import RegisteredAction, declarations_of
from engine.actions.registry import action
from engine.errors import ACTION, StepFailure


@dataclass(slots=True)
class Journal:
    """What the test actions did during one case."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    """``{action, path, input}`` in order."""
    side_effects: int = 0
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Executions of ``test.flaky`` by run and key."""

    def write(self, action_id: str, ctx: ActionContext, given: BaseModel) -> None:
        """Note an execution."""
        path, value = ctx.step_path, given.model_dump(exclude_unset=True)
        self.calls.append({"action": action_id, "path": path, "input": value})


JournalOf = Callable[[ActionContext], Journal]
"""Which case an execution belongs to: one worker may run the actions of many."""


class _Input(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class EchoInput(_Input):
    value: Any


class EchoOutput(BaseModel):
    value: Any


class SideEffectInput(_Input):
    label: str | None = None


class SideEffectOutput(BaseModel):
    count: int


class FailInput(_Input):
    message: str = "failed"
    category: str | None = None
    code: str | None = None
    details: Any = None


class Nothing(BaseModel):
    pass


class FlakyInput(_Input):
    key: str
    failures: int
    category: str | None = None
    message: str | None = None


class FlakyOutput(BaseModel):
    attempts: int


def conformance_actions(journal_of: JournalOf, *, quick: bool = False) -> list[RegisteredAction]:
    """The four test actions, writing to the journal of the case they run for."""

    @action("test.echo", input=EchoInput, output=EchoOutput, side_effects=False, quick=quick, accepts_secrets=True)
    async def echo(given: EchoInput, ctx: ActionContext) -> dict[str, Any]:
        """Answers with its input."""
        journal_of(ctx).write("test.echo", ctx, given)
        return {"value": given.value}

    @action("test.sideEffect", input=SideEffectInput, output=SideEffectOutput, quick=quick, accepts_secrets=True)
    async def side_effect(given: SideEffectInput, ctx: ActionContext) -> dict[str, Any]:
        """Counts its executions within the case."""
        journal = journal_of(ctx)
        journal.write("test.sideEffect", ctx, given)
        journal.side_effects += 1
        return {"count": journal.side_effects}

    @action("test.fail", input=FailInput, output=Nothing, quick=quick)
    async def fail(given: FailInput, ctx: ActionContext) -> dict[str, Any]:
        """Always fails: with a plain exception, unless it is told what to fail with."""
        journal_of(ctx).write("test.fail", ctx, given)
        if given.category is None and given.code is None and given.details is None:
            raise RuntimeError(given.message)
        raise StepFailure(given.category or ACTION, given.message, code=given.code, details=given.details)

    @action("test.flaky", input=FlakyInput, output=FlakyOutput, quick=quick)
    async def flaky(given: FlakyInput, ctx: ActionContext) -> dict[str, Any]:
        """Fails so many times per run and key, then answers with the number of executions."""
        journal = journal_of(ctx)
        journal.write("test.flaky", ctx, given)
        journal.failures[ctx.run_id, given.key] += 1
        attempts = journal.failures[ctx.run_id, given.key]
        if attempts > given.failures:
            return {"attempts": attempts}
        message = given.message or f"transient failure {attempts}"
        if given.category is None:
            raise RuntimeError(message)
        raise StepFailure(given.category, message)

    return [declared for handler in (echo, side_effect, fail, flaky) for declared in declarations_of(handler)]
