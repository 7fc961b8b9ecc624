"""Making a failed or skipped delivery again. Whether that is possible is decided by what its target is at now."""

from __future__ import annotations

from typing import Final

from engine import advice
from engine.errors import Conflict
from engine.operations.context import OperationContext
from engine.operations.runs.run_access import checked_reason, is_run_id
from engine.records import OPEN_TASK_STATUSES, Level
from engine.store.database.transactions import Connection, writing
from engine.store.events.redelivery import DeadDelivery, lock_dead_delivery, make_due
from engine.store.events.routing import ROUTING_KIND, route_again
from engine.store.tenant.audit import AuditEntry

_ACTIVE: Final = frozenset({"RUNNING", "WAITING"})


async def redeliver_event(context: OperationContext, delivery_id: str, reason: str) -> None:
    """Make a failed or a skipped delivery again, with its attempts counted anew. Needs the level admin; it is audited.

    A failed one is made again whatever its target is at: the attempt tells; an event that could not be routed is routed again. A
    skipped one only where another attempt may end
    otherwise. Raises, with nothing written: ``Invalid`` (REASON_TOO_SHORT, REASON_TOO_LONG), ``Conflict`` (DELIVERY_NOT_FAILED,
    also for what is no id; DELIVERY_TARGET_OVER; DELIVERY_NOT_ROUTABLE; DELIVERY_WITHOUT_EVENT), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    said = checked_reason(reason)
    async with writing(context.store) as connection:
        dead = await lock_dead_delivery(connection, context.tenant, delivery_id) if is_run_id(delivery_id) else None
        if dead is None:
            raise Conflict(
                "DELIVERY_NOT_FAILED",
                "There is no failed or skipped delivery of that id.",
                "Only these are made again; look at it once more.",
            )
        if dead.status == "skipped":
            _refuse_hopeless(dead)
        if dead.kind == ROUTING_KIND:
            await _route_again(connection, context.tenant, dead)
        else:
            await make_due(connection, dead)
        details = {"status": dead.status, "targetKind": dead.kind, "target": dead.target, "eventId": dead.event_id}
        entry = AuditEntry("event_redeliver", "delivery", delivery_id, reason=said, details=details)
        await context.audit(connection, entry)


async def _route_again(connection: Connection, tenant: str, dead: DeadDelivery) -> None:
    """Its targets are found anew, with a new number of arrival. Raises ``Conflict`` (DELIVERY_WITHOUT_EVENT)."""
    if dead.event_id is None or not await route_again(connection, tenant, dead.event_id, dead.delivery_id):
        raise Conflict(
            "DELIVERY_WITHOUT_EVENT",
            "The event of this delivery is not there any more.",
            advice.SUBMIT.to("Submit it again"),
        )


def _refuse_hopeless(dead: DeadDelivery) -> None:
    """Raises ``Conflict`` when another attempt would be skipped for the same reason."""
    if dead.event_id is None:
        raise Conflict(
            "DELIVERY_WITHOUT_EVENT",
            f"No event made this delivery: it is the end of the task {dead.target}, and came too late for its run.",
            advice.REPLAY.to("Replay the run to be asked again", run=dead.run_id or "RUN_ID"),
        )
    if dead.kind == "launch":
        if dead.attempts == 0:
            raise Conflict(
                "DELIVERY_NOT_ROUTABLE",
                f"The trigger of {dead.target} could not make a payload of this event: {dead.reason or 'no reason was kept'}",
                f"{advice.PUBLISH.to('Publish a version whose trigger takes it')} "
                + advice.SUBMIT.to("Submit the event again, with another id"),
            )
        return
    what = "wait" if dead.kind == "wait" else "task"
    if dead.run_status is not None and dead.run_status not in _ACTIVE:
        raise _over(
            dead,
            f"The run {dead.run_id} is over: {dead.run_status.lower()}.",
            advice.REPLAY.to("Replay the run instead", run=dead.run_id or "RUN_ID"),
        )
    if dead.target_status is None:
        raise _over(dead, f"The {what} {dead.target} does not exist.", "Check the correlation key of the event.")
    if what == "wait" and dead.target_status != "WAITING":
        raise _over(
            dead,
            f"The run {dead.run_id} does not wait for it any more: {dead.target_status.lower()}.",
            "Look at the run.",
        )
    if what == "task" and dead.target_status not in OPEN_TASK_STATUSES:
        raise _over(dead, f"The task is {dead.target_status} already.", "Look at its run to see what came of it.")


def _over(dead: DeadDelivery, message: str, remedy: str) -> Conflict:
    details = {"runId": dead.run_id, "runStatus": dead.run_status, "targetStatus": dead.target_status}
    return Conflict("DELIVERY_TARGET_OVER", message, remedy, details)
