"""Pictures of the workflows, of one version, and of their dialogs. What must be looked at stands in the docstring of each."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from engine.records import HealthPart, PartState
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.workflows import ORDER
from tests.tui.refusals import postgres_away
from tests.tui.snapshots.test_pictures import Picture, looks, sessions, sizes


async def at_workflow(session: Any, workflow_id: str) -> None:
    """The workflows screen, with the cursor on a workflow."""
    await session.press("4")
    await session.pass_time(1)
    session.screen.listing.move_to(workflow_id)
    await session.settle()
    await session.pass_time(0.5)


@sizes
async def test_workflows(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """Active runs right-aligned with their limit; only the paused one is yellow; beside it where there is room, everything
    of the one under the cursor."""
    async with studio(size=size) as session:
        await at_workflow(session, "reminder")
        picture(session, "list")
        await at_workflow(session, "stock-sync")
        await session.press("enter")
        picture(session, "timed")
        await session.press("escape")
        await at_workflow(session, "order-fulfilment")
        await session.press("enter")
        picture(session, "event")


@looks
async def test_workflows_in_every_look(studio: Any, picture: Picture, look: dict[str, Any]) -> None:
    """The same list and detail: glyph and word alone must tell the state."""
    async with studio(size=(120, 36), **look) as session:
        await at_workflow(session, "reminder")
        picture(session, "list")


async def test_workflows_empty_and_away(studio: Any, picture: Picture, backend: FakeBackend) -> None:
    """None at all, with the key that helps; then Postgres is away; then Temporal, of which only the next times are missing."""
    kept = dict(backend.world.workflows)
    backend.world.workflows.clear()
    async with studio() as session:
        await session.press("4")
        await session.pass_time(1)
        picture(session, "none")
        backend.world.workflows.update(kept)
        await session.pass_time(4)
        backend.fail_next("workflows.list", postgres_away(), times=9)
        await session.pass_time(14)
        picture(session, "old")
        backend.heal("workflows.list")
        backend.world.health = (*backend.world.health[:1], HealthPart("temporal", PartState.DOWN))
        await session.pass_time(20)
        await at_workflow(session, "stock-sync")
        await session.press("enter")
        await session.pass_time(1)
        picture(session, "temporal-away")


@sizes
async def test_version(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """What came, went and changed is marked at its step; the fields of a changed step say what they were; then alone."""
    async with studio(size=size) as session:
        await at_workflow(session, "order-fulfilment")
        await session.press("d")
        await session.pass_time(0.5)
        await session.press("right_curly_bracket", "right_curly_bracket")
        picture(session, "compared")
        await session.press("enter")
        picture(session, "fields")
        await session.press("escape", "d")
        await session.pass_time(0.5)
        picture(session, "alone")


@looks
async def test_version_in_every_look(studio: Any, picture: Picture, look: dict[str, Any]) -> None:
    """The same difference: marks and words alone must tell it."""
    async with studio(size=(120, 36), **look) as session:
        await at_workflow(session, "order-fulfilment")
        await session.press("d")
        await session.pass_time(0.5)
        await session.press("right_curly_bracket", "right_curly_bracket")
        picture(session, "compared")


@sessions
async def test_version_in_every_session(studio: Any, picture: Picture, session_of: dict[str, Any]) -> None:
    """At 80x24 the same difference and fields; a read-only session has its lock and no key that changes something."""
    async with studio(**session_of) as session:
        await at_workflow(session, "order-fulfilment")
        await session.press("d")
        await session.pass_time(0.5)
        await session.press("right_curly_bracket", "right_curly_bracket")
        picture(session, "compared")
        await session.press("enter")
        picture(session, "fields")


@sizes
async def test_pausing_and_limiting(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """Targets, what is skipped and why, what it means; then a result for each."""
    async with studio(size=size) as session:
        await at_workflow(session, "stock-sync")
        await session.press("asterisk", "p")
        await session.type("wrong price list loaded")
        picture(session, "asking")
        await session.press("ctrl+s")
        picture(session, "results")
        await session.press("escape", "l")
        picture(session, "limit")


async def test_firing(studio: Any, picture: Picture) -> None:
    """When it would come by itself; then the run it started."""
    async with studio() as session:
        await at_workflow(session, "stock-sync")
        await session.press("f")
        picture(session, "asking")
        await session.type("the last one was lost")
        await session.press("ctrl+s")
        picture(session, "fired")


@sizes
async def test_publishing(
    studio: Any, picture: Picture, tmp_path: Path, monkeypatch: Any, size: tuple[int, int]
) -> None:
    """How it goes; what a file would change; then everything the checks found, each with its place."""
    monkeypatch.setenv("HOME", str(tmp_path))
    step = {"id": "notify-customer", "type": "action.cal"}
    changed = {**ORDER, "steps": [*ORDER["steps"][:-1], step, step]}
    (tmp_path / "order.json").write_text(json.dumps(changed), encoding="utf-8")
    async with studio(size=size) as session:
        await at_workflow(session, "order-fulfilment")
        await session.press("N")
        dialog = session.screen
        picture(session, "empty")
        dialog.query_one("#field-path").value = "~/order.json"
        for name in ("read", "findings"):
            await session.press("ctrl+s")
            await asyncio.gather(*dialog._tasks)
            await session.settle()
            picture(session, name)
