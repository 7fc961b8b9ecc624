"""What goes over the wire to Postgres: the statements sent, and the round trips they take."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import psycopg
import pytest
from psycopg.pq import Trace


def statements_sent(monkeypatch: pytest.MonkeyPatch, reading: str) -> list[tuple[str, Any]]:
    """The statements that read the table ``reading`` from now on, with their parameters."""
    sent: list[tuple[str, Any]] = []
    execute = psycopg.AsyncCursor.execute

    async def recording(cursor: Any, statement: Any, parameters: Any = None, **options: Any) -> Any:
        text = statement.decode() if isinstance(statement, bytes) else statement
        if f"FROM {reading}" in text:
            sent.append((text, parameters))
        return await execute(cursor, statement, parameters, **options)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", recording)
    return sent


class _Sums(NamedTuple):
    """Of all connections, from their beginning."""

    trips: int = 0
    statements: int = 0
    received: int = 0


class RoundTrips:
    """Counts how often this process waited for Postgres, what it sent and was sent, on all connections it opens from now on.

    libpq writes down every message. A client waits after a Sync (what was sent before it is answered together), and after a
    Query, which is one statement of the simple protocol.
    """

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._directory = directory
        self._before = _Sums()
        connect = psycopg.AsyncConnection.connect

        async def traced(*arguments: Any, **named: Any) -> Any:
            connection = await connect(*arguments, **named)
            file = (directory / str(connection.info.backend_pid)).open("wb")
            _trace(connection, file)
            self._traced.append((connection, file))
            return connection

        self._traced: list[tuple[psycopg.AsyncConnection[Any], BinaryIO]] = []
        monkeypatch.setattr(psycopg.AsyncConnection, "connect", traced)

    def start(self) -> None:
        """Count from here."""
        self._before = self._sums()

    @property
    def count(self) -> int:
        """Round trips since ``start``."""
        return self._sums().trips - self._before.trips

    @property
    def statements(self) -> int:
        """Statements sent since ``start``, the beginnings and ends of transactions among them."""
        return self._sums().statements - self._before.statements

    @property
    def received(self) -> int:
        """Bytes received since ``start``."""
        return self._sums().received - self._before.received

    def _sums(self) -> _Sums:
        for connection, _ in self._traced:
            if not connection.closed:
                # What it has written so far is in the file when it stops.
                connection.pgconn.untrace()
        messages = [line.split("\t") for path in self._directory.iterdir() for line in path.read_text().splitlines()]
        for connection, file in self._traced:
            if not connection.closed:
                _trace(connection, file)
        sent = [message[2] for message in messages if message[0] == "F"]
        return _Sums(
            trips=sum(name in {"Sync", "Query"} for name in sent),
            statements=sum(name in {"Execute", "Query"} for name in sent),
            received=sum(int(message[1]) for message in messages if message[0] == "B"),
        )


def _trace(connection: psycopg.AsyncConnection[Any], file: BinaryIO) -> None:
    connection.pgconn.trace(file.fileno())
    connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
