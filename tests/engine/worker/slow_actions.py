"""An action that takes as long as a test wants."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import BaseModel

from engine.actions.context import ActionContext
from engine.actions.registry import action


class Until(BaseModel):
    """How long: until there is such a file."""

    file: str


@action("test.slow", version=1, input=Until, output=Until)
async def slow(given: Until, ctx: ActionContext) -> Until:
    """Waits for the file."""
    while not Path(given.file).exists():  # noqa: ASYNC110, ASYNC240 - the test is another process, and the disk is near
        await asyncio.sleep(0.05)
    return given
