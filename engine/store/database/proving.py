"""Proving a connection that lay idle before it is used, without a round trip: a server that ends a session says so, or closes
its side, and either can be read.
"""

from __future__ import annotations

import select
from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine


def is_stale(driver: psycopg.AsyncConnection[Any]) -> bool:
    """Whether an idle connection is not to be used any more: it is closed, or something has come on it that nobody asked for.

    Almost always that is its end: the server was stopped, or somebody ended the session.
    """
    if driver.closed:
        return True
    poll = select.poll()
    poll.register(driver.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def prove_before_use(engine: AsyncEngine) -> None:
    """Let the engine's pool give out no stale connection. When it finds one, those that lay beside it are new ones, too."""

    @event.listens_for(engine.sync_engine, "checkout")
    def proved(connection: Any, _record: object, _given: object) -> None:
        driver = connection.driver_connection
        if isinstance(driver, psycopg.AsyncConnection) and is_stale(driver):
            raise InvalidatePoolError
