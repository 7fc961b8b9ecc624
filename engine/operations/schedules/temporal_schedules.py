"""Temporal Schedules: how one is made of a row, and what Temporal is asked about it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleHandle,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from engine.contract import (
    SCHEDULE_WORKFLOW_TYPE,
    TASK_QUEUE,
    TASK_TIMEOUT,
    ScheduleInput,
    temporal_schedule_id_for,
)
from engine.definition.cron import cron_values, longest_gap
from engine.store.schedules.schedules import Schedule as Row
from engine.temporal.connection import is_not_found

RPC_TIMEOUT: Final = timedelta(seconds=10)
"""Longest one try of a call may take; a schedule is a workflow of Temporal's own, which answers more slowly than a start."""
BEYOND_THE_LAST: Final = timedelta(days=1)
"""How far back Temporal makes up for what it missed, beyond the time that the last missed one can be ago, however long Temporal
was away. Only that one starts a run; see ``schedule_fires``."""
ONE_TIME_CATCH_UP: Final = timedelta(days=365)


async def put_schedule(client: Client, row: Row, *, overdue: bool) -> datetime | None:
    """Make Temporal's schedule what the row says; when its next occurrence is. ``overdue``: fire it once at once.

    Raises ``RPCError``.
    """
    wanted = _schedule_of(row)
    handle = _handle(client, row.schedule_id)

    def replace(_: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(wanted)

    try:
        await handle.update(replace, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if not is_not_found(error):
            raise
        try:
            await client.create_schedule(handle.id, wanted, rpc_timeout=RPC_TIMEOUT)
        except ScheduleAlreadyRunningError:
            # Another process was faster; what it made of the same row may be older.
            await handle.update(replace, rpc_timeout=RPC_TIMEOUT)
    following = await next_time(client, row.schedule_id)
    # Its one time may also pass while Temporal is being told, and is then none of Temporal's. An occurrence that comes twice
    # starts one run.
    passed_meanwhile = row.status == "scheduled" and row.run_at is not None and following is None
    if overdue or passed_meanwhile:
        await handle.trigger(rpc_timeout=RPC_TIMEOUT)
    return following


async def is_as_told(client: Client, row: Row) -> bool:
    """Whether Temporal still has what it was told of a schedule. Raises ``RPCError``."""
    try:
        found = (await _handle(client, row.schedule_id).describe(rpc_timeout=RPC_TIMEOUT)).schedule
    except RPCError as error:
        if is_not_found(error):
            return False
        raise
    wanted = _schedule_of(row)
    return _standing(found) == _standing(wanted) and _has_the_times(found.spec, row)


def _standing(schedule: Schedule) -> tuple[Any, ...]:
    """What it starts, and whether it does."""
    action, state = schedule.action, schedule.state
    started = (
        (action.workflow, action.id, action.task_queue) if isinstance(action, ScheduleActionStartWorkflow) else None
    )
    return started, state.paused, state.limited_actions


def _has_the_times(found: ScheduleSpec, row: Row) -> bool:
    wanted = _spec_of(row)
    if wanted.cron_expressions:
        # Only Temporal knows how it reads them.
        return True
    if found.intervals or found.skip or found.start_at or found.end_at or found.jitter:
        return False
    return found.time_zone_name == wanted.time_zone_name and [*map(_times_of, found.calendars)] == [
        *map(_times_of, wanted.calendars)
    ]


def _times_of(calendar: ScheduleCalendarSpec) -> tuple[frozenset[int], ...]:
    """Seconds, minutes, hours, days, months, years (none: all) and weekdays."""
    fields = (calendar.second, calendar.minute, calendar.hour, calendar.day_of_month, calendar.month)
    return tuple(
        frozenset(
            value for part in ranges for value in range(part.start, max(part.start, part.end) + 1, max(part.step, 1))
        )
        for ranges in (*fields, calendar.year, calendar.day_of_week)
    )


async def drop_schedule(client: Client, schedule_id: str) -> None:
    """Delete Temporal's schedule, if there is one. Raises ``RPCError``."""
    try:
        await _handle(client, schedule_id).delete(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if not is_not_found(error):
            raise


async def next_time(client: Client, schedule_id: str) -> datetime | None:
    """When the next occurrence is due; None when there is none, or it is paused. Raises ``RPCError``."""
    following = await next_times(client, schedule_id)
    return following[0] if following else None


async def next_times(client: Client, schedule_id: str) -> tuple[datetime, ...]:
    """The next occurrences, at most ten; none when it is paused. Raises ``RPCError``."""
    described = await _handle(client, schedule_id).describe(rpc_timeout=RPC_TIMEOUT)
    if described.schedule.state.paused:
        return ()
    return tuple(moment.astimezone(UTC) for moment in described.info.next_action_times)


async def is_due_within(client: Client, schedule_id: str, first: datetime, last: datetime) -> bool:
    """Whether the schedule has an occurrence from ``first`` to ``last``; False also when there is no schedule.

    Raises ``RPCError``.
    """
    request = ListScheduleMatchingTimesRequest(
        namespace=client.namespace,
        schedule_id=temporal_schedule_id_for(schedule_id),
        start_time=_stamp(first),
        end_time=_stamp(last),
    )
    try:
        found = await client.workflow_service.list_schedule_matching_times(request, timeout=RPC_TIMEOUT)
    except RPCError as error:
        if is_not_found(error):
            return False
        raise
    return len(found.start_time) > 0


def _schedule_of(row: Row) -> Schedule:
    once = row.run_at is not None
    return Schedule(
        action=ScheduleActionStartWorkflow(
            SCHEDULE_WORKFLOW_TYPE,
            ScheduleInput(schedule_id=row.schedule_id),
            id=temporal_schedule_id_for(row.schedule_id),
            task_queue=TASK_QUEUE,
            task_timeout=TASK_TIMEOUT,
        ),
        spec=_spec_of(row),
        policy=SchedulePolicy(
            # An occurrence that is still deciding must not swallow the next one: each is recorded.
            overlap=ScheduleOverlapPolicy.ALLOW_ALL,
            catchup_window=ONE_TIME_CATCH_UP if once else longest_gap(row.cron or "") + BEYOND_THE_LAST,
        ),
        state=ScheduleState(note=f"{row.workflow_id} version {row.workflow_version}", paused=row.status == "paused"),
    )


def _spec_of(row: Row) -> ScheduleSpec:
    if row.run_at is not None:
        return _once(row.run_at)
    cron = row.cron or ""
    values = cron_values(cron)
    if values is None:
        # Of a version from before such schedules were refused.
        return ScheduleSpec(cron_expressions=[cron], time_zone_name=row.timezone)
    minutes, hours, days, months, weekdays = ([ScheduleRange(value) for value in sorted(field)] for field in values)
    # Not as it is written: Temporal reads 1-7 as a week without a Sunday.
    calendar = ScheduleCalendarSpec(minute=minutes, hour=hours, day_of_month=days, month=months, day_of_week=weekdays)
    return ScheduleSpec(calendars=[calendar], time_zone_name=row.timezone)


def _once(run_at: datetime) -> ScheduleSpec:
    # Temporal's calendars know whole seconds; a run must not come before its time.
    moment = datetime.fromtimestamp(math.ceil(run_at.timestamp()), UTC)
    calendar = ScheduleCalendarSpec(
        second=[ScheduleRange(moment.second)],
        minute=[ScheduleRange(moment.minute)],
        hour=[ScheduleRange(moment.hour)],
        day_of_month=[ScheduleRange(moment.day)],
        month=[ScheduleRange(moment.month)],
        year=[ScheduleRange(moment.year)],
    )
    return ScheduleSpec(calendars=[calendar], time_zone_name="UTC")


def _handle(client: Client, schedule_id: str) -> ScheduleHandle:
    return client.get_schedule_handle(temporal_schedule_id_for(schedule_id))


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC).replace(tzinfo=None))
    return stamp
