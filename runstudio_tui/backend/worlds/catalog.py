"""What the demo world tells of its workflows: who published and paused them, their limits, and what is started by time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from engine.records import Document, Fire, Pause, RunStatus, Schedule, ScheduleDetail, Version
from runstudio_tui.backend.fake.world import World

_EVERY: Final = timedelta(minutes=15)
_STOCK: Final = "0198c2aa-5c4e-7000-8000-000000000001"
_MONTH_END: Final = "0198c2aa-5c4e-7000-8000-000000000002"
_PUBLISHED: Final = {
    "order-fulfilment": {3: (3, "ada"), 2: (45, "grace")},
    "stock-sync": {7: (12, "ada")},
    "invoice-intake": {2: (20, "grace")},
    "reminder": {1: (90, "ada")},
    "month-end": {1: (1, "grace")},
}
"""By workflow and version: how many days ago, and by whom."""


def add_catalog(world: World) -> None:
    """Tell it of the workflows of a world that has its runs."""
    now = world.now()
    for workflow_id, versions in _PUBLISHED.items():
        workflow = world.workflows[workflow_id]
        told = {
            number: Version(number, now - timedelta(days=days, minutes=17 * number), f"{number:064x}", by)
            for number, (days, by) in versions.items()
        }
        world.workflows[workflow_id] = replace(workflow, published=told)
    _tell(world, "order-fulfilment", limit=20)
    pause = Pause(now - timedelta(hours=26), "grace", "the mail provider moves to another address")
    _tell(world, "reminder", pause=pause)
    _add_stock(world, now)
    _add_month_end(world, now)


def _tell(world: World, workflow_id: str, **changes: object) -> None:
    workflow = world.workflows[workflow_id]
    info = replace(workflow.info, **changes)  # type: ignore[arg-type]  # fields of Workflow
    world.workflows[workflow_id] = replace(workflow, info=info)


def _add(world: World, schedule_id: str, workflow_id: str, version: int, **how: object) -> None:
    row = Schedule(
        schedule_id=schedule_id,
        workflow_id=workflow_id,
        workflow_version=version,
        timezone="UTC",
        status="scheduled",
        pending=False,
        overdue=False,
        last_fire_at=None,
        last_outcome=None,
        last_error=None,
        **how,  # type: ignore[arg-type]  # fields of Schedule
    )
    world.schedules[schedule_id] = ScheduleDetail(row, Document({}))


def _add_stock(world: World, now: datetime) -> None:
    """A recurring schedule that goes on as the world's clock does, with the runs it started, and one it did not."""
    begun = [run for run in world.runs.values() if run.row.workflow_id == "stock-sync" and run.row.status.ended]
    fires = []
    for run in sorted(begun, key=lambda run: run.row.started_at, reverse=True)[:12]:
        at = run.row.started_at
        fires.append(Fire(at, at, "started", None, run.row.run_id, RunStatus.SUCCEEDED.value))
    full = "CONCURRENCY_LIMIT: The workflow stock-sync has 2 active runs; its limit is 2."
    skipped = fires[0].fired_at - timedelta(minutes=9)
    fires.append(Fire(skipped, skipped, "skipped", full, None, None))
    world.fires[_STOCK] = sorted(fires, key=lambda fire: fire.fired_at, reverse=True)
    world.every[_STOCK] = _EVERY
    following = now - timedelta(minutes=now.minute % 15, seconds=now.second, microseconds=now.microsecond) + _EVERY
    how = {"trigger_type": "recurring", "run_at": None, "cron": "*/15 * * * *", "next_fire_at": following}
    _add(world, _STOCK, "stock-sync", 7, **how)
    world.change_schedule("stock-sync", last_fire_at=fires[0].fired_at, last_outcome="started")

    def fire() -> None:
        schedule = world.schedule_of("stock-sync")
        due = world.now() if schedule is None or schedule.next_fire_at is None else schedule.next_fire_at
        if schedule is not None and schedule.status == "scheduled":
            world.fires[_STOCK].insert(0, Fire(due, due, "started", None, None, None))
            world.change_schedule("stock-sync", next_fire_at=due + _EVERY, last_fire_at=due, last_outcome="started")
        world.at(due + _EVERY, fire)

    world.at(following, fire)


def _add_month_end(world: World, now: datetime) -> None:
    """A schedule that comes once, on the first of the next month."""
    first = (now.replace(day=1) + timedelta(days=31)).replace(day=1, hour=6, minute=0, second=0, microsecond=0)
    trigger = {"type": "schedule", "runAt": first.isoformat()}
    workflow = world.workflows["month-end"]
    workflow.definitions[1] = {**workflow.definitions[1], "trigger": trigger}
    _tell(world, "month-end", trigger=trigger)
    how = {"trigger_type": "schedule", "run_at": first, "cron": None, "next_fire_at": first}
    _add(world, _MONTH_END, "month-end", 1, **how)
