"""Servers that stand still, and a Postgres that takes no writes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from sqlalchemy import text

from engine.devstack.processes import ProcessId
from engine.store.database.transactions import Store


@contextmanager
def frozen(server: ProcessId | None) -> Iterator[None]:
    """Every process of a live server stopped, as by a machine that is moved or a disk that hangs."""
    assert server is not None
    stopped = [server.pid]
    os.kill(server.pid, signal.SIGSTOP)
    try:
        for child in psutil.Process(server.pid).children(recursive=True):
            # One may just have ended; none is started any more.
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGSTOP)
                stopped.append(child.pid)
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def read_only(store: Store, value: str) -> None:
    """Whether the server takes writes of transactions that do not say otherwise."""
    async with store.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text(f"ALTER SYSTEM SET default_transaction_read_only = {value}"))
        await autocommit.execute(text("SELECT pg_reload_conf()"))
