"""The dependencies of every operation: store, Temporal, actor, tenant."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Final

from engine.errors import Forbidden
from engine.ids import uuid_text
from engine.operations.actor import Actor
from engine.records import Level
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Connection, Store, writing_at_once
from engine.store.runs.run_log import NewLogLine, insert_log_line
from engine.store.tenant.audit import AuditedActor, AuditEntry, insert_audit
from engine.store.tenant.members import level_of, lock_members, tenants_without_admin
from engine.temporal.connection import TemporalConnection

LEVEL_SECONDS: Final = 30.0
"""How long an answer about the actor's level is believed. For what needs the level admin it is asked each time."""


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
    _known: _KnownLevel = field(default_factory=_KnownLevel, init=False, repr=False, compare=False)
    """Its own: a context that is made of this one may have another actor or tenant."""

    def __post_init__(self) -> None:
        """Raises ``Invalid`` (ID_INVALID) for a tenant that is no uuid."""
        # Frozen: the one way to normalise a field of a frozen dataclass at its making.
        object.__setattr__(self, "tenant", uuid_text(self.tenant, "tenant"))

    async def level(self) -> Level:
        """What the actor may do in the tenant; a part of the engine may do everything. Raises ``Unavailable``."""
        return await self._level(LEVEL_SECONDS)

    async def _level_for(self, needed: Level) -> Level:
        return await self._level(0.0 if needed is Level.ADMIN else LEVEL_SECONDS)

    async def _level(self, believed_seconds: float) -> Level:
        known, now = self._known, time.monotonic()
        if self.actor.known_by == "service":
            known.level = Level.ADMIN
        elif known.asked_at is None or now - known.asked_at > believed_seconds:
            async with writing_at_once(self.store) as connection:
                known.level = await level_of(connection, self.tenant, self.actor.name, self.actor.groups())
            known.asked_at = now
        return known.level

    async def readable(self) -> Store:
        """The store, for whoever may read. Raises ``Forbidden`` (LEVEL_TOO_LOW), ``Unavailable``."""
        await self.require(Level.READ)
        return self.store

    def acting_as(self, actor: Actor, level: Level) -> OperationContext:
        """The same for another actor, who may do what this level may, whatever the members' list says by now."""
        acting = replace(self, actor=actor)
        acting._known.level, acting._known.asked_at = level, math.inf
        return acting

    async def require(self, needed: Level, *, tells_temporal: bool = True) -> None:
        """Raises ``Forbidden`` (LEVEL_TOO_LOW) unless the actor has at least this level, or ``Unavailable``.

        More than reading is refused (``WrongTemporal``) where this Temporal is known not to be the database's, unless the
        operation leaves telling it to the workers (``tells_temporal``).
        """
        self._refuse_below(needed, await self._level_for(needed))
        if tells_temporal and needed > Level.READ:
            await self.temporal.refuse_wrong()

    async def may(self, needed: Level) -> bool:
        """Whether the actor has at least this level. Raises ``Unavailable``."""
        return await self._level_for(needed) >= needed

    async def require_still(self, connection: Connection, needed: Level) -> None:
        """As ``require``, in the transaction of a change that gives somebody rights, or work that goes on under somebody's name:
        nobody whose level is taken away at the same time must have made it. Nobody's level changes until the transaction ends.

        Raises ``Forbidden`` (LEVEL_TOO_LOW).
        """
        known = self._known
        if self.actor.known_by != "service" and known.asked_at != math.inf:
            await lock_members(connection, self.tenant)
            known.level = await level_of(connection, self.tenant, self.actor.name, self.actor.groups())
            known.asked_at = time.monotonic()
        self._refuse_below(needed, known.level)

    async def require_admin_everywhere(self, connection: Connection) -> None:
        """Raises ``Forbidden`` (LEVEL_TOO_LOW) unless the actor is admin of every tenant of the installation."""
        if self.actor.known_by == "service":
            return
        without, tenants = await tenants_without_admin(connection, self.tenant, self.actor.name, self.actor.groups())
        if without:
            # Which ones is not for everybody to know.
            raise Forbidden(
                "LEVEL_TOO_LOW",
                f"This needs the level admin in every tenant of the installation; {self.actor.name} lacks it in {without} of"
                f" {tenants}.",
                "Ask somebody who has it, or use the login that owns the tables, as for: runstudio migrate.",
                {"needed": Level.ADMIN.word, "actor": self.actor.name, "lacking": without},
            )

    def _refuse_below(self, needed: Level, level: Level) -> None:
        if level >= needed:
            return
        raise Forbidden(
            "LEVEL_TOO_LOW",
            f"This needs the level {needed.word}; {self.actor.name} has {level.word} in the tenant {self.tenant}.",
            f"Ask an admin of the tenant: runstudio members set {self.actor.name} {needed.word}; or choose another one with"
            " --tenant.",
            {"needed": needed.word, "level": level.word, "actor": self.actor.name, "tenant": self.tenant},
        )

    async def audit(self, connection: Connection, entry: AuditEntry) -> None:
        """Write an audit entry in the transaction of the change it is about. The level must have been asked before."""
        actor, where = self.actor, self.actor.address or self.actor.source
        audited = AuditedActor(actor.name, actor.known_by, self._known.level.word, where, actor.remark)
        await insert_audit(connection, entry, tenant=self.tenant, actor=audited)

    async def log(self, connection: Connection, run_id: str, line: NewLogLine) -> None:
        """Append a line to a run's log, in the transaction of what it tells."""
        await insert_log_line(connection, self.tenant, run_id, self.actor.source, line)
