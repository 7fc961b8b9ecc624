"""A Temporal that takes connections and stands still: said soon, in a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from engine.errors import Unavailable
from engine.settings import Settings
from engine.temporal import client
from engine.temporal.answering import is_silent
from engine.temporal.client import connect_temporal
from tests.engine.workflow.harness import PATIENCE_SECONDS


@pytest_asyncio.fixture
async def silent() -> AsyncIterator[str]:
    """The address of a server that takes connections and says nothing."""
    ended = asyncio.Event()

    async def keep(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.transport.abort()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"{host}:{port}"
    ended.set()
    server.close()


@pytest.mark.parametrize("tls", [False, True])
async def test_a_server_that_stands_still_is_silent(silent: str, tls: bool) -> None:
    assert await is_silent(silent, tls=tls, seconds=0.1)


async def test_a_server_that_answers_is_not(temporal_address: str) -> None:
    assert not await is_silent(temporal_address, tls=False, seconds=PATIENCE_SECONDS)
    # It speaks no TLS, and says so.
    assert not await is_silent(temporal_address, tls=True, seconds=PATIENCE_SECONDS)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "no.such.host.invalid:7233", "host", "[::1]:1", "x:y", "127.0.0.1:99999"]
)
async def test_nobody_at_all_is_for_the_sdk_to_tell(address: str) -> None:
    assert not await is_silent(address, tls=False, seconds=PATIENCE_SECONDS)


async def test_whoever_connects_is_told_and_does_not_wait_for_the_sdk(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CONNECT_TIMEOUT", timedelta(seconds=0.1))
    with pytest.raises(Unavailable, match="takes connections and does not answer") as told:
        await connect_temporal(Settings.load(temporal_address=silent))
    assert told.value.code == "TEMPORAL_UNAVAILABLE"
    assert silent in told.value.message
