"""The health server: four paths, and nothing a client sends can hurt it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
import pytest_asyncio

from engine.worker.health import Answer, HealthServer, json_answer


@pytest_asyncio.fixture
async def server() -> AsyncIterator[HealthServer]:
    async def well() -> Answer:
        return json_answer({"ok": True}, well=True)

    async def unwell() -> Answer:
        return json_answer({"ok": False}, well=False)

    serving = HealthServer("127.0.0.1", 0, {"/well": well, "/unwell": unwell})
    await serving.start()
    yield serving
    await serving.close()


async def send(server: HealthServer, request: bytes) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(-1), 60)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return int(head.split(b" ")[1]), body


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        (b"GET /well HTTP/1.1", HTTPStatus.OK, b'{"ok": true}\n'),
        (b"GET /well?verbose=1 HTTP/1.1", HTTPStatus.OK, b'{"ok": true}\n'),
        (b"GET /unwell HTTP/1.1", HTTPStatus.SERVICE_UNAVAILABLE, b'{"ok": false}\n'),
        (b"GET /other HTTP/1.1", HTTPStatus.NOT_FOUND, b""),
        (b"POST /well HTTP/1.1", HTTPStatus.METHOD_NOT_ALLOWED, b""),
        (b"nonsense", HTTPStatus.BAD_REQUEST, b""),
        (b"\x00\xff \x1b]0; \r", HTTPStatus.NOT_FOUND, b""),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1", HTTPStatus.BAD_REQUEST, b""),
    ],
)
async def test_answers(server: HealthServer, request_line: bytes, status: HTTPStatus, body: bytes) -> None:
    assert await send(server, request_line + b"\r\nHost: x\r\n\r\n") == (status, body)


async def test_a_client_that_never_finishes_asking_is_let_go(
    server: HealthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as impatient:
        impatient.setattr("engine.worker.health.REQUEST_SECONDS", 0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /well")
        assert await asyncio.wait_for(reader.read(-1), 60) == b""
        writer.close()
    assert (await send(server, b"GET /well HTTP/1.1\r\n\r\n"))[0] == HTTPStatus.OK
