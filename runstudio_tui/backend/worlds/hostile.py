"""A world in which every text tries to get out: escape sequences, bidirectional overrides, markup, lengths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from engine.records import (
    Delivery,
    Document,
    ErrorInfo,
    Event,
    EventDetail,
    Example,
    Fire,
    HealthPart,
    Issue,
    Level,
    LogLevel,
    PartState,
    Pause,
    Schedule,
    ScheduleDetail,
    Session,
    Task,
    TaskDetail,
    Version,
    Workflow,
)
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake.run import new_run, seconds
from runstudio_tui.backend.fake.script import Script
from runstudio_tui.backend.fake.world import FakeWorkflow, World
from runstudio_tui.clock import Clock

EVIL: Final = (
    "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x1b[31mred\x9b31m\x9d0;title\x9c"
    "\r\nnew\tline\x00\x7f\u202egnp.exe\u2066x\u200b\ufeff[bold red]markup[/][@click=app.exit]"
    "日本\ud83d end"
)
"""Everything at once: OSC 52, C0, C1, newlines, bidi, zero width, markup, wide characters, a lone surrogate."""


def hostile_backend(clock: Clock) -> FakeBackend:
    """Runs, waits, errors, logs, payloads, names and ids made of ``EVIL``."""
    world = World(clock)
    world.session = Session(f"root{EVIL}", Level.ADMIN, EVIL, f"prod{EVIL}", world.now())
    world.health = (
        HealthPart("postgres", PartState.OK, EVIL),
        HealthPart("temporal", PartState.OK, EVIL),
        HealthPart("workers", PartState.DOWN, EVIL),
    )
    name = f"wf{EVIL}"
    definition: dict[str, Any] = {
        "steps": [
            {
                "id": f"call{EVIL}",
                "type": "action.call",
                "config": {"actionId": EVIL, "version": EVIL, "inputMapping": {EVIL: EVIL}},
            },
            {
                "id": f"loop{EVIL}",
                "type": "control.forEach",
                "itemVar": EVIL,
                "body": [{"id": f"inner{EVIL}", "type": "action.call", "config": {"actionId": EVIL, "version": 1}}],
            },
            {
                "id": f"choice{EVIL}",
                "type": "control.if",
                "condition": {"$expr": EVIL},
                "then": [{"id": f"set{EVIL}", "type": EVIL}],
                "else": [{"id": "other", "type": EVIL}],
            },
            {
                "id": f"wait{EVIL}",
                "type": "event.wait",
                "config": {"eventName": f"event{EVIL}", "timeoutMs": 1_000_000},
            },
        ]
    }
    payload = {EVIL: EVIL, "list": [EVIL, {"deep": EVIL}], "token": "[REDACTED]"}
    now = world.now()
    call = {"id": f"child{EVIL}", "type": "control.callWorkflow", "workflowId": name, "workflowVersion": 1}
    changed = {"id": EVIL, "name": EVIL, EVIL: EVIL, "owner": EVIL, "runbook": EVIL}
    later = {**changed, "steps": [call, *definition["steps"][::-1][:3], {"id": EVIL, "type": EVIL, EVIL: [EVIL]}]}
    issue = Issue("warning", "root.steps[0]", EVIL, EVIL, EVIL, EVIL)
    world.workflows = {
        name: FakeWorkflow(
            Workflow(name, name, 1, EVIL, trigger={"type": EVIL, "eventName": EVIL}),
            {1: definition},
            {"type": "object", "required": [EVIL]},
            (Example(EVIL, payload),),
        ),
        EVIL: FakeWorkflow(
            Workflow(
                EVIL, f"b{EVIL}", 2, EVIL, paused=True, pause=Pause(now, EVIL, EVIL), trigger={"type": "recurring"}
            ),
            {1: definition, 2: later},
            {EVIL: EVIL},
            published={number: Version(number, now, EVIL, EVIL, (issue,)) for number in (1, 2)},
            schemas={2: {EVIL: [EVIL]}},
        ),
    }
    error = ErrorInfo(f"Category{EVIL}", EVIL * 20, f"CODE{EVIL}", EVIL, stage=EVIL, details={EVIL: [EVIL]})
    scripts = (
        Script(pickup=None),
        Script(resolves={f"wait{EVIL}": None}, key=EVIL),
        Script(fails={f"call{EVIL}": error}, flaky={f"call{EVIL}": (1, 1.0)}),
        Script(handled={f"call{EVIL}": error}),
    )
    for number, script in enumerate(scripts):
        at = now - seconds(600 * (number + 1))
        run = new_run(
            f"{number}{EVIL}",
            name,
            1,
            at,
            payload,
            masked=frozenset({"/token"}),
            tenant=EVIL,
            trigger="event",
            trigger_event=EVIL,
        )
        world.add(run, script)
        for level in LogLevel:
            run.log(now, level, EVIL, EVIL, {EVIL: EVIL})
        run.details = replace(
            run.details, trigger_metadata={EVIL: EVIL}, trigger_event_id=EVIL, payload_schema_ref=EVIL
        )
        run.row = replace(run.row, replay_of=run.row.run_id)
    _events_and_tasks(world, next(iter(world.runs)))
    row = Schedule(
        EVIL, EVIL, 2, "recurring", None, EVIL, EVIL, "scheduled", True, now - seconds(600), True, now, "failed", EVIL,
    )  # fmt: skip
    world.schedules[EVIL] = ScheduleDetail(row, Document({EVIL: EVIL}))
    world.fires[EVIL] = [Fire(now, now, "failed", EVIL, next(iter(world.runs)), EVIL)]
    return FakeBackend(world, clock)


def _events_and_tasks(world: World, run_id: str) -> None:
    """An event nobody could take, and an open task whose form is as hostile."""
    now, document = world.now(), Document({EVIL: [EVIL]}, frozenset())
    sent = Delivery(
        EVIL, EVIL, EVIL, EVIL, "launch", EVIL, run_id, EVIL, "failed", 3, None, EVIL, EVIL, now, now,
    )  # fmt: skip
    event = Event(EVIL, EVIL, EVIL, (EVIL, EVIL), now, now, "error", run_id, EVIL, EVIL)
    world.events[EVIL] = EventDetail(event, document, (sent,))
    member = {"type": "string", "title": EVIL, "description": EVIL, "default": EVIL}
    form = {"properties": {EVIL: member, "one": {"enum": [EVIL]}, "deep": {"properties": {EVIL: {"type": "array"}}}}}
    task = Task(
        EVIL, run_id, EVIL, EVIL, "0", EVIL, EVIL, EVIL, "claimed", EVIL, now, EVIL, now, None, None, now,
    )  # fmt: skip
    world.tasks[EVIL] = TaskDetail(task, document, form, document, undelivered=True, delivery_error=EVIL)
