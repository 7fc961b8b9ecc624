"""Who is looking, how the parts are, and what changes, in the fake world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from engine.records import Attention, Change, ChangeKind, Health, Installation, Session
from runstudio_tui.backend.fake.attention import attention, installation
from runstudio_tui.backend.fake.calls import Calls


class FakeSystem:
    """See SystemPort."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._world = calls.world

    async def session(self) -> Session:
        """See SystemPort."""
        await self._calls.enter("system.session")
        return replace(self._world.session, server_now=self._world.now())

    async def health(self) -> Health:
        """See SystemPort."""
        await self._calls.enter("system.health")
        return Health(self._world.health, self._world.now())

    async def attention(self) -> Attention:
        """See SystemPort."""
        await self._calls.enter("system.attention")
        return attention(self._world)

    async def installation(self) -> Installation:
        """See SystemPort."""
        await self._calls.enter("system.installation")
        return installation(self._world)

    async def changes(self) -> AsyncIterator[Change]:
        """See SystemPort."""
        stirred = self._calls.stirred
        while True:
            stirred.clear()
            due = self._world.next_due()
            await self._calls.clock.wait(stirred, 3600.0 if due is None else due + 0.001)
            touched = self._world.catch_up()
            if stirred.is_set():
                yield Change(ChangeKind.RUN)
            for run_id in touched:
                yield Change(ChangeKind.RUN, run_id)
