"""Deliveries of events: each retried on its own until it is made, refused for good, or out of attempts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from engine.contract import SIGNAL_EVENT, workflow_id_for
from engine.errors import Conflict, EngineError, Invalid, NotFound, Unavailable
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.tasks.tasks import complete_task
from engine.store.database.transactions import writing
from engine.store.events.events import (
    Delivery,
    StoredEvent,
    claim_deliveries,
    close_stale_wait,
    postpone_delivery,
    settle_delivery,
)
from engine.temporal.connection import RPC_TIMEOUT, is_not_found, unavailable
from engine.temporal.data_converter import speaking_to_runs
from engine.values.timestamps import iso_milliseconds

Json = Any

MAX_ATTEMPTS: Final = 10
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 300.0
_AT_ONCE: Final = 16

_LOG: Final = structlog.get_logger("runstudio.deliveries")


@dataclass(frozen=True, slots=True)
class Served:
    """A target was served, or will never be."""

    status: str
    """``done`` or ``skipped``."""
    reason: str | None = None
    run_id: str | None = None
    wait_id: str | None = None


async def make_due_deliveries(context: OperationContext) -> int:
    """Make the deliveries that are due, of every tenant; how many were attempted. Raises ``Unavailable`` (Postgres)."""
    async with writing(context.store) as connection:
        claimed = await claim_deliveries(connection, _AT_ONCE)
    await asyncio.gather(*(_attempt(context, delivery) for delivery in claimed))
    return len(claimed)


async def _attempt(context: OperationContext, delivery: Delivery) -> None:
    own = replace(context, tenant=delivery.event.tenant)
    try:
        served = await _SERVE[delivery.kind](own, delivery)
    except (Conflict, Invalid, NotFound) as refusal:
        served = Served("skipped", f"{refusal.code}: {refusal.message}")
    except EngineError as error:
        await _failed(own, delivery, error)
        return
    except Exception as bug:  # noqa: BLE001 - a bug one target brings out must not keep the others from being served
        _LOG.exception("delivery failed", delivery_id=delivery.delivery_id, kind=delivery.kind)
        await _failed(
            own, delivery, EngineError("INTERNAL_ERROR", f"{type(bug).__name__}; the worker's log has the rest.")
        )
        return
    async with writing(own.store) as connection:
        await settle_delivery(
            connection, delivery, served.status, reason=served.reason, run_id=served.run_id, wait_id=served.wait_id
        )


async def _failed(context: OperationContext, delivery: Delivery, error: EngineError) -> None:
    said = f"{error.code}: {error.message}"
    async with writing(context.store) as connection:
        if delivery.attempts >= MAX_ATTEMPTS:
            await settle_delivery(connection, delivery, "failed", reason=said)
        else:
            pause = min(_FIRST_PAUSE_SECONDS * 2 ** (delivery.attempts - 1), _LONGEST_PAUSE_SECONDS)
            await postpone_delivery(connection, delivery, said, pause)


async def _to_wait(context: OperationContext, delivery: Delivery) -> Served:
    """Signal the run; the run itself looks at the filters, and ignores an event it has seen."""
    event = delivery.event
    if delivery.run_id is None:
        return Served("skipped", "The wait belongs to no run.")
    try:
        client: Client = await context.temporal.client()
    except Invalid as error:
        # Of the configuration, not of the delivery: it can come right.
        raise Unavailable(error.code, error.message, error.hint) from error
    signal: dict[str, Json] = {
        "eventId": event.event_id,
        "eventName": event.name,
        "correlationKey": delivery.key,
        "payload": event.payload,
        "receivedAt": _iso(event),
        "stored": True,
    }
    # The run sees the payload as it would if the event had come before its wait: as it is stored.
    handle = speaking_to_runs(client, context.store).get_workflow_handle(workflow_id_for(delivery.run_id))
    try:
        await handle.signal(SIGNAL_EVENT, signal, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if not is_not_found(error):
            raise unavailable(error, "signal the run") from error
        await context.temporal.confirm()
        # The execution is over: whoever still waits in our rows does so by mistake.
        async with writing(context.store) as connection:
            await close_stale_wait(connection, delivery.target)
        return Served("skipped", "The run has ended; its wait was closed.")
    return Served("done", run_id=delivery.run_id, wait_id=delivery.target)


async def _to_task(context: OperationContext, delivery: Delivery) -> Served:
    # Named after the event, so that a repeat by another worker is recognised as one.
    actor = Actor(f"event {delivery.event.event_id}", source=context.actor.source, known_by="service")
    closed = await complete_task(replace(context, actor=actor), delivery.target, delivery.event.payload)
    return Served("done", run_id=closed.run_id)


async def _to_launch(context: OperationContext, delivery: Delivery) -> Served:
    event = delivery.event
    if delivery.workflow_id is None:
        return Served("skipped", "No workflow is named.")
    mapped = delivery.payload is not None
    result = await launch_published_run(
        context,
        LaunchRequest(
            workflow_id=delivery.workflow_id,
            version=delivery.workflow_version,
            payload=delivery.payload if mapped else event.payload,
            fire_key=f"event:{event.event_id}:{delivery.workflow_id}",
            trigger_type="event",
            trigger_metadata={"eventId": event.event_id, "eventType": event.name, "triggerMappingApplied": mapped},
            event_type=event.name,
            source_payload_schema_ref=event.payload_schema_ref,
            trigger_mapping_applied=mapped,
            keep_refused=False,
        ),
    )
    return Served("done", run_id=result.run_id)


def _iso(event: StoredEvent) -> str:
    moment: datetime = event.created_at
    return iso_milliseconds(moment)


_SERVE: Final = {"wait": _to_wait, "task": _to_task, "launch": _to_launch}
