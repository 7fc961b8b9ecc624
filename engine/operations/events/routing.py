"""Routing of events to targets: open waits, human tasks, triggered workflows. Writes deliveries, sends nothing."""

from __future__ import annotations

from typing import Any, Final

from engine.definition.parse import parse_definition
from engine.definition.triggers import apply_trigger_mapping
from engine.errors import Invalid, StepFailure
from engine.operations.context import OperationContext
from engine.operations.duties import refuse_if_overdue
from engine.store.database.transactions import Connection, writing
from engine.store.events.events import (
    StoredEvent,
    Target,
    Triggered,
    received_events,
    route_event,
    triggered_workflows,
    waiting_targets,
)
from engine.store.tenant.duties import ROUTING

Json = Any

TASK_EVENT: Final = "HUMAN_TASK_COMPLETED"
"""An event of this name completes the human task its correlation key names."""
_BATCH: Final = 50


async def route_received(context: OperationContext) -> int:
    """Route the oldest events of every tenant that are not routed yet; how many. 0 also while another worker routes.

    One transaction: an event is routed once, with all its targets, or not at all. Raises ``Unavailable``, ``EngineError``
    (DUTY_OVERDUE) when the other worker does not get it done.
    """
    async with writing(context.store) as connection:
        events = await received_events(connection, _BATCH, context.actor.name)
        if events is None:
            await refuse_if_overdue(connection, ROUTING)
            return 0
        for event in events:
            targets = await _targets(connection, event)
            await route_event(
                connection, event, targets, note=None if event.keys else "The event has no correlation key."
            )
        return len(events)


async def _targets(connection: Connection, event: StoredEvent) -> list[Target]:
    if event.name == TASK_EVENT:
        return [Target("task", key, key) for key in event.keys]
    targets = await waiting_targets(connection, event)
    for workflow in await triggered_workflows(connection, event):
        targets.append(_launch(event, workflow))
    return targets


def _launch(event: StoredEvent, workflow: Triggered) -> Target:
    key = event.keys[0] if event.keys else None

    def target(payload: Json = None, refused: str | None = None) -> Target:
        return Target(
            "launch",
            workflow.workflow_id,
            key,
            workflow_id=workflow.workflow_id,
            workflow_version=workflow.version,
            payload=payload,
            refused=refused,
        )

    try:
        definition = parse_definition(workflow.definition)
        trigger = definition.trigger
        if trigger is None or trigger.type != "event":
            return target(refused=f"{workflow.workflow_id} is not triggered by events.")
        source = trigger.source_payload_schema_ref or event.payload_schema_ref
        if not trigger.payload_mapping and source is not None and source != definition.payload_schema_ref:
            return target(
                refused=f"{workflow.workflow_id} takes {definition.payload_schema_ref}, the event is {source},"
                " and the trigger maps nothing."
            )
        seen = {
            "name": event.name,
            "correlationKey": key,
            "payload": event.payload,
            "payloadSchemaRef": event.payload_schema_ref,
        }
        payload, mapped = apply_trigger_mapping(trigger, seen)
    except (Invalid, StepFailure) as error:
        return target(refused=f"{workflow.workflow_id}: {error.message}")
    return target(payload=payload if mapped else None)
