"""What the network between may do to a call: names, addresses, proxies, and redirects that lead nowhere."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

import pytest

from engine.actions.builtin import http_addresses
from engine.actions.builtin.http_exchange import Network
from engine.actions.builtin.http_hosts import AllowedHosts
from engine.errors import StepFailure
from tests.engine.actions.test_http_trust import ANSWERS, Call, call, plain

__all__ = ["call", "plain"]


async def test_a_redirect_that_cannot_be_read_is_no_passing_trouble(
    call: Call, plain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for has been done, and a repeat would do it again."""
    monkeypatch.setitem(ANSWERS, "/unreadable", ({"location": "http://[:::1]/"}, b""))
    with pytest.raises(StepFailure, match="url is not valid: Invalid IPv6 address") as failed:
        await call(f"http://127.0.0.1:{plain}/unreadable", method="POST")
    assert (failed.value.category, failed.value.code) == ("ValidationError", "HTTP_URL_INVALID")


async def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    call: Call, plain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def looked_up(_host: str, _port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.3", "127.0.0.1"]

    monkeypatch.setattr(http_addresses, "_looked_up", looked_up)
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.2", plain))
        full.listen(0)
        for _ in range(4):
            # Nobody takes them, and the next one is not answered.
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.2", plain))
        output = await call(f"http://a.localhost:{plain}/gzip", "*.localhost", timeout_seconds=6.0)
    assert output["json"] == [1]


@pytest.mark.parametrize(
    ("answer", "category", "code"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required", "ActionError", "HTTP_PROXY_REFUSED"),
        (b"HTTP/1.1 403 Forbidden", "ActionError", "HTTP_PROXY_REFUSED"),
        (b"HTTP/1.1 503 Busy", "TransientError", "HTTP_UNREACHABLE"),
        (b"SSH-2.0", "TransientError", "HTTP_UNREACHABLE"),
    ],
)
async def test_what_a_proxy_refuses_is_no_passing_trouble(call: Call, answer: bytes, category: str, code: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer + b"\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        with pytest.raises(StepFailure) as failed:
            await call("https://a.example/", network=Network(AllowedHosts(["*"]), f"http://127.0.0.1:{port}"))
    assert (failed.value.category, failed.value.code) == (category, code)


@pytest.mark.parametrize("code", ["EAI_AGAIN", "EAI_FAIL", "EAI_SYSTEM", "EAI_MEMORY"])
async def test_a_look_up_that_fails_says_nothing_of_the_name(
    call: Call, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def looked_up(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(getattr(socket, code), "Too many open files")

    monkeypatch.setattr(http_addresses, "_looked_up", looked_up)
    with pytest.raises(StepFailure) as failed:
        await call("http://a.example/", "*")
    assert (failed.value.category, failed.value.code) == ("TransientError", "HTTP_UNREACHABLE")
