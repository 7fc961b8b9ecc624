"""What a Temporal Schedule starts for each occurrence: one activity, repeated until it has decided about a run."""

from __future__ import annotations

from typing import Final, TypedDict

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from engine.contract import SCHEDULE_WORKFLOW_TYPE, ScheduleInput
    from engine.interpreter.times import iso_of, milliseconds_of
    from engine.workflow.calls import project_patiently

FIRE_SCHEDULE: Final = "fire_schedule"

_SCHEDULED_FOR: Final = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
"""Temporal puts it on every execution that a schedule starts; it is later than that when servers or workers were away."""


class FireScheduleInput(TypedDict):
    """One occurrence of a schedule."""

    schedule_id: str
    scheduled_for: str
    """ISO-8601: when it was due."""


@workflow.defn(name=SCHEDULE_WORKFLOW_TYPE)
class ScheduleLauncher:
    """One occurrence. It ends when the run is accepted or the occurrence is recorded as skipped or failed."""

    @workflow.run
    async def run(self, start: ScheduleInput) -> str:
        """What became of the occurrence: started, skipped, failed, or gone when the schedule does not exist any more."""
        info = workflow.info()
        due = info.typed_search_attributes.get(_SCHEDULED_FOR) or info.start_time
        request: FireScheduleInput = {
            "schedule_id": start["schedule_id"],
            "scheduled_for": iso_of(milliseconds_of(due)),
        }
        outcome: str = await project_patiently(FIRE_SCHEDULE, request)
        return outcome
