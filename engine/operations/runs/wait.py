"""Waiting for the end of runs: one listening connection and one slow poll, however many wait."""

from __future__ import annotations

import asyncio
from typing import Final

from engine.errors import EngineError, TimedOut, Unavailable
from engine.operations.context import OperationContext
from engine.store.database.connecting import libpq_url
from engine.store.database.notifications import RUNS, ListenPooled, notices
from engine.store.database.reader import run_id_text, run_not_found
from engine.store.database.transactions import writing_at_once
from engine.store.runs.runs import load_statuses
from engine.store.tables import ACTIVE_RUN_STATUSES

POLL_SECONDS: Final = 5.0
"""How often the waited for runs are looked at although nothing was told of them."""
LISTEN_AGAIN_SECONDS: Final = 1.0


class RunWaits:
    """All waits of one program for runs of one tenant. To be closed at the end."""

    def __init__(self, context: OperationContext, listen_url: str | None = None) -> None:
        """``listen_url``: the database for a connection that listens; None: that of the store."""
        self._context = context
        self._url = listen_url or libpq_url(context.store.url)
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._told: set[str] = set()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._one_look = asyncio.Lock()
        self._next_look: tuple[set[str], asyncio.Task[dict[str, str]]] | None = None

    async def ended(self, run_id: str, timeout: float | None = None) -> None:
        """Return when the run has ended; at once when it has already.

        ``timeout``: seconds, None is for ever; the run is looked at once, however short it is. Raises ``NotFound``
        (RUN_NOT_FOUND), ``TimedOut`` (WAIT_TIMED_OUT), ``Unavailable`` when Postgres does not answer the first look; later it
        is waited for.
        """
        run_id = run_id_text(run_id)
        self._start()
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Before the look: whatever ends the run after it finds us waiting.
        waiting = self._waiting.setdefault(run_id, set())
        waiting.add(end)
        try:
            status = await self._status(run_id)
            if status is None:
                raise run_not_found(run_id)
            if status in ACTIVE_RUN_STATUSES:
                await _within(end, timeout, run_id)
        finally:
            waiting.discard(end)
            if not waiting and self._waiting.get(run_id) is waiting:
                del self._waiting[run_id]

    async def close(self) -> None:
        """Stop listening. Who still waits is told so by ``EngineError`` (ENGINE_CLOSED)."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._raise_in_all(EngineError("ENGINE_CLOSED", "The engine was closed.", "Wait before it is closed."))

    def _start(self) -> None:
        if not self._tasks:
            # Each opening may be in an event loop of its own, and an asyncio event stays with the loop it was waited for in.
            self._news = asyncio.Event()
            self._one_look, self._next_look = asyncio.Lock(), None
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._look())]
            for task in self._tasks:
                task.add_done_callback(self._failed)

    def _failed(self, task: asyncio.Task[None]) -> None:
        """Raise what ended a task in all who wait: nobody would look for them any more. The next wait starts both anew."""
        if task.cancelled() or (error := task.exception()) is None or task not in self._tasks:
            return
        for other in self._tasks:
            other.cancel()
        self._tasks = []
        self._raise_in_all(error)

    def _raise_in_all(self, error: BaseException) -> None:
        for end in [end for waiting in self._waiting.values() for end in waiting]:
            if not end.done():
                end.set_exception(error)

    async def _listen(self) -> None:
        while True:
            try:
                told = notices(
                    self._url, (RUNS,), application_name="runstudio waits", listening=lambda: self._tell(*self._waiting)
                )
                async for notice in told:
                    tenant, _, run_id = notice.payload.partition(":")
                    if tenant == self._context.tenant and run_id in self._waiting:
                        self._tell(run_id)
            except ListenPooled:
                return
            except Unavailable:
                # Postgres is away; whoever looks says so.
                pass
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    def _tell(self, *run_ids: str) -> None:
        self._told.update(run_ids)
        self._news.set()

    async def _look(self) -> None:
        while True:
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                self._told.update(self._waiting)
            self._news.clear()
            told, self._told = [run_id for run_id in self._told if run_id in self._waiting], set()
            if told:
                try:
                    self._wake(await self._statuses(told))
                except Unavailable as away:
                    # Without an answer the next poll asks again.
                    if not away.retryable:
                        raise

    def _wake(self, statuses: dict[str, str]) -> None:
        for run_id, status in statuses.items():
            if status not in ACTIVE_RUN_STATUSES:
                for end in self._waiting.get(run_id, ()):
                    if not end.done():
                        end.set_result(None)

    async def _status(self, run_id: str) -> str | None:
        """Look at a run. All who ask while a look is under way share the next one, so that many waits need one connection."""
        if self._next_look is None:
            asked: set[str] = set()
            self._next_look = asked, asyncio.create_task(self._look_at(asked))
        asked, look = self._next_look
        asked.add(run_id)
        return (await asyncio.shield(look)).get(run_id)

    async def _look_at(self, asked: set[str]) -> dict[str, str]:
        async with self._one_look:
            if self._next_look is not None and self._next_look[0] is asked:
                self._next_look = None
            return await self._statuses(list(asked))

    async def _statuses(self, run_ids: list[str]) -> dict[str, str]:
        async with writing_at_once(self._context.store) as connection:
            return await load_statuses(connection, self._context.tenant, run_ids)


async def _within(end: asyncio.Future[None], timeout: float | None, run_id: str) -> None:
    done, _ = await asyncio.wait((end,), timeout=timeout)
    if not done:
        raise TimedOut(
            "WAIT_TIMED_OUT",
            f"The run {run_id} has not ended within {timeout:g} s.",
            "It goes on; wait again, or ask why it is not moving.",
            {"runId": run_id, "seconds": timeout},
        )
    end.result()
