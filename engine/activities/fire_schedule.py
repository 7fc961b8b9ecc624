"""The one activity of the workflow that a schedule starts."""

from __future__ import annotations

from datetime import UTC, datetime

from temporalio import activity

from engine.activities.dependencies import ActivityDependencies
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.schedules.schedule_fires import fire_schedule
from engine.temporal.connection import TemporalConnection
from engine.workflow.launcher import FIRE_SCHEDULE, FireScheduleInput


class FireSchedule:
    """See the module."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._store = dependencies.store
        self._actor = Actor(dependencies.identity, source="worker", known_by="service")

    @activity.defn(name=FIRE_SCHEDULE)
    async def fire_schedule(self, request: FireScheduleInput) -> str:
        """What became of the occurrence; see ``fire_schedule``."""
        context = OperationContext(self._store, TemporalConnection.from_client(activity.client()), self._actor)
        due = datetime.fromisoformat(request["scheduled_for"])
        return await fire_schedule(context, request["schedule_id"], due, datetime.now(UTC))
