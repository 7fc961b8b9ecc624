"""Cancellation: recognised by exception type alone, and kept from interrupting the write of a run's end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

Answer = TypeVar("Answer")

MAX_REASON: Final = 1_000
"""Characters. Temporal's own tools take a megabyte, which would stand in the row of the run."""


def stop_if_canceled(failure: FailureError) -> None:
    """Raise ``asyncio.CancelledError`` when ``failure`` is what an activity or child reports because *this run* is canceled.

    A child that was canceled on its own reports the same; then nobody has asked this run to stop, and nothing is raised.
    """
    if is_cancelled_exception(failure) and requested():
        raise asyncio.CancelledError(str(failure)) from failure


async def to_the_end(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do ``work`` whatever is asked meanwhile: a cancel, or a second one, changes nothing in how the run has ended."""
    task = asyncio.create_task(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done():
                # The work itself was stopped: this execution is being evicted from the worker's memory.
                raise


def requested() -> bool:
    """Whether anybody has asked to cancel this run."""
    return workflow.cancellation_reason() is not None


def reason() -> str | None:
    """Why the run was canceled, in the words of whoever asked, as many as our own operations take; None when they gave none."""
    return (workflow.cancellation_reason() or "")[:MAX_REASON] or None
