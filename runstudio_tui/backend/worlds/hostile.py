"""A world in which every text tries to get out: escape sequences, bidirectional overrides, markup, lengths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake_run import new_run, seconds
from runstudio_tui.backend.fake_script import Script
from runstudio_tui.backend.fake_world import FakeWorkflow, World
from runstudio_tui.clock import Clock
from runstudio_tui.domain.catalog import Example, HealthPart, Level, PartState, Session, WorkflowInfo
from runstudio_tui.domain.models import ErrorInfo, LogLevel

EVIL: Final = (
    "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x1b[31mred\x9b31m\x9d0;title\x9c"
    "\r\nnew\tline\x00\x7f\u202egnp.exe\u2066x\u200b\ufeff[bold red]markup[/][@click=app.exit]"
    "日本\ud83d end"
)
"""Everything at once: OSC 52, C0, C1, newlines, bidi, zero width, markup, wide characters, a lone surrogate."""


def hostile_backend(clock: Clock) -> FakeBackend:
    """Runs, waits, errors, logs, payloads, names and ids made of ``EVIL``."""
    world = World(clock)
    world.session = Session(f"root{EVIL}", Level.ADMIN, EVIL, f"prod{EVIL}")
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
    world.workflows = {
        name: FakeWorkflow(
            WorkflowInfo(name, name, 1, EVIL, trigger=EVIL),
            {1: definition},
            {"type": "object", "required": [EVIL]},
            (Example(EVIL, payload),),
        )
    }
    now = world.now()
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
    return FakeBackend(world, clock)
