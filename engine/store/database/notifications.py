"""LISTEN/NOTIFY: a hint that something was written. Notifications can be lost, so whoever listens also polls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy import func, select

from engine.errors import Unavailable
from engine.store.database.connecting import connect, is_pooled
from engine.store.database.transactions import Connection

RUNS: Final = "runstudio_runs"
"""Payload ``tenant:run_id``: a run was inserted, or its state changed."""
EVENTS: Final = "runstudio_events"
"""Payload ``tenant``: an event was received that is not yet routed."""
LAUNCHES: Final = "runstudio_launches"
"""Payload ``tenant:run_id``: a run was committed whose launcher leaves the start on Temporal to the workers."""


class ListenPooled(Unavailable):
    """The connection goes through a pooler, where nothing is ever heard."""

    retryable = False


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification."""

    channel: str
    payload: str


async def notify(connection: Connection, channel: str, payload: str) -> None:
    """NOTIFY: sent when and if the transaction of ``connection`` commits."""
    await connection.execute(select(func.pg_notify(channel, payload)))


async def notices(
    url: str, channels: Sequence[str], *, application_name: str, listening: Callable[[], None] = lambda: None
) -> AsyncIterator[Notice]:
    """LISTEN: notifications of these channels without end, on a connection of their own that is closed with the iterator.

    Nothing is told of what was written before the connection listened, nor while it was broken; ``listening`` is called once
    it does. Raises ``Unavailable`` (POSTGRES_UNREACHABLE) when the connection cannot be made or is lost, ``ListenPooled``
    (LISTEN_POOLED).
    """
    try:
        async with await connect(url, application_name) as connection:
            if is_pooled(connection):
                raise ListenPooled(
                    "LISTEN_POOLED",
                    "The database URL leads to a connection pooler, which passes no notifications on.",
                    "Changes are noticed by polling; set RUNSTUDIO_DIRECT_DATABASE_URL to hear of them at once.",
                )
            for channel in channels:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            listening()
            async for notify in connection.notifies():
                yield Notice(notify.channel, notify.payload)
    except (psycopg.OperationalError, OSError) as error:
        raise Unavailable(
            "POSTGRES_UNREACHABLE",
            "The connection that listens for changes was lost.",
            "It is made again; until then changes are noticed by polling.",
        ) from error
