"""A program that writes an order and launches its run in one transaction, and is killed at a named place.

``python -m tests.engine.worker.transaction_process DATABASE_URL TEMPORAL_ADDRESS PLACE ORDER``
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import psycopg
from sqlalchemy import make_url

from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_in_transaction
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.temporal.connection import TemporalConnection

PLACES = ("before the commit", "after the commit")


async def main(url: str, temporal_address: str, place: str, order: str) -> None:
    """Never returns."""
    store = create_store_engine(url)
    settings = Settings.load(database_url=url, temporal_address=temporal_address)
    context = OperationContext(store, TemporalConnection.from_settings(settings), Actor("shop"))
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await psycopg.AsyncConnection.connect(plain)
    await connection.execute("INSERT INTO shop_orders VALUES (%s)", [order])
    await launch_in_transaction(context, LaunchRequest("orders", {"order": order}), connection)
    if place == PLACES[1]:
        await connection.commit()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
