"""The worker's health server: four GET paths, a request per connection, nothing that can be configured wrong.

``/livez``: the process turns. ``/readyz``: every part works. ``/health``: the same with each part's state. ``/metrics``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

MAX_REQUEST_BYTES: Final = 8 * 1024
REQUEST_SECONDS: Final = 5.0
JSON_TYPE: Final = "application/json"
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = JSON_TYPE


Handler = Callable[[], Awaitable[Answer]]


class HealthServer:
    """Serves until it is closed."""

    def __init__(self, host: str, port: int, handlers: dict[str, Handler]) -> None:
        """``handlers`` by path."""
        self._host = host
        self._port = port
        self._handlers = handlers
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on, chosen by the system when 0 was asked for."""
        if self._server is None:
            return self._port
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen. Raises ``OSError`` when the address is taken."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port, limit=MAX_REQUEST_BYTES)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                answer = await self._answer(reader)
                writer.write(_encoded(answer))
                await writer.drain()
        except (TimeoutError, ConnectionError):
            # Whoever asked is gone, or never finished asking.
            return
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return Answer(HTTPStatus.BAD_REQUEST)
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != 3:
            return Answer(HTTPStatus.BAD_REQUEST)
        method, target, _ = words
        handler = self._handlers.get(target.partition("?")[0])
        if handler is None:
            return Answer(HTTPStatus.NOT_FOUND)
        if method != "GET":
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED)
        return await handler()


def json_answer(value: Any, *, well: bool) -> Answer:
    """200 when ``well``, else 503."""
    status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(status, json.dumps(value).encode() + b"\n")


def _encoded(answer: Answer) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + answer.body
