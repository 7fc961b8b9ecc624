"""All activities of a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.activities.dependencies import ActivityDependencies
from engine.activities.end_wait import EndWait
from engine.activities.finish_run import FinishRun
from engine.activities.flush_trace import FlushTrace
from engine.activities.load_run import LoadRun
from engine.activities.next_task import next_task
from engine.activities.open_child import OpenChild
from engine.activities.open_wait import OpenWait
from engine.activities.reserve_quota import ReserveQuota
from engine.activities.run_chain import RunChain
from engine.activities.run_step import RunStep


def all_activities(dependencies: ActivityDependencies) -> list[Callable[..., Any]]:
    """The activities the run workflow calls, bound to what they need. Each may run as a local activity too."""
    waits = OpenWait(dependencies)
    return [
        LoadRun(dependencies).load_run,
        RunStep(dependencies).run_step,
        RunChain(dependencies).run_chain,
        waits.open_wait,
        waits.look_back,
        EndWait(dependencies).end_wait,
        OpenChild(dependencies).open_child,
        ReserveQuota(dependencies).reserve_quota,
        FlushTrace(dependencies).flush_trace,
        next_task,
        FinishRun(dependencies).finish_run,
    ]
