"""Routing of events to targets: open waits, human tasks, triggered workflows. Writes deliveries, sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import structlog

from engine.definition.models import EventTrigger
from engine.definition.parse import parse_definition
from engine.definition.triggers import MAX_STEPS, apply_trigger_mapping
from engine.errors import Invalid, StepFailure, Unavailable
from engine.operations.context import OperationContext
from engine.operations.duties import require_done
from engine.store.database.leases import keep_turn, take_turn
from engine.store.database.transactions import Connection, writing
from engine.store.events.events import StoredEvent
from engine.store.events.routing import (
    EventKey,
    Target,
    Triggered,
    note_error,
    number_received,
    oldest_received,
    set_aside,
    triggered_workflows,
    waiting_targets,
    write_deliveries,
)
from engine.store.tenant.duties import ROUTING
from engine.values.timestamps import iso_milliseconds

Json = Any

TASK_EVENT: Final = "HUMAN_TASK_COMPLETED"
"""An event of this name completes the human task its correlation key names."""
BATCH: Final = 50
MOST_STEPS: Final = MAX_STEPS
"""After so many evaluation steps Postgres is shown that this process does not stand still."""
_HEAD: Final = ("id", "version", "name", "payloadSchemaRef", "trigger")
"""What routing reads of a definition."""

_LOG: Final = structlog.get_logger("runstudio.routing")


async def route_received(context: OperationContext) -> int:
    """Route the oldest events of every tenant that are not routed yet; how many. 0 also while another worker routes.

    One transaction for a batch: an event is routed once, with all its targets, or not at all. When a batch cannot be
    written, each of its events is routed on its own, and the one that cannot be is set aside: it is listed with the deliveries
    that failed. Raises ``Unavailable``, ``EngineError`` (DUTY_OVERDUE) when the other worker does not get it done.
    """
    try:
        routed = await _route(context, BATCH)
    except Unavailable:
        raise
    except Exception as refused:  # noqa: BLE001 - whatever one event brings out must not stop the others
        _LOG.warning("a batch of events is routed one by one", error=type(refused).__name__)
        return await _route_each(context)
    if routed is None:
        await require_done(context.store, ROUTING)
    return routed or 0


async def _route_each(context: OperationContext) -> int:
    routed = 0
    while routed < BATCH and await _route_one(context):
        routed += 1
    return routed


async def _route_one(context: OperationContext) -> int:
    """Route the oldest event, or set it aside; 0 when there is none, or another worker routes."""
    async with writing(context.store) as connection:
        event = await oldest_received(connection)
    if event is None:
        return 0
    try:
        return await _route(context, 1, event) or 0
    except Unavailable:
        raise
    except Exception as refused:  # noqa: BLE001 - as above
        said = f"ROUTING_FAILED: The event cannot be routed ({type(refused).__name__}); the worker's log has the rest."
        async with writing(context.store) as connection:
            aside = await _take_turn(context, connection) and await set_aside(connection, event, said)
        if not aside:
            return 0
        _LOG.error("event set aside", tenant=event.tenant, event_id=event.event_id[:200], exc_info=refused)
        return 1


async def _take_turn(context: OperationContext, connection: Connection) -> bool:
    """Whether this transaction routes, alone until it ends: numbers are given and become visible in one order."""
    return await take_turn(connection, ROUTING.name, context.actor.name)


async def _route(context: OperationContext, most: int, only: EventKey | None = None) -> int | None:
    """Route the oldest events, or only one; how many, or None when another worker routes."""
    async with writing(context.store) as connection:
        if not await _take_turn(context, connection):
            return None
        events = await number_received(connection, most, only)
        if events:
            await _deliver(connection, events)
        return len(events)


async def _deliver(connection: Connection, events: Sequence[StoredEvent]) -> None:
    ordinary = [event for event in events if event.name != TASK_EVENT]
    waiting = await waiting_targets(connection, ordinary) if ordinary else {}
    triggered = await triggered_workflows(connection, ordinary) if ordinary else {}
    launching = _Launching(connection)
    routed: list[tuple[StoredEvent, list[Target]]] = []
    for event in events:
        if event.name == TASK_EVENT:
            targets = [Target("task", key, key) for key in event.keys]
        else:
            targets = [*waiting.get((event.tenant, event.event_id), ())]
            for workflow in triggered.get((event.tenant, event.name), ()):
                targets.append(await launching.target(event, workflow))
        routed.append((event, targets))
    await write_deliveries(connection, routed)
    for event, targets in routed:
        if any(target.refused is None for target in targets):
            continue
        refusals = "; ".join(target.refused for target in targets if target.refused is not None)
        note = refusals or (None if event.keys else "The event has no correlation key.")
        if note is not None:
            await note_error(connection, event, note)


class _Launching:
    """Makes the launches of a turn of routing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._steps = 0

    async def target(self, event: StoredEvent, workflow: Triggered) -> Target:
        """The launch of one workflow. One that cannot be made is refused, and keeps no other target from the event."""
        if self._steps >= MOST_STEPS:
            self._steps = 0
            await keep_turn(self._connection)
        try:
            return self._launch(event, workflow)
        except Exception as unforeseen:  # noqa: BLE001 - whatever one workflow brings out must not stop the others
            _LOG.exception("trigger cannot be served", workflow_id=workflow.workflow_id, event_id=event.event_id[:200])
            said = f"{workflow.workflow_id}: {type(unforeseen).__name__}; the worker's log has the rest."
            return _launch_target(event, workflow, refused=said)

    def _launch(self, event: StoredEvent, workflow: Triggered) -> Target:
        try:
            trigger = _trigger(event, workflow)
            seen = {
                "name": event.name,
                "correlationKey": event.keys[0] if event.keys else None,
                "payload": event.payload,
                "payloadSchemaRef": event.payload_schema_ref,
            }
            payload, mapped = apply_trigger_mapping(
                trigger, seen, lambda: iso_milliseconds(event.created_at), self._count
            )
        except (Invalid, StepFailure) as error:
            return _launch_target(event, workflow, refused=f"{workflow.workflow_id}: {error.message}")
        return _launch_target(event, workflow, payload=payload if mapped else None)

    def _count(self, steps: int) -> None:
        self._steps += steps


def _launch_target(
    event: StoredEvent, workflow: Triggered, *, payload: Json = None, refused: str | None = None
) -> Target:
    return Target(
        "launch",
        workflow.workflow_id,
        event.keys[0] if event.keys else None,
        workflow_id=workflow.workflow_id,
        workflow_version=workflow.version,
        payload=payload,
        refused=refused,
    )


def _trigger(event: StoredEvent, workflow: Triggered) -> EventTrigger:
    """The trigger, which takes the event. Raises ``Invalid`` when it cannot be read, or does not take it.

    The steps are not read: a later release may have published some that only its own workers can do.
    """
    source = workflow.definition
    if isinstance(source, dict):
        source = {**{name: source[name] for name in _HEAD if name in source}, "steps": []}
    definition = parse_definition(source)
    trigger = definition.trigger
    if not isinstance(trigger, EventTrigger):
        raise Invalid("TRIGGER_INVALID", "It is not triggered by events.")
    ref = trigger.source_payload_schema_ref or event.payload_schema_ref
    if not trigger.payload_mapping and ref is not None and ref != definition.payload_schema_ref:
        raise Invalid(
            "TRIGGER_INVALID",
            f"It takes {definition.payload_schema_ref}, the event is {ref}, and the trigger maps nothing.",
        )
    return trigger
