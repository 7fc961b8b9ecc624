"""Heartbeats of long actions: after 30 seconds without one Temporal gives the step to another worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from temporalio import activity

from engine.actions.raised import json_of

FIRST_AFTER_SECONDS: Final = 5.0
EVERY_SECONDS: Final = 5.0


@asynccontextmanager
async def beating() -> AsyncIterator[Callable[..., None]]:
    """While the block runs longer than 5 s, heartbeat every 5 s; gives the function an action may heartbeat with itself.

    That function may be called from any thread. A local activity has no heartbeat: its workflow task is its sign of life.
    """
    if activity.info().is_local:
        yield _nothing
        return
    loop = asyncio.get_running_loop()

    def beat(*details: Any) -> None:
        # Temporal cancels an activity whose details it cannot write, and repeats it for ever.
        loop.call_soon_threadsafe(activity.heartbeat, *map(json_of, details))

    beats = asyncio.create_task(_beat_for_ever())
    try:
        yield beat
    finally:
        beats.cancel()


async def _beat_for_ever() -> None:
    await asyncio.sleep(FIRST_AFTER_SECONDS)
    while True:
        activity.heartbeat()
        await asyncio.sleep(EVERY_SECONDS)


def _nothing(*_details: Any) -> None:
    """A heartbeat that does nothing: a quick action ends before one would be missed."""
