"""Changing something through the engine's operations."""

from __future__ import annotations

from datetime import datetime

from engine.operations.cancel import cancel_run
from engine.operations.context import OperationContext
from engine.operations.launch import LaunchRequest, launch_published_run
from engine.store.reader import open_reader
from runstudio_tui.backend.engine_backend.refusals import translated
from runstudio_tui.domain.catalog import CancelRequest, CancelResult, Started, StartRequest
from runstudio_tui.domain.models import RunId
from runstudio_tui.ports import Conflict, Reply

_RESULTS = {
    "canceled": CancelResult.CANCELED,
    "requested": CancelResult.REQUESTED,
    "ended": CancelResult.ALREADY_ENDED,
}


class EngineControl:
    """``ControlPort``: every call is one operation, audited there under this context's actor."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context

    async def start(self, request: StartRequest) -> Reply[Started]:
        """See ControlPort."""
        with translated():
            result = await launch_published_run(
                self._context,
                LaunchRequest(
                    workflow_id=request.workflow_id,
                    version=request.version,
                    payload=request.payload,
                    idempotency_key=request.idempotency_key,
                    # What is typed into the editor and refused is still in the editor: no row is needed to keep it.
                    keep_refused=False,
                ),
            )
            started = Started(RunId(result.run_id), created=result.created, pending=result.launch_state == "pending")
            return Reply(started, await self._now())

    async def cancel(self, request: CancelRequest) -> Reply[CancelResult]:
        """See ControlPort. The engine's cancel is harmless to repeat by itself, so the key is not needed there."""
        try:
            with translated():
                outcome = await cancel_run(self._context, request.run_id, request.reason)
                return Reply(_RESULTS[outcome.outcome], await self._now())
        except Conflict as error:
            if error.code != "RUN_ENDED":
                raise
        with translated():
            return Reply(CancelResult.ALREADY_ENDED, await self._now())

    async def _now(self) -> datetime:
        async with open_reader(self._context.store, self._context.tenant) as reader:
            return reader.server_now
