"""Being told by Postgres that something was written. Only a hint to look sooner: whoever listens also polls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from engine.errors import Unavailable
from engine.store.engine import connect_arguments

RUNS: Final = "runstudio_runs"
"""Payload ``tenant:run_id``: a run was inserted, or its state changed."""
EVENTS: Final = "runstudio_events"
"""Payload ``tenant``: an event was received that is not yet routed."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification."""

    channel: str
    payload: str


async def notices(url: str, channels: Sequence[str], *, application_name: str) -> AsyncIterator[Notice]:
    """Endless notices of these channels, on a connection of their own that ends with the iterator.

    Nothing is told of what was written before the connection listened, nor while it was broken. Raises ``Unavailable``
    (POSTGRES_UNREACHABLE) when the connection cannot be made or is lost.
    """
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = await psycopg.AsyncConnection.connect(
            plain, autocommit=True, **connect_arguments(application_name)
        )
        async with connection:
            for channel in channels:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            async for notify in connection.notifies():
                yield Notice(notify.channel, notify.payload)
    except (psycopg.OperationalError, OSError) as error:
        raise Unavailable(
            "POSTGRES_UNREACHABLE",
            "The connection that listens for changes was lost.",
            "It is made again; until then changes are noticed by polling.",
        ) from error
