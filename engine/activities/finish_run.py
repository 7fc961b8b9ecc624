"""The last activity of a run: its last trace and its end, in one commit."""

from __future__ import annotations

from temporalio import activity

from engine.activities.dependencies import ActivityDependencies
from engine.activities.errors import closed_or_lost
from engine.fault_points import reach
from engine.store.runs.closing import NoRow, finish_run
from engine.store.trace.projection import Progress
from engine.workflow.encoding import decode_trace
from engine.workflow.wire import FINISH_RUN, Behind, EarlierEnd, FinishRunInput


class FinishRun:
    """See the module."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._store = dependencies.store

    @activity.defn(name=FINISH_RUN)
    async def finish_run(self, request: FinishRunInput) -> EarlierEnd | Behind | None:
        """None, or how the run had been closed before in another way: then that stands. Or that it is behind its rows."""
        reach("finish_run.before")
        try:
            earlier = await finish_run(
                self._store,
                Progress(request["run"], decode_trace(request["trace"]), request["seq"], request["steps"]),
                request["status"],
                request["error"],
                request["scopes"],
                keep_scopes=request["keep_scopes"],
                known=request.get("known"),
            )
        except NoRow as gone:
            raise await closed_or_lost(self._store, request["run"]) from gone
        reach("finish_run.after")
        if earlier is None:
            return None
        if isinstance(earlier, int):
            return {"reached": earlier}
        return {"status": earlier.status, "error": earlier.error, "scopes": earlier.scopes}
