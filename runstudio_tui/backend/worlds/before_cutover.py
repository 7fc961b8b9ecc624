"""Runs from before the cutover, with the snapshots that the old executor kept after every step."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from engine.records import Document, Snapshot
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake.run import FakeRun, new_run
from runstudio_tui.backend.fake.script import Script
from runstudio_tui.backend.fake.world import World
from runstudio_tui.backend.worlds.workflows import demo_workflows
from runstudio_tui.clock import Clock

KEPT_BYTES: Final = 256 * 1024
"""Largest envelope that the old executor kept."""


def before_cutover_backend(clock: Clock, snapshots: int = 300) -> FakeBackend:
    """One run of the old executor, with as many snapshots."""
    world = World(clock)
    world.workflows = demo_workflows()
    at = world.now() - timedelta(days=40)
    run = new_run(world.fresh_id(at), "reminder", 1, at, {"at": "2025-12-07T09:00:00Z", "to": "ada@example.com"})
    world.add(run, Script(resolves={"sleep": 3600.0}))
    run.change(run.row.updated_at, engine="db")
    keep_snapshots(run, snapshots)
    return FakeBackend(world, clock)


def keep_snapshots(run: FakeRun, rounds: int) -> None:
    """Give a run ``rounds`` snapshots, taken in turns after each of its steps; every seventh was too large to be kept."""
    paths = [step.path for step in run.steps.values()]
    for number in range(rounds):
        path = paths[number % len(paths)]
        body = _envelope(run, number)
        size = len(json.dumps(body.value))
        if number % 7 == 6:
            size = KEPT_BYTES + 1_000 * (number + 1)
            body = Document({"truncated": True, "size": size, "max": KEPT_BYTES})
        name = f"5a900000-0000-4000-8000-{number:012d}"
        taken = run.row.started_at + timedelta(seconds=2 + number)
        run.snapshots[name] = (Snapshot(name, path, size, number % 7 == 6, taken), body)


def _envelope(run: FakeRun, number: int) -> Document:
    payload = run.payload.value if run.payload is not None else {}
    variables: dict[str, Any] = {"round": number, "last": f"reminder {number}", "api_key": "[REDACTED]"}
    if number % 3 == 1:
        variables["sent"] = {"to": "ada@example.com", "id": f"m-{number}"}
    error = {"category": "ActionError", "message": "mailbox busy", "code": "SMTP_450"} if number % 5 == 4 else None
    envelope = {
        "payload": payload,
        "vars": variables,
        "meta": {"state": "REMINDING", "traceId": f"t-{number // 4}"},
        "error": error,
    }
    return Document(envelope, frozenset({"/vars/api_key"}))
