"""What there is to know of one workflow. Postgres's part is read at every poll; Temporal's, and what costs more, seldom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from engine.records import Caller, Example, Fire, Json, Schedule, Version, Workflow
from runstudio_tui.store.run import Body, OnDemand
from runstudio_tui.store.session import Studio

TIMES: Final = 5
"""Occurrences to come that are asked for."""
FIRES: Final = 5
"""Occurrences of the past that are read."""
_KEEP: Final = 15.0
"""Seconds for which the next times and the callers are good enough."""
_KEPT_VERSIONS: Final = 32


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """What never changes of a version."""

    version: int
    definition: Json
    schema: Json
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class WorkflowDetail:
    """One workflow, as Postgres tells it."""

    row: Workflow
    versions: tuple[Version, ...]
    fires: tuple[Fire, ...]
    """What came of the last occurrences of its schedule, the latest first."""
    published: PublishedVersion | None


_Times = tuple[datetime, ...]
_Callers = tuple[Caller, ...]


class WorkflowDetails:
    """Reads the detail of the workflow that is looked at, and beside it its next times and its callers."""

    def __init__(self, studio: Studio, changed: Callable[[], None]) -> None:
        """``changed``: the next times or the callers came."""
        self._studio = studio
        self._published: dict[tuple[str, int], PublishedVersion] = {}
        self._times: OnDemand[_Times] = OnDemand(self._fetch_times, changed, clock=studio.clock, keep=_KEEP)
        self._callers: OnDemand[_Callers] = OnDemand(self._fetch_callers, changed, clock=studio.clock, keep=_KEEP)

    def stop(self) -> None:
        """Stop asking."""
        self._times.stop()
        self._callers.stop()

    def times_of(self, row: Workflow) -> Body[_Times] | None:
        """The next times of a workflow's schedule as far as they were asked for; None for one without a schedule."""
        body = self._times.body
        return body if row.schedule is not None and body is not None and body.key == _moment(row.schedule) else None

    def callers_of(self, workflow_id: str) -> Body[_Callers] | None:
        """The callers of a workflow, as far as they were asked for."""
        body = self._callers.body
        return body if body is not None and body.key == workflow_id else None

    async def fetch(self, row: Workflow) -> WorkflowDetail:
        """The detail; next times and callers come when they come. Raises EngineError."""
        backend = self._studio.backend
        if row.schedule is not None:
            self._times.look_at(_moment(row.schedule), again=True)
        self._callers.look_at(row.workflow_id, again=True)
        versions, fires, published = await asyncio.gather(
            backend.workflows.versions(row.workflow_id), self._fires(row.schedule), self._published_version(row)
        )
        return WorkflowDetail(row, versions, fires, published)

    async def _fires(self, schedule: Schedule | None) -> tuple[Fire, ...]:
        if schedule is None:
            return ()
        return (await self._studio.backend.schedules.fires(schedule.schedule_id, limit=FIRES)).rows

    async def _published_version(self, row: Workflow) -> PublishedVersion | None:
        if row.published_version is None:
            return None
        key = (row.workflow_id, row.published_version)
        if key not in self._published:
            workflows = self._studio.backend.workflows
            definition, schema, examples = await asyncio.gather(
                workflows.definition(*key), workflows.payload_schema(*key), workflows.examples(*key)
            )
            while len(self._published) >= _KEPT_VERSIONS:
                self._published.pop(next(iter(self._published)))
            self._published[key] = PublishedVersion(row.published_version, definition, schema, examples)
        return self._published[key]

    async def _fetch_times(self, key: object) -> _Times:
        schedule_id = key[0] if isinstance(key, tuple) else ""
        return await self._studio.backend.schedules.next_times(str(schedule_id), TIMES)

    async def _fetch_callers(self, key: object) -> _Callers:
        return await self._studio.backend.workflows.callers(str(key))


def _moment(schedule: Schedule) -> tuple[object, ...]:
    """Equal as long as the next times are."""
    return (schedule.schedule_id, schedule.workflow_version, schedule.status, schedule.pending, schedule.next_fire_at)
