"""Retries of the write of an outcome while Postgres does not take it, so that its action need not run again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from temporalio import activity

from engine.store.database.refusals import may_pass

Written = TypeVar("Written")

ORDINARY_PATIENCE_SECONDS: Final = 240.0
"""An ordinary activity holds nothing but its own slot, and heartbeats meanwhile."""
LOCAL_PATIENCE_SECONDS: Final = 1.5
"""A local one holds its workflow task."""
_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 2.0


async def persistently(write: Callable[[], Awaitable[Written]]) -> Written:
    """Retry ``write`` while Postgres may take it later, for as long as the activity may wait; then raise its error.

    Anything else is raised at once.
    """
    patience = LOCAL_PATIENCE_SECONDS if activity.info().is_local else ORDINARY_PATIENCE_SECONDS
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    delay = _FIRST_DELAY
    while True:
        try:
            return await write()
        except Exception as error:
            if not may_pass(error) or loop.time() + delay > deadline:
                raise
        await asyncio.sleep(delay)
        delay = min(2 * delay, _LONGEST_DELAY)
