"""``engine.system``: who acts, how the parts are, and what changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from engine.errors import Unavailable
from engine.operations.attention import attention, installation
from engine.operations.context import OperationContext
from engine.operations.health import system_health
from engine.operations.installation import bound_temporal, move_installation
from engine.operations.reveal import reveal
from engine.records import (
    Attention,
    BoundTemporal,
    Change,
    ChangeKind,
    Health,
    Installation,
    Json,
    Level,
    Revealable,
    Session,
)
from engine.store.database.notifications import RUNS, notices
from engine.store.database.reader import open_reader


class System:
    """The installation as this actor sees it."""

    def __init__(self, context: OperationContext, database_url: str, listen_url: str) -> None:
        self._context = context
        self._url = database_url
        self._listen_url = listen_url

    async def session(self) -> Session:
        """Who acts, with which level. Raises ``Unavailable``."""
        level = await self._context.level()
        async with open_reader(self._context.store, self._context.tenant) as reader:
            now = reader.server_now
        host = urlsplit(self._url).hostname
        place = host if host and host not in {"localhost", "127.0.0.1", "::1"} else "local"
        return Session(self._context.actor.name, level, self._context.tenant, place, now)

    async def health(self) -> Health:
        """State of the parts. Never raises for a part that is down: that is its answer."""
        parts = await system_health(self._context, listens_directly=self._listen_url != self._url)
        try:
            async with open_reader(self._context.store, self._context.tenant) as reader:
                return Health(parts, reader.server_now)
        except Unavailable:
            return Health(parts, None)

    async def attention(self) -> Attention:
        """Everything an operator should look at now. Needs the level read. Raises as ``attention``."""
        return await attention(self._context)

    async def installation(self) -> Installation:
        """Workers, task queue and stores now. Needs the level read. Raises ``Unavailable`` when Postgres does not answer."""
        return await installation(self._context)

    async def bound_temporal(self) -> BoundTemporal | None:
        """The Temporal that the database belongs to; None before the first worker. Works with an engine that is not open.

        Raises ``Forbidden``, ``Unavailable``.
        """
        return await bound_temporal(self._context)

    async def move_to_this_temporal(self, reason: str) -> BoundTemporal:
        """Let the database belong to the Temporal of this engine. Needs the level admin in every tenant; audited. Works with an
        engine that is not open. Open runs which that Temporal does not know are closed by a worker.

        Raises ``Invalid`` (REASON_TOO_SHORT), ``Forbidden``, ``Unavailable``.
        """
        return await move_installation(self._context, reason)

    async def reveal(self, document: Revealable, target: str, reason: str) -> Json:
        """One document with nothing masked; ``target`` is its id. Audited. Needs the level admin. Raises as ``reveal``."""
        return await reveal(self._context, document, target, reason)

    async def changes(self) -> AsyncIterator[Change]:
        """Endless notices of runs that changed, by LISTEN/NOTIFY. Needs the level read.

        Raises ``Unavailable`` when the connection is lost, ``Forbidden`` also later, when the level is taken away.
        """
        await self._context.require(Level.READ)
        async for notice in notices(self._listen_url, (RUNS,), application_name="runstudio changes"):
            tenant, _, run_id = notice.payload.partition(":")
            if tenant == self._context.tenant:
                # Whoever may read no more is told no more.
                await self._context.require(Level.READ)
                yield Change(ChangeKind.RUN, run_id)
