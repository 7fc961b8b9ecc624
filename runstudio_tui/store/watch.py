"""What every screen's top line tells: how much waits in each main screen, and which part of the installation is away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from engine.errors import Unavailable
from engine.records import Attention, Installation, Page, Task
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

    attention: Attention
    installation: Installation
    tasks: Page[Task]


async def look(backend: Backend) -> WatchAnswer | None:
    """Ask everything at once; None when Postgres does not answer. Raises EngineError."""
    try:
        attention, installation, tasks = await asyncio.gather(
            backend.system.attention(), backend.system.installation(), backend.tasks.list(limit=100)
        )
    except Unavailable:
        return None
    return WatchAnswer(attention, installation, tasks)


def take(studio: Studio, answer: WatchAnswer | None) -> None:
    """Put into the studio what the top line draws."""
    if answer is None:
        studio.away, studio.working = "no Postgres", ""
        return
    more = "+" if answer.attention.more else ""
    tasks = len(answer.tasks.rows)
    studio.counts = {
        "attention": f"{len(answer.attention.items)}{more}" if answer.attention.items else "",
        "tasks": f"{tasks}{'+' if answer.tasks.next else ''}" if tasks else "",
    }
    working = polling(answer.installation)
    away = ["no Temporal"] if answer.installation.temporal_error else []
    studio.away = ", ".join([*away, *([] if working else ["no worker"])])
    studio.working = counted(working, "worker") if working else ""


def polling(found: Installation) -> int:
    """How many workers ask for work. While Temporal cannot tell, those that give signs of life to Postgres."""
    alive = {worker.identity for worker in found.workers if worker.alive}
    if found.temporal_error:
        return len(alive)
    gone = {worker.identity for worker in found.workers if not worker.alive}
    recent = found.server_now - POLL_LASTS
    return len({poller.identity for poller in found.pollers if poller.last_access >= recent} - gone)
