"""Making a failed or skipped delivery of the fake world again, refused as the engine refuses it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine import advice
from engine.errors import Conflict, Invalid
from engine.records import OPEN_TASK_STATUSES, Delivery
from runstudio_tui.backend.fake.world import World

DEAD_STATUSES: Final = ("failed", "skipped")
_MIN_REASON: Final = 3


def redeliver(world: World, delivery_id: str, reason: str) -> None:
    """Make it pending again. Raises Invalid (reason), Conflict as EventsPort says."""
    check_reason(reason)
    found = _find(world, delivery_id)
    if found is None:
        raise Conflict(
            "DELIVERY_NOT_FAILED",
            "There is no failed or skipped delivery of that id.",
            "Only these are made again; look at it once more.",
        )
    event_id, delivery = found
    if delivery.kind == "routing":
        _route_again(world, event_id)
        return
    if delivery.status == "skipped":
        _refuse_hopeless(world, delivery)
    again = replace(delivery, status="pending", attempts=0, reason=None, settled_at=None, next_attempt_at=world.now())
    detail = world.events[event_id]
    changed = tuple(again if one is delivery else one for one in detail.deliveries)
    world.events[event_id] = replace(detail, deliveries=changed)


def check_reason(reason: str) -> None:
    """Raises Invalid (REASON_TOO_SHORT)."""
    if len(reason.strip()) < _MIN_REASON:
        raise Invalid(
            "REASON_TOO_SHORT", f"The reason needs at least {_MIN_REASON} characters.", "Say why; it is audited."
        )


def _find(world: World, delivery_id: str) -> tuple[str, Delivery] | None:
    for event_id, detail in world.events.items():
        for delivery in detail.deliveries:
            if delivery.delivery_id == delivery_id and delivery.status in DEAD_STATUSES:
                return event_id, delivery
    return None


def _route_again(world: World, event_id: str) -> None:
    detail = world.events[event_id]
    received = replace(detail.row, status="received", processed_at=None, error=None)
    left = tuple(one for one in detail.deliveries if one.kind != "routing")
    world.events[event_id] = replace(detail, row=received, deliveries=left)


def _refuse_hopeless(world: World, delivery: Delivery) -> None:
    if delivery.kind == "launch":
        if delivery.attempts == 0:
            raise Conflict(
                "DELIVERY_NOT_ROUTABLE",
                f"The trigger of {delivery.target} could not make a payload of this event: {delivery.reason}",
                f"{advice.PUBLISH.to('Publish a version whose trigger takes it')} "
                + advice.SUBMIT.to("Submit the event again, with another id"),
            )
        return
    run = world.runs.get(delivery.run_id or "")
    if run is not None and run.row.status.ended:
        raise Conflict(
            "DELIVERY_TARGET_OVER",
            f"The run {run.row.run_id} is over: {run.row.status.value.lower()}.",
            advice.REPLAY.to("Replay the run instead", run=run.row.run_id),
        )
    task = world.tasks.get(delivery.target)
    if delivery.kind == "task" and (task is None or task.row.status not in OPEN_TASK_STATUSES):
        told = "does not exist" if task is None else f"is {task.row.status} already"
        raise Conflict("DELIVERY_TARGET_OVER", f"The task {delivery.target} {told}.", "Look at its run.")
