"""Who is let in: the bearer of the token, from this machine, by its address, from no page but its own."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.tui.serve.conftest import PATIENCE_SECONDS, Served, start


async def status(served: Served, path: str, **headers: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{served.origin}{path}", headers=headers, allow_redirects=False) as response,
    ):
        await response.read()
        return response.status


async def websocket(served: Served, path: str, **headers: str) -> int:
    """101 when it is opened, else what the refusal was."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(f"{served.origin}{path}", headers=headers):
                return 101
        except aiohttp.WSServerHandshakeError as refused:
            return refused.status


async def test_only_the_token_opens_anything(served: Served) -> None:
    wrong = served.token[:-1] + ("A" if served.token[-1] != "A" else "B")
    inside = ("", "static/js/textual.js", "static/css/xterm.css")
    assert [await status(served, f"/{served.token}/{path}") for path in inside] == [200, 200, 200]
    paths = [
        *(f"/{wrong}/{path}" for path in inside),
        *(f"/{path}" for path in inside),
        f"/{wrong}",
        f"//{served.token}/",
    ]
    paths += [f"/?token={served.token}", "/ws", f"/static/{served.token}/", "/download/x", f"/{served.token[:10]}/"]
    for path in paths:
        assert await status(served, path) == 403, path


async def test_the_websocket_is_behind_the_same_checks(served: Served) -> None:
    ours = {"Origin": served.origin}
    assert await websocket(served, f"/{served.token}/ws", **ours) == 101
    assert await websocket(served, "/ws", **ours) == 403
    assert await websocket(served, f"/{served.token[:-1]}/ws", **ours) == 403
    assert await websocket(served, f"/{served.token}/ws") == 403
    for origin in (
        "http://evil.example",
        "null",
        f"http://localhost:{served.port}",
        f"https://127.0.0.1:{served.port}",
    ):
        assert await websocket(served, f"/{served.token}/ws", Origin=origin) == 403, origin
    assert await websocket(served, f"/{served.token}/ws", Host=f"evil.example:{served.port}", **ours) == 403


async def test_another_name_for_this_machine_is_refused(served: Served) -> None:
    for host in (
        f"evil.example:{served.port}",
        "127.0.0.1",
        f"localhost:{served.port}",
        f"127.0.0.1.nip.io:{served.port}",
    ):
        assert await status(served, f"/{served.token}/", Host=host) == 403, host
    assert await status(served, f"/{served.token}/", Origin="http://evil.example") == 403


async def test_the_page_loads_nothing_from_elsewhere(served: Served) -> None:
    async with aiohttp.ClientSession() as session, session.get(served.address) as response:
        page = await response.text()
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["Referrer-Policy"] == "no-referrer"
    assert set(re.findall(r"\w+://[^/\"]+", page)) == {f"ws://127.0.0.1:{served.port}"}


def test_it_listens_on_loopback_alone(served: Served) -> None:
    listening = [
        connection.laddr
        for connection in psutil.Process(served.process.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == [("127.0.0.1", served.port)]


async def opened(served: Served, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    """A studio, once it draws."""
    socket = await session.ws_connect(f"{served.address}ws?width=80&height=24", headers={"Origin": served.origin})
    drawn = b""
    while b"order-fulfilment" not in drawn:
        drawn += (await socket.receive(PATIENCE_SECONDS)).data
    return socket


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_no_studio_outlives_the_server(served: Served, end: signal.Signals) -> None:
    async with aiohttp.ClientSession() as session:
        await opened(served, session)
        studios = served.studios()
        assert len(studios) == 1
        served.process.send_signal(end)
        await asyncio.to_thread(psutil.wait_procs, studios, PATIENCE_SECONDS)
        assert not any(studio.is_running() for studio in studios)
    # Their log; that nobody read to the end is no bug of theirs.
    assert "bug" not in (served.home / ".local" / "state" / "runstudio" / "studio.log").read_text()
    assert served.process.wait(PATIENCE_SECONDS) in (0, -end)


async def test_a_studio_ends_with_its_page(served: Served) -> None:
    async with aiohttp.ClientSession() as session:
        first, second = await opened(served, session), await opened(served, session)
        studios = served.studios()
        assert len(studios) == 2
        await first.close()
        await second.close()
        await asyncio.to_thread(psutil.wait_procs, studios, PATIENCE_SECONDS)
    assert served.studios() == []


def test_a_port_that_is_taken(served: Served, tmp_path: Path) -> None:
    second = start(tmp_path, "--demo", "serve", "--port", str(served.port))
    out, err = second.communicate(timeout=PATIENCE_SECONDS)
    assert (second.returncode, out) == (5, "")
    assert f"PORT_UNAVAILABLE: Port {served.port} of 127.0.0.1 cannot be used: Address already in use." in err


def test_the_token_is_another_one_at_every_start(served: Served, tmp_path: Path) -> None:
    second = start(tmp_path, "--demo", "serve")
    assert second.stdout is not None
    address = second.stdout.readline()
    second.terminate()
    out, err = second.communicate(timeout=PATIENCE_SECONDS)
    token = address.rstrip().split("/")[-2]
    assert len(token) == len(served.token)
    assert token != served.token
    assert token not in out + err


def test_without_a_database_it_is_refused_before_a_browser_is_opened(tmp_path: Path) -> None:
    refused: subprocess.Popen[str] = start(tmp_path, "serve")
    out, err = refused.communicate(timeout=PATIENCE_SECONDS)
    assert (refused.returncode, out) == (2, "")
    assert "DATABASE_URL_MISSING" in err
