"""Opens a wait: its row and the run's state in one commit, then a look back for events that came before it."""

from __future__ import annotations

from typing import Final

from temporalio import activity

from engine.activities.dependencies import ActivityDependencies
from engine.activities.errors import require_repeat, too_large_for_a_local_one
from engine.definition.models import Filter
from engine.fault_points import reach
from engine.interpreter.events import passes
from engine.store.trace.projection import Progress, Waiting
from engine.store.trace.waiting import EVENTS_PER_PAGE, EarlyEvent, TaskToCreate, early_events, open_wait
from engine.values.json_policy import size_bytes
from engine.values.timestamps import iso_milliseconds
from engine.workflow.encoding import decode_step, decode_trace
from engine.workflow.wire import (
    LOOK_BACK,
    OPEN_WAIT,
    EarlyEvents,
    EventSubscription,
    LookBackInput,
    OpenWaitInput,
    TaskForm,
    Wire,
)

MAX_BYTES: Final = 256 * 1024
"""Of the payloads that one look back gives a run; one event is given whatever its size."""
LOCAL_BYTES: Final = 16 * 1024
"""Of the payloads that a local activity gives: what the local ones of a workflow task give goes to Temporal in one message,
which may have 4 MB. An ordinary one ends the task."""
_PAGES: Final = 20
"""So many pages that the filters refuse are looked through at once."""


class OpenWait:
    """See the module."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._store = dependencies.store

    @activity.defn(name=OPEN_WAIT)
    async def open_wait(self, request: OpenWaitInput) -> EarlyEvents:
        """Early events of an event wait, no events for any other."""
        reach("open_wait.before")
        progress = Progress(request["run"], decode_trace(request["trace"]), request["seq"], request["steps"])
        waiting = Waiting(decode_step(request["step"]), request["waiting_on"], request["since"], request["attempt"])
        task = request["task"]
        if not await open_wait(self._store, progress, waiting, None if task is None else _task(task)):
            await require_repeat(self._store, progress)
        reach("open_wait.after_commit")
        # The router finds the wait from now on, so an event is either seen by it or by this look back, or by both, and then
        # recognised by its id.
        event = request["event"]
        early = (
            EarlyEvents(events=[], last=None, more=False) if event is None else await self._early(request["run"], event)
        )
        reach("open_wait.after")
        return early

    @activity.defn(name=LOOK_BACK)
    async def look_back(self, request: LookBackInput) -> EarlyEvents:
        """A further page of early events."""
        return await self._early(request["run"], request["event"])

    async def _early(self, run_id: str, event: EventSubscription) -> EarlyEvents:
        """As ``_found``. Raises ``ApplicationError`` when that is more than a local activity may give."""
        found = await self._found(run_id, event)
        if (
            activity.info().is_local
            and sum(size_bytes(payload) for _, _, _, payload, _ in found["events"]) > LOCAL_BYTES
        ):
            raise too_large_for_a_local_one()
        return found

    async def _found(self, run_id: str, event: EventSubscription) -> EarlyEvents:
        """The next events that pass the filters, as many as the bytes allow; ``last``: how far it has looked."""
        filters = [Filter.model_validate(item) for item in event.get("filters", ())]
        given: list[EarlyEvent] = []
        last: int | None = None
        room = MAX_BYTES
        for page in range(_PAGES):
            found = await early_events(
                self._store,
                run_id,
                event["name"],
                event["key"],
                after=event["after"] if last is None else last,
                unrouted=event["recent"] and page == 0,
            )
            for early in found:
                if passes(filters, early.payload):
                    room -= size_bytes(early.payload)
                    # What has no number yet is not found again from here.
                    if room < 0 and given and early.arrival is not None:
                        return {"events": [_wire(one) for one in given], "last": last, "more": True}
                    given.append(early)
                last = last if early.arrival is None else early.arrival
            if given or len(found) < EVENTS_PER_PAGE:
                return {"events": [_wire(one) for one in given], "last": last, "more": len(found) == EVENTS_PER_PAGE}
        return {"events": [], "last": last, "more": True}


def _task(form: TaskForm) -> TaskToCreate:
    return TaskToCreate(form["id"], form["type"], form["title"], form["description"], form["context"])


def _wire(event: EarlyEvent) -> Wire:
    received = iso_milliseconds(event.received_at)
    return [event.event_id, event.event_name, event.key, event.payload, received]
