"""A no-op activity: when it is over, Temporal gives the run a new, short workflow task."""

from __future__ import annotations

from temporalio import activity

from engine.workflow.wire import NEXT_TASK


@activity.defn(name=NEXT_TASK)
async def next_task(_: dict[str, str]) -> None:
    """See the module. The argument, ``{run}``, is for people who read histories."""
