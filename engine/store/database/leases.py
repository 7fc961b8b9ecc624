"""Leases: rows that say which process does what only one does at a time, until when, and when it was last done.

A lease belongs to nobody's session, so it works through a pooler; who dies lets go of it by its expiry. All times are
Postgres's. Its clock may be put back, or become that of another server: a time farther ahead than any that is written does
not count.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text

from engine.errors import EngineError, Unavailable
from engine.ids import new_id
from engine.store.database.transactions import Connection, Store, writing_at_once

LEASE_SECONDS: Final = 20.0
RENEW_SECONDS: Final = 5.0
DONE_EVERY_SECONDS: Final = 5.0
"""How often a turn that is taken in a transaction is put on record."""


@dataclass(slots=True)
class Lease:
    """The right to do something, for as long as it is held."""

    name: str
    token: str = field(default_factory=new_id)
    _expires: float = field(default_factory=lambda: time.monotonic() + LEASE_SECONDS, repr=False)

    @property
    def held(self) -> bool:
        """Whether it is surely still ours. Long work asks between two steps, and stops when it is not."""
        return time.monotonic() < self._expires

    async def renew(self, store: Store) -> None:
        """Hold it for another ``LEASE_SECONDS``; lose it when somebody else has it. Raises ``Unavailable``."""
        expires = time.monotonic() + LEASE_SECONDS
        ours = await _execute(store, _RENEW, name=self.name, token=self.token, seconds=LEASE_SECONDS)
        self._expires = expires if ours else 0.0


@asynccontextmanager
async def leased(store: Store, name: str, holder: str, kept_seconds: float = 0.0) -> AsyncIterator[Lease | None]:
    """Take the lease ``name`` for the block; None, without waiting, when another process holds it.

    A process keeps it for ``kept_seconds`` after its work was done, so that work that comes again and again stays with one of
    them, and is done as often as one of them does it. One that failed keeps nothing. The lease is renewed meanwhile. That its
    work was done, or why not, is put on record when the block ends, unless the lease was lost.
    Raises ``Unavailable``.
    """
    async with _held(store, name, holder, kept_seconds) as lease:
        if lease is None:
            yield None
            return
        try:
            yield lease
        except BaseException as error:
            why = error.message if isinstance(error, EngineError) else type(error).__name__
            with contextlib.suppress(Unavailable):
                await _execute(store, _FAILED, name=name, token=lease.token, failure=why)
            raise
        await _execute(store, _DONE, name=name, token=lease.token)


@asynccontextmanager
async def only_one(store: Store, name: str, holder: str) -> AsyncIterator[bool]:
    """Take the lease ``name`` for the block, and forget it afterwards; False, without waiting, when another process holds it.

    For what is no standing duty. Raises ``Unavailable``.
    """
    async with _held(store, name, holder) as lease:
        try:
            yield lease is not None
        finally:
            if lease is not None:
                with contextlib.suppress(Unavailable):
                    await _execute(store, _FORGET, name=name, token=lease.token)


async def take_turn(connection: Connection, name: str, holder: str) -> bool:
    """Take the lease ``name`` for the transaction of ``connection``; False, without waiting, when another one has it.

    Postgres ends the transaction of a process that stands still in it for ``LEASE_SECONDS``. That the work was done is put on
    record with the transaction's commit.
    """
    values = {"name": name, "holder": holder, "milliseconds": str(int(LEASE_SECONDS * 1000))}
    row = (await connection.execute(_TURN, {**values, "stale": DONE_EVERY_SECONDS})).first()
    if row is None:
        return (await connection.execute(_FIRST_TURN, {**values, "token": new_id()})).first() is not None
    if row.stale:
        await connection.execute(_TURN_DONE, values)
    return True


async def keep_turn(connection: Connection) -> None:
    """Show Postgres, in a turn that computes for long, that its process does not stand still."""
    await connection.execute(_KEEP_TURN)


@asynccontextmanager
async def _held(store: Store, name: str, holder: str, kept_seconds: float = 0.0) -> AsyncIterator[Lease | None]:
    lease = Lease(name)
    values = {"name": name, "holder": holder, "token": lease.token, "seconds": LEASE_SECONDS, "kept": kept_seconds}
    taken = await _execute(store, _TAKE, **values)
    if not taken:
        yield None
        return
    keeping = asyncio.create_task(_keep(store, lease))
    try:
        yield lease
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _keep(store: Store, lease: Lease) -> None:
    while lease.held:
        await asyncio.sleep(RENEW_SECONDS)
        # Without an answer it is tried again, until it has expired.
        with contextlib.suppress(Unavailable):
            await lease.renew(store)


async def _execute(store: Store, statement: str, **values: object) -> bool:
    """Whether the statement found the row it is about."""
    async with writing_at_once(store) as connection:
        return (await connection.execute(text(statement), values)).first() is not None


# Somebody else's statement may have begun after this one, which waited for it: hence once and twice the longest expiry.
_TAKE: Final = """
    INSERT INTO workflow_leases AS l (name, holder, token, expires_at)
    VALUES (:name, :holder, CAST(:token AS uuid), now() + :seconds * interval '1 second')
    ON CONFLICT (name) DO UPDATE
        SET holder = excluded.holder, token = excluded.token, expires_at = excluded.expires_at
        WHERE (l.expires_at <= now() OR l.expires_at > now() + 2 * :seconds * interval '1 second') AND (
            l.done_at IS NULL OR l.failed_at IS NOT NULL OR l.done_by = excluded.holder
            OR l.done_at <= now() - :kept * interval '1 second' OR l.done_at > now() + :seconds * interval '1 second')
    RETURNING l.name
"""
_RENEW: Final = """
    UPDATE workflow_leases SET expires_at = now() + :seconds * interval '1 second'
    WHERE name = :name AND token = CAST(:token AS uuid) RETURNING name
"""
_DONE: Final = """
    UPDATE workflow_leases
    SET expires_at = now(), done_at = now(), done_by = holder, failed_at = NULL, failure = NULL
    WHERE name = :name AND token = CAST(:token AS uuid) RETURNING name
"""
_FAILED: Final = """
    UPDATE workflow_leases SET expires_at = now(), failed_at = now(), failure = left(:failure, 1000)
    WHERE name = :name AND token = CAST(:token AS uuid) RETURNING name
"""
_FORGET: Final = "DELETE FROM workflow_leases WHERE name = :name AND token = CAST(:token AS uuid) RETURNING name"
_TURN: Final = text("""
    SELECT done_at IS NULL OR done_at NOT BETWEEN now() - :stale * interval '1 second' AND now() AS stale,
        set_config('idle_in_transaction_session_timeout', :milliseconds, true)
    FROM workflow_leases WHERE name = :name FOR UPDATE SKIP LOCKED
""")
_KEEP_TURN: Final = text("SELECT 1")
_FIRST_TURN: Final = text("""
    INSERT INTO workflow_leases (name, holder, token, expires_at, done_at, done_by)
    VALUES (:name, :holder, CAST(:token AS uuid), now(), now(), :holder)
    ON CONFLICT (name) DO NOTHING RETURNING name
""")
_TURN_DONE: Final = text("""
    UPDATE workflow_leases SET holder = :holder, done_at = now(), done_by = :holder, failed_at = NULL, failure = NULL
    WHERE name = :name
""")
