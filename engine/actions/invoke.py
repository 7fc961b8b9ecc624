"""One attempt of an action: input checked, handler run within its timeout, every failure as a ``StepFailure``."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Final

from engine.actions.context import ActionContext
from engine.actions.declaration import RegisteredAction
from engine.actions.own_time import within_own_time
from engine.actions.raised import json_of, passes, presentable, text_of
from engine.actions.schema import output_json, parse_input
from engine.actions.scrubbing import scrub, scrub_failure, using
from engine.errors import ACTION, TIMEOUT, VALIDATION, EngineError, StepFailure
from engine.store.database.engine import STOPPED, as_unavailable, transaction_of
from engine.store.database.refusals import NO_TEXT, OUT_OF_RANGE, TOO_LARGE, as_refusal, sqlstate_of
from engine.store.database.session_statements import session_kept
from engine.store.database.transactions import Connection

INTERNAL_ERROR: Final = "INTERNAL_ERROR"
ACTION_TIMEOUT: Final = "ACTION_TIMEOUT"
STATEMENT_LIMIT: Final = "STATEMENT_LIMIT"
TRANSACTION_ENDED: Final = "TRANSACTION_ENDED"
TRANSACTION_FAILED: Final = "TRANSACTION_FAILED"

_LIMITS: Final = STOPPED | {"53400"}
"""SQLSTATEs of a limit that one statement of an action meets: of its time, and of a setting such as ``temp_file_limit``."""
_THREADS: Final = 32
"""Plain functions that run at once in a process. Their own pool: a slow action must not hold up name resolution."""


_pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="runstudio-action")


async def invoke(
    registered: RegisteredAction, raw_input: Any, ctx: ActionContext, secrets: tuple[str, ...] = ()
) -> Any:
    """Runs the action once and returns its output as a JSON value, with ``secrets`` scrubbed from it and from its heartbeats.

    ``raw_input`` has its secrets already resolved. Raises ``StepFailure``, scrubbed too: a StepFailure of the handler as it is;
    ``ActionError`` with code ``ACTION_INPUT_INVALID`` (the handler has not run),
    ``ACTION_OUTPUT_INVALID``, or ``INTERNAL_ERROR`` for any other exception; ``TimeoutError`` with code ``ACTION_TIMEOUT``, or
    ``STATEMENT_LIMIT`` when the database stopped a statement of a transactional action for a limit of its own.
    Cancellation passes.
    ``ValidationError`` with a code of ``engine.store.database.refusals`` for a value the database cannot hold.
    Raises ``Unavailable`` when the database of a transactional action cannot go on: that is no failure of the step, and the whole
    transaction is to be repeated. After any error the caller rolls the transaction back.
    """
    if secrets:
        ctx = replace(ctx, heartbeat=_discreet(ctx.heartbeat, secrets))
    try:
        parsed = parse_input(registered.label, registered.input_model, raw_input)
        with using(secrets):
            output = await _run(registered, parsed, ctx)
        output = output_json(registered.label, registered.output_model, output)
    except StepFailure as failure:
        # Without a cause: it may quote a secret, and tracebacks end up in logs.
        raise scrub_failure(failure, secrets) from None
    return scrub(output, secrets)


def _discreet(heartbeat: Callable[..., None], secrets: tuple[str, ...]) -> Callable[..., None]:
    """``heartbeat`` with secrets scrubbed from its details, which Temporal keeps and logs."""

    def beat(*details: Any) -> None:
        heartbeat(*scrub([json_of(detail) for detail in details], secrets))

    return beat


async def _run(registered: RegisteredAction, parsed: Any, ctx: ActionContext) -> Any:
    timer = asyncio.timeout(registered.traits.timeout_seconds)
    try:
        async with timer:
            if ctx.connection is None or not registered.traits.transaction:
                return await _call(registered, parsed, ctx)
            with session_kept(ctx.connection):
                output = await within_own_time(timer, ctx.connection, lambda: _call(registered, parsed, ctx))
        _require_open_transaction(registered, ctx.connection)
        return output
    except StepFailure as failure:
        raise presentable(failure) from None
    except EngineError as refused:
        details = refused.details or None
        raise presentable(StepFailure(ACTION, refused.message, code=refused.code, details=details)) from None
    except BaseException as error:
        if passes(error):
            raise
        if isinstance(error, TimeoutError) and timer.expired():
            raise StepFailure(
                TIMEOUT,
                f"{registered.label} did not end within {registered.traits.timeout_seconds:g} s.",
                code=ACTION_TIMEOUT,
                details={"timeoutSeconds": registered.traits.timeout_seconds},
            ) from None
        if registered.traits.transaction:
            # (That a lock was not to be had in time is no failure of the step: it is repeated.)
            if sqlstate_of(error) in _LIMITS:
                raise StepFailure(
                    TIMEOUT,
                    f"{registered.label} was stopped by a limit of the database: {_said(error)}",
                    code=STATEMENT_LIMIT,
                    details={"sqlstate": sqlstate_of(error)},
                ) from None
            # An OSError, which a TimeoutError is too, can be that of a file or a service the action works with.
            own = isinstance(error, OSError) and ctx.connection is not None and transaction_of(ctx.connection) != "lost"
            if not own and (outage := as_unavailable(error)):
                raise outage from error
            refusal = as_refusal(error)
            if refusal is not None and refusal.code in {NO_TEXT, TOO_LARGE, OUT_OF_RANGE}:
                raise StepFailure(VALIDATION, refusal.sentences, code=refusal.code, details=refusal.details) from None
        ctx.logger.warning("action.failed", action=registered.label, error=type(error).__name__)
        raise StepFailure(ACTION, _said(error), code=INTERNAL_ERROR, details={"name": type(error).__name__}) from None


def _require_open_transaction(registered: RegisteredAction, connection: Connection) -> None:
    """Its outcome could not be written with what it did, and all of it would be done again, for ever."""
    became = transaction_of(connection)
    if became == "ended":
        message = (
            f"{registered.label} has ended the transaction of its step, which only the engine commits and rolls back."
        )
        raise StepFailure(ACTION, message, code=TRANSACTION_ENDED)
    if became == "failed":
        message = (
            f"{registered.label} went on after a statement had failed, and Postgres keeps nothing of its transaction."
            " Try what may fail in a savepoint, as begin_nested() makes one."
        )
        raise StepFailure(ACTION, message, code=TRANSACTION_FAILED)


async def _call(registered: RegisteredAction, parsed: Any, ctx: ActionContext) -> Any:
    handler = registered.handler
    if handler is None:
        raise TypeError(f"{registered.label} is pure: the workflow itself runs it")
    if inspect.iscoroutinefunction(handler):
        return await handler(parsed, ctx)
    # The thread sees the caller's context variables, as it would in an async handler.
    call = partial(contextvars.copy_context().run, _called, handler, parsed, ctx)
    return await asyncio.get_running_loop().run_in_executor(_pool, call)


def _called(handler: Callable[..., Any], parsed: Any, ctx: ActionContext) -> Any:
    try:
        return handler(parsed, ctx)
    except StopIteration as error:
        # No future can hold it, so nobody would be told; a coroutine that raises it is told as this.
        raise RuntimeError("function raised StopIteration") from error


def _said(error: BaseException) -> str:
    # The text of a database error repeats the statement with its values; the driver's own says what happened.
    cause = getattr(error, "orig", None)
    return text_of(cause if isinstance(cause, Exception) else error) or type(error).__name__
