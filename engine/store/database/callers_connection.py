"""The connection a caller lends us, whichever of four kinds it is: psycopg's or SQLAlchemy's, async or of a thread.

All of them end in a psycopg connection, on which our statements run. What ends a transaction is not passed on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import tuple_row
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import text
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.errors import Conflict, EngineError, Invalid
from engine.store.database.callers_thread import CallersThread
from engine.wording import clause

_BEGIN: Final = text("SELECT 1")


ThreadConnection: TypeAlias = psycopg.Connection[Any] | SyncConnection
"""A connection of a program that is not async."""


@dataclass(frozen=True, slots=True)
class OfThread:
    """A connection that is used in the thread that lends it, and in no other."""

    connection: ThreadConnection
    thread: CallersThread


CallersConnection: TypeAlias = psycopg.AsyncConnection[Any] | AsyncConnection | OfThread


async def lent(connection: CallersConnection, adapters: AdaptersMap) -> Lent:
    """The psycopg connection below ``connection``, with ``adapters`` for our values. Nothing is sent yet.

    Raises ``Invalid`` (CONNECTION_UNSUPPORTED, CONNECTION_CLOSED).
    """
    try:
        if isinstance(connection, OfThread):
            return await connection.thread.run(lambda: _of_thread(connection, adapters))
        return await _of_loop(connection, adapters)
    except InvalidRequestError as error:
        raise Invalid(
            "CONNECTION_CLOSED",
            f"The connection cannot be used: {clause(str(error))}.",
            "Give one that is open, and not invalidated.",
        ) from error


async def _of_loop(connection: Any, adapters: AdaptersMap) -> Lent:
    above = connection if isinstance(connection, AsyncConnection) else None
    driver = connection if above is None else (await above.get_raw_connection()).driver_connection
    if not isinstance(driver, psycopg.AsyncConnection):
        raise _unsupported(driver)
    return LentByLoop(driver, above, adapters)


def _of_thread(given: OfThread, adapters: AdaptersMap) -> Lent:
    above = given.connection if isinstance(given.connection, SyncConnection) else None
    driver: Any = given.connection if above is None else above.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise _unsupported(driver)
    return LentByThread(driver, above, adapters, given.thread)


def _unsupported(connection: object) -> EngineError:
    kind = type(connection)
    return Invalid(
        "CONNECTION_UNSUPPORTED",
        f"{kind.__module__}.{kind.__qualname__} is no connection that can be used here.",
        "Give a connection of psycopg 3, or of SQLAlchemy on psycopg 3: an async one to Engine, another to Engine.sync()."
        " Of a Session: session.connection(); of Django: django.db.connection.connection.",
    )


def _refuse_unusable(driver: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> None:
    """Raises ``Invalid`` or ``Conflict`` unless what is written now is committed by the caller's next commit."""
    if driver.closed:
        raise Invalid("CONNECTION_CLOSED", "The connection is closed.", "Give one that is open.")
    status = driver.info.transaction_status
    if status is TransactionStatus.INERROR:
        raise Conflict(
            "TRANSACTION_FAILED",
            "A statement of the connection's transaction has failed, so nothing more can be written in it.",
            "Roll back, and do the whole transaction again.",
        )
    if status is TransactionStatus.ACTIVE or driver.pgconn.pipeline_status != PipelineStatus.OFF:
        raise Conflict(
            "CONNECTION_BUSY",
            "A statement, a COPY or a pipeline is under way on the connection.",
            "Let it end first; do not share the connection with what runs meanwhile.",
        )
    if driver.autocommit and status is TransactionStatus.IDLE:
        raise Invalid(
            "CONNECTION_AUTOCOMMIT",
            "The connection commits every statement, so there is no transaction to be part of.",
            "Begin one (psycopg: `async with connection.transaction()`), or leave the connection away.",
        )
    if driver.info.encoding != "utf-8":
        raise Invalid(
            "CONNECTION_ENCODING",
            f"The connection's client_encoding is {driver.info.parameter_status('client_encoding')}, in which not every"
            " text can be written.",
            "Give a connection with client_encoding UTF8.",
        )


class _Lent:
    """What SQLAlchemy takes for its driver's connection. Whoever lent it ends the transaction, so ending it does nothing here."""

    def __init__(self, driver: psycopg.AsyncConnection[Any] | psycopg.Connection[Any], adapters: AdaptersMap) -> None:
        self.driver = driver
        self._adapters = adapters

    @property
    def closed(self) -> bool:
        """Whether the connection is closed."""
        return self.driver.closed

    @property
    def broken(self) -> bool:
        """Whether it was lost."""
        return self.driver.broken

    async def commit(self) -> None:
        """Left to the caller."""

    async def rollback(self) -> None:
        """Left to the caller."""

    async def close(self) -> None:
        """Left to the caller."""


class LentByLoop(_Lent):
    """An async connection."""

    driver: psycopg.AsyncConnection[Any]

    def __init__(
        self, driver: psycopg.AsyncConnection[Any], above: AsyncConnection | None, adapters: AdaptersMap
    ) -> None:
        super().__init__(driver, adapters)
        self._above = above

    async def begin(self) -> None:
        """Raises ``Invalid`` or ``Conflict`` unless a transaction is under way, or now is."""
        _refuse_unusable(self.driver)
        if self._above is not None and not self._above.in_transaction():
            # Or SQLAlchemy would not know of the transaction, and its commit would commit nothing.
            await self._above.execute(_BEGIN)
        elif _idle(self.driver):
            await self.cursor().execute(_BEGIN.text)

    def cursor(self) -> _LoopCursor:
        """A cursor for one statement."""
        return _LoopCursor(_AsyncCursor(self.driver, self._adapters))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Everything in the block stays, or nothing of it."""
        block = psycopg.AsyncTransaction(self.driver)
        try:
            await block.__aenter__()
            yield
        except BaseException as error:
            # Also when entering was interrupted: the driver counts the blocks it is in.
            if block.status is block.Status.ACTIVE:
                await block.__aexit__(type(error), error, error.__traceback__)
            raise
        await block.__aexit__(None, None, None)


class LentByThread(_Lent):
    """A connection of a thread that is waiting for us, and does with it what we ask."""

    driver: psycopg.Connection[Any]

    def __init__(
        self,
        driver: psycopg.Connection[Any],
        above: SyncConnection | None,
        adapters: AdaptersMap,
        thread: CallersThread,
    ) -> None:
        super().__init__(driver, adapters)
        self._above = above
        self._thread = thread

    async def begin(self) -> None:
        """As that of ``LentByLoop``."""
        await self._thread.run(self._begin)

    def _begin(self) -> None:
        _refuse_unusable(self.driver)
        if self._above is not None and not self._above.in_transaction():
            self._above.execute(_BEGIN)
        elif _idle(self.driver):
            _SyncCursor(self.driver, self._adapters).execute(_BEGIN.text, prepare=False)

    def cursor(self) -> _ThreadCursor:
        """A cursor for one statement."""
        return _ThreadCursor(_SyncCursor(self.driver, self._adapters), self._thread)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Everything in the block stays, or nothing of it."""
        block = psycopg.Transaction(self.driver)
        try:
            await self._thread.run(block.__enter__)
            yield
        except BaseException as error:
            raised = error
            await self._thread.run(lambda: _leave(block, raised))
            raise
        await self._thread.run(lambda: block.__exit__(None, None, None))


def _leave(block: psycopg.Transaction, error: BaseException) -> None:
    # As in the loop; what was begun in the thread has ended by now.
    if block.status is block.Status.ACTIVE:
        block.__exit__(type(error), error, error.__traceback__)


def _idle(driver: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> bool:
    return driver.info.transaction_status is TransactionStatus.IDLE


Lent: TypeAlias = LentByLoop | LentByThread


class _AsyncCursor(psycopg.AsyncCursor[tuple[Any, ...]]):
    """Reads and writes values as our own connections do, whatever the caller registered on this one."""

    __slots__ = ("_ours",)

    def __init__(self, connection: psycopg.AsyncConnection[Any], adapters: AdaptersMap) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self._ours = adapters

    @property
    def adapters(self) -> AdaptersMap:
        return self._ours


class _SyncCursor(psycopg.Cursor[tuple[Any, ...]]):
    """As ``_AsyncCursor``."""

    __slots__ = ("_ours",)

    def __init__(self, connection: psycopg.Connection[Any], adapters: AdaptersMap) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self._ours = adapters

    @property
    def adapters(self) -> AdaptersMap:
        return self._ours


class _LentCursor:
    """What SQLAlchemy asks of an async driver's cursor."""

    arraysize = 1

    def __init__(self, cursor: psycopg.AsyncCursor[Any] | psycopg.Cursor[Any]) -> None:
        self._cursor = cursor

    async def __aenter__(self) -> _LentCursor:
        return self

    @property
    def pgresult(self) -> Any:
        return self._cursor.pgresult

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    def _close(self) -> None:
        """All rows were fetched, so there is nothing to let go of."""


class _LoopCursor(_LentCursor):
    _cursor: psycopg.AsyncCursor[Any]

    async def execute(self, statement: Any, parameters: Any = None) -> None:
        # A prepared statement would stay on the caller's connection.
        await self._cursor.execute(statement, parameters, prepare=False)

    async def fetchall(self) -> list[Any]:
        return await self._cursor.fetchall()


class _ThreadCursor(_LentCursor):
    _cursor: psycopg.Cursor[Any]

    def __init__(self, cursor: psycopg.Cursor[Any], thread: CallersThread) -> None:
        super().__init__(cursor)
        self._thread = thread

    async def execute(self, statement: Any, parameters: Any = None) -> None:
        await self._thread.run(lambda: self._cursor.execute(statement, parameters, prepare=False))

    async def fetchall(self) -> list[Any]:
        # They have come with the answer; nothing is asked of the server.
        return self._cursor.fetchall()
