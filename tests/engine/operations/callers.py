"""Programs that have a transaction of their own, with each kind of connection, and put runs and events into it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from engine.operations.context import OperationContext
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.runs.launch import LaunchRequest, launch_in_transaction
from engine.records import EventReceipt, Started
from engine.store.database.callers_connection import OfThread
from engine.store.database.callers_thread import CallersThread

KINDS = ("psycopg", "sqlalchemy", "psycopg of a thread", "sqlalchemy of a thread")


@dataclass
class Caller:
    """One connection, in a transaction as soon as something is done on it."""

    context: OperationContext
    connection: Any
    in_thread: bool
    speaks_sqlalchemy: bool
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    async def execute(self, sql: str) -> None:
        """A statement of the caller's own."""
        statement: Any = text(sql) if self.speaks_sqlalchemy else sql
        await self._do(lambda: self.connection.execute(statement))

    async def commit(self) -> None:
        """End the transaction; its rows stay."""
        await self._do(self.connection.commit)

    async def rollback(self) -> None:
        """End the transaction; its rows never were."""
        await self._do(self.connection.rollback)

    async def launch(self, request: LaunchRequest) -> Started:
        """Launch in the transaction."""
        return await self._ask(lambda given: launch_in_transaction(self.context, request, given))

    async def submit(self, request: EventRequest) -> EventReceipt:
        """Submit in the transaction."""
        return await self._ask(lambda given: submit_event(self.context, request, given))

    async def _ask(self, work: Callable[[Any], Any]) -> Any:
        if not self.in_thread:
            return await work(self.connection)
        loop = asyncio.get_running_loop()

        def call() -> Any:
            thread = CallersThread()
            return thread.begin(loop, work(OfThread(self.connection, thread)))()

        return await loop.run_in_executor(self.thread, call)

    async def _do(self, what: Callable[[], Any]) -> Any:
        if self.in_thread:
            return await asyncio.get_running_loop().run_in_executor(self.thread, what)
        done = what()
        return await done if isinstance(done, Awaitable) else done


@asynccontextmanager
async def caller(
    kind: str, context: OperationContext, url: str, *, autocommit: bool = False, **options: Any
) -> AsyncIterator[Caller]:
    """A caller with a connection to ``url``; what it has not committed is rolled back at the end."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    isolation: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
    if kind == "psycopg":
        async with await psycopg.AsyncConnection.connect(plain, autocommit=autocommit, **options) as connection:
            yield Caller(context, connection, in_thread=False, speaks_sqlalchemy=False)
            await connection.rollback()
    elif kind == "sqlalchemy":
        engine = create_async_engine(url, **isolation)
        async with engine.connect() as lent:
            yield Caller(context, lent, in_thread=False, speaks_sqlalchemy=True)
        await engine.dispose()
    elif kind == "psycopg of a thread":
        with psycopg.connect(plain, autocommit=autocommit, **options) as plainly:
            made = Caller(context, plainly, in_thread=True, speaks_sqlalchemy=False)
            yield made
            made.thread.shutdown()
            plainly.rollback()
    else:
        pool = sqlalchemy.create_engine(url, **isolation)
        with pool.connect() as ours:
            made = Caller(context, ours, in_thread=True, speaks_sqlalchemy=True)
            yield made
            made.thread.shutdown()
        pool.dispose()
