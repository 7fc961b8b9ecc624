"""Doing again the calls by which a run has put its wait on record, for the reconciler: they may be repeated at any time."""

from __future__ import annotations

from typing import Any, cast

from engine.activities.dependencies import ActivityDependencies
from engine.activities.open_child import OpenChild
from engine.activities.open_wait import OpenWait
from engine.workflow.wire import OPEN_CHILD, OPEN_WAIT, OpenChildInput, OpenWaitInput


class Rewriting:
    """Writes only forward, as the activities do: a run that has gone on meanwhile is left as it is."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._waits = OpenWait(dependencies)
        self._children = OpenChild(dependencies)

    async def __call__(self, activity: str, request: dict[str, Any]) -> None:
        """``activity``: OPEN_WAIT or OPEN_CHILD. Raises ``ApplicationError`` when the run is closed, or not to be written now."""
        if activity == OPEN_WAIT:
            await self._waits.open_wait(cast("OpenWaitInput", {**request, "event": None}))
        elif activity == OPEN_CHILD:
            await self._children.open_child(cast("OpenChildInput", request))
        else:
            raise ValueError(f"{activity} opens no wait.")
