"""One try of an action: checks, time, and every kind of failure."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from engine.actions.context import ActionContext
from engine.actions.declaration import action, declarations_of
from engine.actions.invoke import invoke
from engine.errors import Conflict, StepFailure

MakeContext = Callable[..., ActionContext]


class Box(BaseModel):
    value: int = 0
    note: str | None = None


async def call(handler: Callable[[Any, Any], Any], context: ActionContext, raw: Any = None, **options: Any) -> Any:
    registered = declarations_of(action("test.box", input=Box, output=Box, **options)(handler))[0]
    return await invoke(registered, {"value": 1} if raw is None else raw, context)


async def test_an_async_handler_gets_the_parsed_input_and_the_context(make_context: MakeContext) -> None:
    context = make_context(attempt=3, iteration="0.2")

    async def handler(box: Box, ctx: ActionContext) -> Box:
        assert ctx is context
        return Box(value=box.value + ctx.attempt, note=ctx.iteration)

    assert await call(handler, context) == {"value": 4, "note": "0.2"}


async def test_a_plain_handler_runs_in_a_thread_with_the_callers_variables(make_context: MakeContext) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("here")
    loop_thread = threading.get_ident()

    def handler(box: Box, ctx: ActionContext) -> dict[str, Any]:
        assert threading.get_ident() != loop_thread
        return {"value": box.value, "note": variable.get()}

    assert await call(handler, make_context()) == {"value": 1, "note": "here"}


async def test_a_wrong_input_fails_before_the_handler_runs(make_context: MakeContext) -> None:
    ran = False

    async def handler(box: Box, ctx: ActionContext) -> Box:
        nonlocal ran
        ran = True
        return box

    with pytest.raises(StepFailure) as failed:
        await call(handler, make_context(), {"value": "many", "note": 5})
    assert (failed.value.category, failed.value.code) == ("ActionError", "ACTION_INPUT_INVALID")
    assert [issue["path"] for issue in failed.value.details["issues"]] == ["/value", "/note"]
    assert "many" not in str(failed.value) + str(failed.value.details)
    assert not ran


@pytest.mark.parametrize("output", [None, {"value": "x"}, {"note": []}, 5])
async def test_a_wrong_output_is_the_actions_fault(make_context: MakeContext, output: Any) -> None:
    async def handler(box: Box, ctx: ActionContext) -> Any:
        return output

    with pytest.raises(StepFailure) as failed:
        await call(handler, make_context())
    assert (failed.value.category, failed.value.code) == ("ActionError", "ACTION_OUTPUT_INVALID")


class Measured(BaseModel):
    value: float = 0.0
    more: Any = None


@pytest.mark.parametrize(
    ("output", "path"),
    [
        (Measured(value=float("nan")), "/value"),
        ({"more": [1.5, {"a/b": float("-inf")}]}, "/more/1/a~1b"),
        ({"more": {"d": Decimal("NaN")}}, "/more/d"),
    ],
)
async def test_numbers_that_json_has_no_word_for_are_refused(make_context: MakeContext, output: Any, path: str) -> None:
    async def handler(box: Box, ctx: ActionContext) -> Any:
        return output

    [registered] = declarations_of(action("test.measure", input=Box, output=Measured)(handler))
    with pytest.raises(StepFailure) as failed:
        await invoke(registered, {"value": 1}, make_context())
    assert failed.value.code == "ACTION_OUTPUT_INVALID"
    assert [issue["path"] for issue in (failed.value.details or {})["issues"]] == [path]


async def test_any_exception_becomes_an_action_error_without_a_stack(make_context: MakeContext) -> None:
    async def handler(box: Box, ctx: ActionContext) -> Box:
        raise LookupError("the order was canceled")

    with pytest.raises(StepFailure) as failed:
        await call(handler, make_context())
    failure = failed.value
    assert (failure.category, failure.code, failure.message) == (
        "ActionError",
        "INTERNAL_ERROR",
        "the order was canceled",
    )
    assert failure.details == {"name": "LookupError"}


async def test_a_handlers_own_failure_is_kept(make_context: MakeContext) -> None:
    async def handler(box: Box, ctx: ActionContext) -> Box:
        raise StepFailure("TransientError", "busy", code="RATE_LIMITED", details={"at": Box(value=2), "ids": {1}})

    with pytest.raises(StepFailure) as failed:
        await call(handler, make_context())
    failure = failed.value
    assert (failure.category, failure.code, failure.message) == ("TransientError", "RATE_LIMITED", "busy")
    assert failure.details == {"at": {"value": 2, "note": None}, "ids": [1]}


@pytest.mark.parametrize("category", ["Cancellation", "InterpreterCorruption"])
async def test_an_action_cannot_pretend_to_be_the_engine(make_context: MakeContext, category: str) -> None:
    async def handler(box: Box, ctx: ActionContext) -> Box:
        raise StepFailure(category, "stop")

    with pytest.raises(StepFailure) as failed:
        await call(handler, make_context())
    assert failed.value.category == "ActionError"


async def test_an_operations_refusal_keeps_its_code(make_context: MakeContext) -> None:
    async def handler(box: Box, ctx: ActionContext) -> Box:
        raise Conflict("RUN_TERMINAL", "The run has ended.", "Look at it.")

    with pytest.raises(StepFailure, match="The run has ended") as failed:
        await call(handler, make_context())
    assert (failed.value.category, failed.value.code) == ("ActionError", "RUN_TERMINAL")


@pytest.mark.parametrize("blocking", [False, True])
async def test_an_action_has_only_its_time(make_context: MakeContext, blocking: bool) -> None:
    released, finished = threading.Event(), threading.Event()

    async def waits(box: Box, ctx: ActionContext) -> Box:
        await asyncio.Event().wait()
        return box

    def blocks(box: Box, ctx: ActionContext) -> Box:
        released.wait(60)
        finished.set()
        return box

    with pytest.raises(StepFailure) as failed:
        await call(blocks if blocking else waits, make_context(), timeout=0.05)
    # Nobody waited for the thread, which cannot be ended.
    assert not finished.is_set()
    released.set()
    assert (failed.value.category, failed.value.code) == ("TimeoutError", "ACTION_TIMEOUT")


async def test_a_timeout_of_something_else_is_not_the_actions(make_context: MakeContext) -> None:
    async def handler(box: Box, ctx: ActionContext) -> Box:
        raise TimeoutError("the printer")

    with pytest.raises(StepFailure, match="the printer") as failed:
        await call(handler, make_context())
    assert (failed.value.category, failed.value.code) == ("ActionError", "INTERNAL_ERROR")


async def test_cancellation_passes_through(make_context: MakeContext) -> None:
    entered = asyncio.Event()

    async def handler(box: Box, ctx: ActionContext) -> Box:
        entered.set()
        await asyncio.Event().wait()
        return box

    task = asyncio.create_task(call(handler, make_context()))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_only_a_transactional_action_has_a_transaction(make_context: MakeContext) -> None:
    async def handler(box: Box, ctx: ActionContext) -> Box:
        return Box(note=str(ctx.transaction))

    with pytest.raises(StepFailure, match="transaction=True"):
        await call(handler, make_context())


async def test_the_logger_knows_where_it_is(make_context: MakeContext) -> None:
    import structlog

    context = make_context(run_id="r1", step_path="root.steps[2]", attempt=2)
    with structlog.testing.capture_logs() as lines:
        context.logger.info("done")
    assert lines == [
        {
            "event": "done", "log_level": "info", "run_id": "r1", "workflow_id": "wf.main", "step_path": "root.steps[2]",
            "iteration": "", "attempt": 2,
        }
    ]  # fmt: skip
