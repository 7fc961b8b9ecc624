"""The dependencies of every operation: store, Temporal, actor, tenant."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from engine.errors import Forbidden
from engine.ids import uuid_text
from engine.operations.actor import Actor
from engine.records import Level
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Connection, Store, writing
from engine.store.runs.run_log import NewLogLine, insert_log_line
from engine.store.tenant.actor_level import levels_of_user
from engine.store.tenant.audit import AuditEntry, insert_audit
from engine.temporal.connection import TemporalConnection

LEVEL_SECONDS: Final = 30.0
"""How long an answer of Postgres about the actor's level is believed. The tables' grants are checked at every statement."""


@dataclass(slots=True)
class _KnownLevel:
    level: Level = Level.NONE
    asked_at: float | None = None
    """``time.monotonic()``; None: never."""


@dataclass(frozen=True, slots=True)
class OperationContext:
    """The dependencies of the operations. Make one per actor and share it; it holds nothing that needs closing."""

    store: Store
    temporal: TemporalConnection
    actor: Actor
    tenant: str = DEFAULT_TENANT
    _known: _KnownLevel = field(default_factory=_KnownLevel, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ``Invalid`` (ID_INVALID) for a tenant that is no uuid."""
        # Frozen: the one way to normalise a field of a frozen dataclass at its making.
        object.__setattr__(self, "tenant", uuid_text(self.tenant, "tenant"))

    async def level(self) -> Level:
        """What the actor may do. Raises ``Unavailable``."""
        now = time.monotonic()
        if self._known.asked_at is None or now - self._known.asked_at > LEVEL_SECONDS:
            async with writing(self.store) as connection:
                granted = await levels_of_user(connection)
            self._known.level = max((level for level in Level if level.word in granted), default=Level.NONE)
            self._known.asked_at = now
        return self._known.level

    async def require(self, needed: Level, *, tells_temporal: bool = True) -> None:
        """Raises ``Forbidden`` (LEVEL_TOO_LOW) unless the actor has at least this level, or ``Unavailable``.

        More than reading is refused (``WrongTemporal``) where this Temporal is known not to be the database's, unless the
        operation leaves telling it to the workers (``tells_temporal``).
        """
        level = await self.level()
        if level < needed:
            raise Forbidden(
                "LEVEL_TOO_LOW",
                f"This needs the level {needed.word}; {self.actor.name} has {level.word}.",
                f"Ask for membership of the Postgres role runstudio_{_ROLE_NAMES[needed]}.",
                {"needed": needed.word, "level": level.word},
            )
        if tells_temporal and needed > Level.READ:
            await self.temporal.refuse_wrong()

    async def audit(self, connection: Connection, entry: AuditEntry) -> None:
        """Write an audit entry in the transaction of the change it is about. The level must have been asked before."""
        await insert_audit(
            connection,
            entry,
            tenant=self.tenant,
            actor=self.actor.name,
            actor_source=self.actor.address or self.actor.source,
            actor_level=self._known.level.word,
        )

    async def log(self, connection: Connection, run_id: str, line: NewLogLine) -> None:
        """Append a line to a run's log, in the transaction of what it tells."""
        await insert_log_line(connection, self.tenant, run_id, self.actor.source, line)


_ROLE_NAMES: Final = {Level.READ: "viewer", Level.OPERATE: "operator", Level.ADMIN: "admin", Level.NONE: "viewer"}
