"""What reached the fake backend, and what tests let happen to the next calls."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import Forbidden
from engine.records import Level
from runstudio_tui.backend.fake.world import World
from runstudio_tui.clock import Clock


@dataclass(frozen=True, slots=True)
class Call:
    """One call that reached the backend."""

    name: str
    """``runs.list``."""
    arguments: tuple[Any, ...]


class Calls:
    """Shared by all groups of one backend."""

    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self.clock = clock
        self.log: list[Call] = []
        self.stirred = asyncio.Event()
        """Set when something was changed, for the change feed."""
        self._failures: dict[str, deque[Exception]] = defaultdict(deque)
        self._gates: dict[str, asyncio.Event] = {}

    def fail_next(self, name: str, error: Exception, times: int = 1) -> None:
        """Let the next ``times`` calls of a method raise."""
        self._failures[name].extend([error] * times)

    def heal(self, name: str) -> None:
        """Let no call of a method raise any more."""
        self._failures.pop(name, None)

    def hold(self, name: str) -> asyncio.Event:
        """Let calls of a method wait until the event returned is set."""
        self._gates[name] = asyncio.Event()
        return self._gates[name]

    async def enter(self, name: str, *arguments: Any) -> None:
        """A call begins: it is noted, held or failed as a test asked, and the world catches up with the clock."""
        self.log.append(Call(name, arguments))
        gate = self._gates.get(name)
        if gate is not None:
            await gate.wait()
        self.world.catch_up()
        if self._failures[name]:
            raise self._failures[name].popleft()

    def require(self, needed: Literal[Level.OPERATE, Level.ADMIN]) -> None:
        """Raises Forbidden (LEVEL_TOO_LOW) unless the viewer has at least this level."""
        session = self.world.session
        if session.level < needed:
            raise Forbidden(
                "LEVEL_TOO_LOW",
                f"This needs the level {needed.word}; {session.actor} has {session.level.word} in the tenant {session.tenant}.",
                f"Ask an admin of the tenant: runstudio members set {session.actor} {needed.word}; or choose another one with"
                " --tenant.",
                {
                    "needed": needed.word,
                    "level": session.level.word,
                    "actor": session.actor,
                    "tenant": session.tenant,
                },
            )
