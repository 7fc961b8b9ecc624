"""Ends a wait: what is put on record first stands, and a repeat is told that, whatever has come meanwhile."""

from __future__ import annotations

from dataclasses import replace

from temporalio import activity

from engine.activities.dependencies import ActivityDependencies
from engine.activities.errors import closed_or_lost
from engine.fault_points import reach
from engine.interpreter.effects import EventArrived
from engine.store.database.refusals import DATABASE_ERRORS, as_refusal
from engine.store.trace import ending_waits
from engine.workflow.encoding import decode_step, encode_event
from engine.workflow.wire import END_WAIT, EndWaitInput, EndWaitOutput


class EndWait:
    """See the module."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._store = dependencies.store

    @activity.defn(name=END_WAIT)
    async def end_wait(self, request: EndWaitInput) -> EndWaitOutput:
        """Repeatable; fails for good when the run was closed from outside while it waited."""
        reach("end_wait.before")
        step = decode_step(request["step"])
        wait = ending_waits.OpenWait(request["run"], step, request["type"], request["attempt"])
        event = None if request["event"] is None else EventArrived(*request["event"])
        if request["status"] is None:
            end = await ending_waits.ended_wait(self._store, wait)
            if end is None:
                return {}
        else:
            end = await self._end(wait, request["status"], request["seq"], event)
        if end is None or (end.status == "CANCELED" and not end.run_open):
            raise await closed_or_lost(self._store, request["run"])
        reach("end_wait.after")
        answer: EndWaitOutput = {"status": end.status, "at": end.at_ms}
        known = event if request["status"] == end.status else None
        if end.event is not None and (known is None or not _same(end.event, known)):
            answer["event"] = encode_event(end.event)
        return answer

    async def _end(
        self, wait: ending_waits.OpenWait, status: str, seq: int, event: EventArrived | None
    ) -> ending_waits.WaitEnd | None:
        """As ``ending_waits.end_wait``. An id that was signalled by hand, and that no row can hold, is none."""
        try:
            return await ending_waits.end_wait(self._store, wait, status, seq, event)
        except DATABASE_ERRORS as error:
            if event is None or event.event_id is None or as_refusal(error) is None:
                raise
        return await ending_waits.end_wait(self._store, wait, status, seq, replace(event, event_id=None, stored=False))


def _same(one: EventArrived, other: EventArrived) -> bool:
    if one.event_id is not None or other.event_id is not None:
        return one.event_id == other.event_id
    return (one.event_name, one.payload) == (other.event_name, other.payload)
