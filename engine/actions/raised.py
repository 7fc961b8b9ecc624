"""What code that is not ours raises and tells, as the engine takes it: nothing checks what a ``StepFailure`` is made of."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from pydantic_core import to_jsonable_python

from engine.errors import ACTION, CANCELLATION, CORRUPTION, Invalid, StepFailure
from engine.values.json_policy import clean_json, storable_text


def presentable(failure: StepFailure) -> StepFailure:
    """The failure as it is declared, whatever the action has made it of; without the categories that only the engine may use."""
    category, given = ACTION, failure.category
    if isinstance(given, str) and given.strip() and given not in {CANCELLATION, CORRUPTION}:
        category = given
    code = None if failure.code is None else text_of(failure.code)
    return StepFailure(category, text_of(failure.message), code=code, details=json_of(failure.details))


def is_to_end() -> bool:
    """Whether somebody has canceled what runs here; else a cancellation is that of something that was waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def passes(error: BaseException) -> bool:
    """Whether ``error`` is none of the code that ran, but ends it: its task was canceled, or its coroutine is closed.

    Everything else is a failure, also what is no ``Exception``, such as the panic of a library written in Rust.
    """
    return isinstance(error, GeneratorExit) or (isinstance(error, asyncio.CancelledError) and is_to_end())


def is_routine(value: object) -> bool:
    """Whether it is a function of any kind. A stand-in for what is not there yet raises when it is asked: it is none."""
    try:
        return inspect.isroutine(value)
    except Exception:  # noqa: BLE001 - of whichever library made it
        return False


def text_of(value: Any) -> str:
    """``value`` as text that a row can hold; the name of its type where it cannot tell."""
    try:
        return storable_text(str(value))
    except Exception:  # noqa: BLE001 - whatever its own code raises: it is only shown
        return type(value).__name__


def json_of(value: Any) -> Any:
    """``value`` as JSON that a row can hold; ``{"$omitted": why}`` where there is none. None stays None."""
    try:
        return clean_json(value).value
    except Invalid:
        pass
    try:
        return clean_json(to_jsonable_python(value, fallback=str)).value
    except Invalid as refused:
        return {"$omitted": refused.code}
    except Exception as error:  # noqa: BLE001 - a circle, too many levels, or what its own code raises
        return {"$omitted": type(error).__name__}
