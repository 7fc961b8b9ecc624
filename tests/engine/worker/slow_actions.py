"""An action that takes its time."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from engine.actions.context import ActionContext
from engine.actions.registry import action


class Duration(BaseModel):
    """How long."""

    seconds: float


@action("test.slow", version=1, input=Duration, output=Duration)
async def slow(given: Duration, ctx: ActionContext) -> Duration:
    """Sleeps."""
    await asyncio.sleep(given.seconds)
    return given
