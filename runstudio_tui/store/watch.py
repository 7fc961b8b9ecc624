"""What every screen's top line tells: how much waits in each main screen, and which part of the installation is away; and what
the viewer may do by now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from engine.errors import Unavailable
from engine.records import Attention, Installation, Level, Page, Session, Task
from engine.wording import counted
from runstudio_tui.ports import Backend
from runstudio_tui.store.session import Studio

SECONDS: Final = 10.0
"""Between two looks: they ask Temporal, and tell of what lasts longer."""
POLL_LASTS: Final = timedelta(seconds=75)
"""A poll lasts a minute; who was last heard of longer ago has gone without saying so."""


@dataclass(frozen=True, slots=True)
class WatchAnswer:
    """One look."""

    who: Session
    found: tuple[Attention, Installation, Page[Task]] | None
    """None when the viewer may not read any more."""


async def look(backend: Backend) -> WatchAnswer | None:
    """Ask everything at once; None when Postgres does not answer. Raises EngineError."""
    try:
        who = await backend.system.session()
        if who.level < Level.READ:
            return WatchAnswer(who, None)
        found = await asyncio.gather(
            backend.system.attention(), backend.system.installation(), backend.tasks.list(limit=100)
        )
    except Unavailable:
        return None
    return WatchAnswer(who, found)


def take(studio: Studio, answer: WatchAnswer | None) -> str:
    """Put into the studio what the top line draws; a sentence when the viewer may do something else than before."""
    if answer is None:
        studio.away, studio.working = "no Postgres", ""
        return ""
    before, studio.who = studio.who, answer.who
    changed = before is not None and before.level is not answer.who.level
    told = f"your level is now {answer.who.level.word}" if changed else ""
    if answer.found is None:
        studio.counts, studio.away, studio.working = {}, "", ""
        return told
    attention, installation, tasks = answer.found
    more = "+" if attention.more else ""
    waiting = len(tasks.rows)
    studio.counts = {
        "attention": f"{len(attention.items)}{more}" if attention.items else "",
        "tasks": f"{waiting}{'+' if tasks.next else ''}" if waiting else "",
    }
    working = polling(installation)
    away = ["no Temporal"] if installation.temporal_error else []
    studio.away = ", ".join([*away, *([] if working else ["no worker"])])
    studio.working = counted(working, "worker") if working else ""
    return told


def polling(found: Installation) -> int:
    """How many workers ask for work. While Temporal cannot tell, those that give signs of life to Postgres."""
    alive = {worker.identity for worker in found.workers if worker.alive}
    if found.temporal_error:
        return len(alive)
    gone = {worker.identity for worker in found.workers if not worker.alive}
    recent = found.server_now - POLL_LASTS
    return len({poller.identity for poller in found.pollers if poller.last_access >= recent} - gone)
