"""A world in which every list has rows of every kind next to each other, and nothing happens by itself."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta

from engine.records import Delivery, EventDetail, Level, RunRow
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake.world import World
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import Clock

ROWS = 60
"""More than any screen of the tests has lines."""


def mixed_backend(clock: Clock, level: Level) -> FakeBackend:
    """The demo world, its rows repeated by turns, seen by somebody of a level."""
    backend = demo_backend(clock, past=150)
    world = backend.world
    world._due.clear()
    _mix_runs(world)
    _mix_tasks(world)
    _mix_events(world)
    _mix_workflows(world)
    world.session = replace(world.session, level=level)
    return backend


def kind_of(row: RunRow) -> tuple[object, ...]:
    """What of a run decides how it looks and what can be done to it."""
    return row.status, row.wait and row.wait.kind, row.read_only, row.launch_state, bool(row.replay_of)


def _mix_runs(world: World) -> None:
    kinds = {kind_of(run.row): run for run in world.runs.values()}
    world.runs = {}
    for number in range(ROWS):
        run = copy.copy(list(kinds.values())[number % len(kinds)])
        # Hours ago and hours ahead, so that nothing counts seconds.
        at = world.now() - timedelta(hours=3 + number, minutes=20)
        run.row = replace(run.row, run_id=world.fresh_id(at), started_at=at)
        if run.row.wait is not None and run.row.wait.until is not None:
            run.row = replace(run.row, wait=replace(run.row.wait, until=world.now() + timedelta(hours=30, minutes=20)))
        world.runs[run.row.run_id] = run


def _mix_tasks(world: World) -> None:
    known = [task for task in world.tasks.values() if task.row.status in ("pending", "claimed")]
    world.tasks = {}
    for number in range(ROWS):
        task = known[number % len(known)]
        holder = (None, "ada", world.session.actor, None, None)[number % 5]
        name = f"0198c2aa-7a5c-7000-8000-{number:012d}"
        at = world.now() - timedelta(hours=3 + number, minutes=20)
        row = replace(
            task.row, task_id=name, claimed_by=holder, status="claimed" if holder else "pending", created_at=at,
            claimed_at=at if holder else None,
        )  # fmt: skip
        world.tasks[name] = replace(task, row=row)


def _mix_events(world: World) -> None:
    kinds: dict[tuple[str, ...], EventDetail] = {}
    for event in world.events.values():
        kinds[event.row.status, *(sent.status for sent in event.deliveries)] = event
    world.events = {}
    for number in range(ROWS):
        event = list(kinds.values())[number % len(kinds)]
        name = f"event-{number}"
        at = world.now() - timedelta(hours=3 + number, minutes=20)
        row = replace(event.row, event_id=name, created_at=at)
        sent = tuple(_sent_again(one, name, number * 10 + place) for place, one in enumerate(event.deliveries))
        world.events[name] = replace(event, row=row, deliveries=sent)


def _sent_again(sent: Delivery, event: str, number: int) -> Delivery:
    return replace(sent, delivery_id=f"0198c2aa-de11-7000-8000-{number:012d}", event_id=event)


def _mix_workflows(world: World) -> None:
    known = list(world.workflows.values())
    for number in range(ROWS):
        workflow = known[number % len(known)]
        name = f"{number:02d}-{workflow.info.workflow_id}"
        info = replace(workflow.info, workflow_id=name, name=name, paused=number % 3 == 0)
        world.workflows[name] = replace(workflow, info=info)
