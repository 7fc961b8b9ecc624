"""Worker hosts in the process of the test, and what their health servers say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from engine.settings import Settings
from engine.worker.host import WorkerHost
from tests.engine.operations.conftest import until


def settings(database_url: str, temporal_address: str, **changes: Any) -> Settings:
    """Of a worker on these servers."""
    return Settings.load(database_url=database_url, temporal_address=temporal_address, **changes)


@asynccontextmanager
async def running(given: Settings, action_modules: Sequence[str] = ()) -> AsyncIterator[WorkerHost]:
    """A started worker; stopped in order at the end."""
    host, stop = WorkerHost(given, action_modules), asyncio.Event()
    try:
        await host.start(stop)
        yield host
    finally:
        await host.stop()


async def get(host: WorkerHost, path: str) -> httpx.Response:
    """What the health server answers."""
    async with httpx.AsyncClient(timeout=250) as client:
        return await client.get(f"http://127.0.0.1:{host.health.port}{path}")


async def ready(host: WorkerHost) -> None:
    """Wait until every part works."""

    async def is_ready() -> bool:
        return (await get(host, "/readyz")).status_code == 200

    await until(is_ready, seconds=90)
