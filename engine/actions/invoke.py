"""One try of an action: input checked, handler run within its time, whatever goes wrong as a ``StepFailure``."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from pydantic_core import to_jsonable_python

from engine.actions.context import ActionContext
from engine.actions.declaration import RegisteredAction
from engine.actions.schema import output_json, parse_input
from engine.actions.secrets import scrub, scrub_failure
from engine.errors import ACTION, CANCELLATION, CORRUPTION, TIMEOUT, StepFailure

INTERNAL_ERROR: Final = "INTERNAL_ERROR"
ACTION_TIMEOUT: Final = "ACTION_TIMEOUT"

_THREADS: Final = 32
"""Plain functions that run at once in a process. Their own pool: a slow action must not hold up name resolution."""

_pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="runstudio-action")


async def invoke(
    registered: RegisteredAction, raw_input: Any, ctx: ActionContext, secrets: tuple[str, ...] = ()
) -> Any:
    """Runs the action once and returns its output as a JSON value, with ``secrets`` scrubbed from it.

    ``raw_input`` has its secrets already resolved. Raises ``StepFailure``, scrubbed too: ``ValidationError`` before the handler
    runs when the input does not fit; ``TimeoutError`` (``ACTION_TIMEOUT``); ``ActionError`` (``ACTION_OUTPUT_INVALID``);
    a StepFailure of the handler as it is; any other exception as ``ActionError`` (``INTERNAL_ERROR``). Cancellation passes.
    """
    try:
        parsed = parse_input(registered.label, registered.input_model, raw_input)
        output = output_json(registered.label, registered.output_model, await _run(registered, parsed, ctx))
    except StepFailure as failure:
        # Without a cause: it may quote a secret, and tracebacks end up in logs.
        raise scrub_failure(failure, secrets) from None
    return scrub(output, secrets)


async def _run(registered: RegisteredAction, parsed: Any, ctx: ActionContext) -> Any:
    timer = asyncio.timeout(registered.traits.timeout_seconds)
    try:
        async with timer:
            return await _call(registered, parsed, ctx)
    except StepFailure as failure:
        raise _presentable(failure) from None
    except Exception as error:  # noqa: BLE001 - a handler may raise anything, and all of it becomes the step's failure
        if isinstance(error, TimeoutError) and timer.expired():
            raise StepFailure(
                TIMEOUT,
                f"{registered.label} did not end within {registered.traits.timeout_seconds:g} s.",
                code=ACTION_TIMEOUT,
                details={"timeoutSeconds": registered.traits.timeout_seconds},
            ) from None
        ctx.logger.warning("action.failed", action=registered.label, error=type(error).__name__)
        raise StepFailure(
            ACTION,
            str(error) or type(error).__name__,
            code=INTERNAL_ERROR,
            details={"name": type(error).__name__},
        ) from None


async def _call(registered: RegisteredAction, parsed: Any, ctx: ActionContext) -> Any:
    handler = registered.handler
    if handler is None:
        raise RuntimeError(f"{registered.label} is pure: it runs inside the workflow, not here")
    if inspect.iscoroutinefunction(handler):
        return await handler(parsed, ctx)
    # The thread sees the caller's context variables, as it would in an async handler.
    call = partial(contextvars.copy_context().run, handler, parsed, ctx)
    return await asyncio.get_running_loop().run_in_executor(_pool, call)


def _presentable(failure: StepFailure) -> StepFailure:
    """The failure with details that are JSON, and without the categories that only the engine may use."""
    reserved = failure.category in {CANCELLATION, CORRUPTION}
    details = None if failure.details is None else to_jsonable_python(failure.details, fallback=str)
    return StepFailure(ACTION if reserved else failure.category, failure.message, code=failure.code, details=details)
