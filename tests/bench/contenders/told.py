"""Waiting until a run waits, told by Postgres: one listening connection, and one look at a run for each notice of it."""

from __future__ import annotations

import asyncio

from engine.store.database.connecting import libpq_url
from engine.store.database.notifications import RUNS, notices
from engine.store.database.transactions import Store, writing_at_once
from engine.store.runs.runs import load_statuses


class Told:
    """Hears of the runs of one tenant from ``open`` to ``close``."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._store, self._tenant = store, tenant
        self._heard: dict[str, asyncio.Event] = {}
        self._listening = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen. Raises what listening raised."""
        self._task = asyncio.create_task(self._listen())
        listening = asyncio.create_task(self._listening.wait())
        done, _ = await asyncio.wait((self._task, listening), return_when=asyncio.FIRST_COMPLETED)
        if self._task in done:
            listening.cancel()
            self._task.result()

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def waiting(self, run_id: str, seconds: float) -> None:
        """Return when the run waits. Raises TimeoutError after so many seconds, AssertionError when it has ended instead."""
        heard = self._heard.setdefault(run_id, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                while (status := await self._status(run_id)) != "WAITING":
                    assert status == "RUNNING", f"The run is {status}, and does not wait."
                    await heard.wait()
                    heard.clear()
        finally:
            del self._heard[run_id]

    async def _status(self, run_id: str) -> str | None:
        async with writing_at_once(self._store) as connection:
            return (await load_statuses(connection, self._tenant, [run_id])).get(run_id)

    async def _listen(self) -> None:
        url = libpq_url(self._store.url)
        async for notice in notices(url, (RUNS,), application_name="bench", listening=self._listening.set):
            tenant, _, run_id = notice.payload.partition(":")
            if tenant == self._tenant and run_id in self._heard:
                self._heard[run_id].set()
