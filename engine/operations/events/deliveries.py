"""Deliveries of events: each retried on its own until it is made, or refused for good.

While Temporal or Postgres is away a delivery stays due for as long as that lasts. Only what is answered, and refused, is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

import structlog

from engine.errors import Conflict, EngineError, Forbidden, Invalid, NotFound, Unavailable
from engine.operations.actor import Actor, KnownBy, Source
from engine.operations.context import OperationContext
from engine.operations.events.waits import deliver_to_wait
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.tasks.tasks import complete_task
from engine.records import Level
from engine.store.database.engine import LOCK_TIMEOUT_SECONDS, LOCKED
from engine.store.database.transactions import writing
from engine.store.events.deliveries import (
    Delivery,
    claim_deliveries,
    claim_delivery,
    due_deliveries,
    fail_unread,
    postpone_beside,
    postpone_delivery,
    settle_delivery,
)
from engine.store.events.events import StoredEvent
from engine.values.json_policy import storable_text

Json = Any

MAX_REFUSALS: Final = 10
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 300.0
_LONGEST_OUTAGE_PAUSE_SECONDS: Final = 30.0
"""So soon after an outage a delivery is made."""
_AT_ONCE: Final = 16
_SOURCES: Final[dict[str, Source]] = {word: word for word in get_args(Source)}
_KNOWN_BY: Final[dict[str, KnownBy]] = {word: word for word in get_args(KnownBy)}

_LOG: Final = structlog.get_logger("runstudio.deliveries")


@dataclass(frozen=True, slots=True)
class Served:
    """A target was served."""

    run_id: str | None = None


async def make_due_deliveries(context: OperationContext) -> int:
    """Make the deliveries that are due, of every tenant; how many were attempted. Raises ``Unavailable`` (Postgres)."""
    claimed = await _claimed(context)
    # Each is let come to its end: what becomes of one must not keep the outcomes of the others from being written.
    ended = await asyncio.gather(*(_attempt(context, delivery) for delivery in claimed), return_exceptions=True)
    for outcome in ended:
        if isinstance(outcome, BaseException):
            raise outcome
    return len(claimed)


async def _claimed(context: OperationContext) -> list[Delivery]:
    """Those that are due; one whose body cannot be read fails, and the others are claimed one by one."""
    try:
        async with writing(context.store) as connection:
            return await claim_deliveries(connection, _AT_ONCE)
    except Unavailable:
        raise
    except Exception as unread:  # noqa: BLE001 - whatever one row brings out must not stop the others
        _LOG.warning("deliveries are claimed one by one", error=type(unread).__name__)
    async with writing(context.store) as connection:
        due = await due_deliveries(connection, _AT_ONCE)
    claimed: list[Delivery] = []
    for delivery_id in due:
        try:
            async with writing(context.store) as connection:
                claimed += await claim_delivery(connection, delivery_id)
        except Unavailable:
            raise
        except Exception as unread:  # noqa: BLE001 - as above
            _LOG.exception("delivery set aside", delivery_id=delivery_id)
            async with writing(context.store) as connection:
                said = f"UNREADABLE: It cannot be read ({type(unread).__name__}); the worker's log has the rest."
                await fail_unread(connection, delivery_id, said)
    return claimed


async def _attempt(context: OperationContext, delivery: Delivery) -> None:
    own = replace(context, tenant=delivery.event.tenant)
    try:
        if delivery.kind == "wait":
            await deliver_to_wait(own, delivery)
            return
        served = await _SERVE[delivery.kind](own, delivery)
    except (Conflict, Forbidden, Invalid, NotFound) as refusal:
        async with writing(own.store) as connection:
            await settle_delivery(connection, delivery, "skipped", reason=_said(refusal))
    except EngineError as error:
        await _failed(own, delivery, error)
    except Exception as bug:  # noqa: BLE001 - a bug one target brings out must not keep the others from being served
        _LOG.exception("delivery failed", delivery_id=delivery.delivery_id, kind=delivery.kind)
        unforeseen = EngineError("INTERNAL_ERROR", f"{type(bug).__name__}; the worker's log has the rest.")
        await _failed(own, delivery, unforeseen)
    else:
        async with writing(own.store) as connection:
            await settle_delivery(connection, delivery, "done", run_id=served.run_id)


async def _failed(context: OperationContext, delivery: Delivery, error: EngineError) -> None:
    said = _said(error)
    refused = not isinstance(error, Unavailable)
    # Of a launch that Temporal refused: another try would leave another one behind.
    failed_run = error.details.get("runId") if refused else None
    async with writing(context.store) as connection:
        if failed_run is not None or (refused and delivery.refusals + 1 >= MAX_REFUSALS):
            await settle_delivery(connection, delivery, "failed", reason=said, run_id=failed_run)
        else:
            longest = _LONGEST_PAUSE_SECONDS if refused else _LONGEST_OUTAGE_PAUSE_SECONDS
            # Beyond some twenty tries the exponent is beside the point, and in time too large for a number.
            pause = min(_FIRST_PAUSE_SECONDS * 2 ** min(delivery.attempts - 1, 20), longest)
            held = delivery.kind == "launch" and error.code == LOCKED
            if held:
                pause = max(pause, LOCK_TIMEOUT_SECONDS)
            await postpone_delivery(connection, delivery, said, pause, refused=refused)
            if held:
                await postpone_beside(connection, delivery, said, pause)


def _said(error: EngineError) -> str:
    """The code and the message, as a row can hold them."""
    return storable_text(f"{error.code}: {error.message}")


def _acting(context: OperationContext, event: StoredEvent) -> OperationContext:
    """The context of whoever submitted the event, with what they might do then: never with what this worker may."""
    if event.submitter is None:
        return context.acting_as(Actor(f"event {event.event_id}", source=context.actor.source), Level.OPERATE)
    actor = Actor(
        event.submitter.name,
        source=_SOURCES.get(event.submitter.source, "api"),
        known_by=_KNOWN_BY.get(event.submitter.known_by, "account"),
    )
    level = next((level for level in Level if level.word == event.submitter.level), Level.NONE)
    return context.acting_as(actor, level)


async def _to_task(context: OperationContext, delivery: Delivery) -> Served:
    event = delivery.event
    closed = await complete_task(_acting(context, event), delivery.target, event.payload, event_id=event.event_id)
    return Served(closed.run_id)


async def _to_launch(context: OperationContext, delivery: Delivery) -> Served:
    event = delivery.event
    workflow_id = delivery.workflow_id or delivery.target
    mapped = delivery.payload is not None
    result = await launch_published_run(
        _acting(context, event),
        LaunchRequest(
            workflow_id=workflow_id,
            version=delivery.workflow_version,
            payload=delivery.payload if mapped else event.payload,
            fire_key=f"event:{event.event_id}:{workflow_id}",
            trigger_type="event",
            trigger_metadata={"eventId": event.event_id, "eventType": event.name, "triggerMappingApplied": mapped},
            event_type=event.name,
            source_payload_schema_ref=event.payload_schema_ref,
            trigger_mapping_applied=mapped,
            keep_refused=False,
            may_wait=True,
            arrival=event.arrival,
        ),
    )
    return Served(result.run_id)


_SERVE: Final[dict[str, Callable[[OperationContext, Delivery], Awaitable[Served]]]] = {
    "task": _to_task,
    "launch": _to_launch,
}
