"""Writes a trace that no other activity carries: after many pure steps, or before a run goes on as a new execution."""

from __future__ import annotations

from temporalio import activity

from engine.activities.dependencies import ActivityDependencies
from engine.activities.errors import require_repeat
from engine.fault_points import reach
from engine.store.database.single_statement import execute_alone
from engine.store.trace.projection import Progress, Running, projecting
from engine.workflow.encoding import decode_step, decode_trace
from engine.workflow.wire import FLUSH_TRACE, FlushTraceInput


class FlushTrace:
    """See the module."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._store = dependencies.store

    @activity.defn(name=FLUSH_TRACE)
    async def flush_trace(self, request: FlushTraceInput) -> None:
        """Repeatable; fails for good when the run is closed."""
        reach("flush_trace.before")
        step = request["step"]
        progress = Progress(request["run"], decode_trace(request["trace"]), request["seq"], request["steps"])
        statement, parameters = projecting(progress, Running(None if step is None else decode_step(step)))
        row = await execute_alone(self._store, statement, parameters)
        if row is None or not row[0]:
            await require_repeat(self._store, progress)
        reach("flush_trace.after")
