"""The demo world: a shop's workflows on an ordinary morning. Every run in it is there to show one thing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from engine.records import ErrorInfo, HealthPart, LogLevel, PartState, RunStatus
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake.run import FakeRun, new_run, seconds
from runstudio_tui.backend.fake.script import Script
from runstudio_tui.backend.fake.world import World
from runstudio_tui.backend.worlds.before_cutover import keep_snapshots
from runstudio_tui.backend.worlds.catalog import add_catalog
from runstudio_tui.backend.worlds.events_and_tasks import add_events_and_tasks
from runstudio_tui.backend.worlds.workflows import GIVES, ORDER_PAYLOAD, demo_workflows
from runstudio_tui.clock import Clock, ManualClock

_NEW_EVERY: Final = 20.0
_NEW_RUNS: Final = 400
_OLD_RUNS: Final = 6

_PO_MISSING: Final = ErrorInfo(
    "ActionError",
    "No purchase order 4500012 for supplier Nordwind.",
    "PO_NOT_FOUND",
    "root.steps[2]",
    details={"supplier": "Nordwind", "searched": ["4500012", "450001-2"]},
)
_RESTORED: Final = (
    "Postgres and Temporal disagree about this run, as after a restore of one of them: its rows are at record 2 at root.steps[1],"
    " its execution at record 1 at root.steps[0]. The execution is told again what has ended its wait, and comes to its rows."
)
_TIMED_OUT: Final = ErrorInfo(
    "TimeoutError", "The payment provider did not answer within 10 s.", "TIMEOUT", "root.steps[2]"
)


def demo_backend(clock: Clock, skew: timedelta = timedelta(0), past: int = 320) -> FakeBackend:
    """The world of ``runstudio --demo``, beginning now; its server's clock is ``skew`` ahead of ``clock``. ``past``: how many
    runs ended before."""
    world = _world(clock, skew)
    world.health = (
        HealthPart("postgres", PartState.OK),
        HealthPart("temporal", PartState.OK),
        HealthPart("workers", PartState.DOWN, "none polling; last seen build-7 on app-2, 3m 40s ago"),
    )
    now = world.now()
    for run in _past(now, past):
        world.take(run.copy())
    _before_the_cutover(world, now)
    _going_on(world, now)
    add_events_and_tasks(world)
    add_catalog(world)
    _to_come(world, now)
    return FakeBackend(world, clock)


def _world(clock: Clock, skew: timedelta = timedelta(0)) -> World:
    world = World(clock, skew)
    world.workflows = demo_workflows()
    return world


def _run(world: World, workflow: str, at: datetime, script: Script, **how: str) -> FakeRun:
    number = 1042 - len(world.runs) % 900
    payload = (
        {**ORDER_PAYLOAD, "order_id": f"ORD-{number}"}
        if workflow == "order-fulfilment"
        else {"number": f"INV-{number}"}
    )
    masked = frozenset({"/card_token"}) if workflow == "order-fulfilment" else frozenset[str]()
    version = max(world.workflows[workflow].definitions)
    run = new_run(world.fresh_id(at), workflow, version, at, payload, masked=masked, **how)
    if run.row.trigger is None:
        details = {"workflowVersion": version, "newRunId": run.row.run_id}
        run.note(at, world.session, "workflow_run_start", details=details)
    world.add(run, replace(script, gives=GIVES.get(workflow, {})))
    return run


def _order(world: World, at: datetime, script: Script) -> FakeRun:
    return _run(world, "order-fulfilment", at, script, trigger="event", trigger_event="order.placed")


@lru_cache(maxsize=1)
def _past(now: datetime, runs: int) -> tuple[FakeRun, ...]:
    """Runs that ended, one every six minutes until two hours ago. Made once for all worlds that begin at the same moment."""
    world = _world(ManualClock(now))
    for number in range(runs):
        at = now - timedelta(hours=2, minutes=6 * (runs - number), seconds=number * 7 % 60)
        mixed = number * 2_654_435_761 >> 7
        if number % 3 == 0:
            script = Script(took={"push-line": 0.2 + mixed % 9 / 10}, items={"push": 3 + mixed % 5})
            _run(world, "stock-sync", at, script, trigger="recurring")
        elif number % 17 == 5:
            _run(world, "invoice-intake", at, Script(fails={"match-po": _PO_MISSING}, took={"read-document": 0.9}))
        elif number % 50 == 20:
            _order(
                world,
                at,
                Script(fails={"charge-card": _TIMED_OUT}, flaky={"charge-card": (2, 20.0)}, took={"charge-card": 10}),
            )
        else:
            comes = 600.0 + mixed % 4000
            run = _order(world, at, Script(resolves={"await-carrier": comes}, took={"charge-card": 0.38}))
            if number % 120 == 7:
                run.finish(at + seconds(900), RunStatus.CANCELED)
    return tuple(world.runs.values())


def _before_the_cutover(world: World, now: datetime) -> None:
    """History of the old executor: read-only, one of them stranded and closed by the migration."""
    for number in range(_OLD_RUNS):
        at = now - timedelta(days=40 + number, minutes=13 * number)
        run = _run(world, "reminder", at, Script(resolves={"sleep": 3600.0}))
        run.change(run.row.updated_at or at, engine="db")
        run.audit.clear()
        keep_snapshots(run, rounds=(12, 3, 0)[number % 3])
        if number == 0:
            stranded = ErrorInfo(
                "Cutover", "Closed by the cutover: the old executor no longer runs.", stage="migration"
            )
            run.finish(now - timedelta(days=30), RunStatus.CANCELED, stranded)


def _going_on(world: World, now: datetime) -> None:
    """What an operator finds when the studio opens."""
    tomorrow = (now + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    reminder = _run(
        world,
        "reminder",
        now - timedelta(hours=16, minutes=41),
        Script(until={"sleep": tomorrow}, resolves={"sleep": None}),
    )
    reminder.disagree(now - timedelta(hours=6, minutes=12), _RESTORED)
    _run(
        world,
        "invoice-intake",
        now - timedelta(hours=1, minutes=48),
        Script(fails={"match-po": _PO_MISSING}, flaky={"match-po": (1, 0.2)}, took={"read-document": 0.9}),
    )
    _run(
        world,
        "invoice-intake",
        now - timedelta(hours=1, minutes=30),
        Script(
            resolves={"approval": None},
            who="approval by finance",
            fails={"parse": ErrorInfo("ActionError", "no table found")},
        ),
    )
    _run(
        world,
        "stock-sync",
        now - seconds(271),
        Script(took={"push-line": 1.9}, items={"push": 400}),
        trigger="recurring",
    )
    _run(
        world,
        "stock-sync",
        now - seconds(266),
        Script(took={"push-line": 5.0}, items={"push": 40}, flaky={"push-line@17": (4, 60.0)}),
        trigger="recurring",
    )
    carrier = Script(
        key="ORD-1042",
        took={"charge-card": 0.38, "price": 0.118},
        flaky={"charge-card": (1, 5.9)},
        resolves={"await-carrier": 420.0},
    )
    source = next(row for row in reversed(list(world.runs.values())) if row.row.status is RunStatus.FAILED)
    waiting = _order(world, now - seconds(189), carrier)
    waiting.row = replace(waiting.row, replay_of=source.row.run_id)
    stuck = _order(world, now - seconds(134), Script(pickup=None))

    comes = now + seconds(75)

    def worker_comes() -> None:
        world.health = (*world.health[:2], HealthPart("workers", PartState.OK, "1 polling: build-8 on app-2"))
        stuck.log(comes, LogLevel.INFO, "picked up by build-8 on app-2")
        world.play(stuck, world.workflows["order-fulfilment"].script, comes)

    world.at(comes, worker_comes, stuck.row.run_id)


def _to_come(world: World, now: datetime) -> None:
    """New runs, as long as anybody watches."""
    for number in range(1, _NEW_RUNS):
        at = now + seconds(number * _NEW_EVERY)

        def begin(at: datetime = at, number: int = number) -> None:
            if number % 3:
                _order(world, at, world.workflows["order-fulfilment"].script)
            else:
                _run(world, "stock-sync", at, world.workflows["stock-sync"].script, trigger="recurring")

        world.at(at, begin)
