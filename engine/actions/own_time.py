"""The time limit of an action that works on the engine's database: it does not run while the database stands still, or while
somebody else holds what the action's statement needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from engine.store.database.engine import backend_of
from engine.store.database.single_statement import until_it_goes_on
from engine.store.database.transactions import Connection, Store

Answer = TypeVar("Answer")

LOOK_EVERY_SECONDS: Final = 0.25
"""How long an action has run before it is looked whether the database goes on, and how long between two looks."""


async def within_own_time(
    timer: asyncio.Timeout, connection: Connection, call: Callable[[], Awaitable[Answer]]
) -> Answer:
    """What ``call`` gives, inside ``timer``, whose end is put off by the time in which the database did not answer, or the
    transaction of ``connection`` waited for a lock.
    """
    loop = asyncio.get_running_loop()
    store, backend = connection.engine, backend_of(connection)
    watching: list[asyncio.Task[None]] = []
    # A task of its own costs more than most actions take.
    begin = loop.call_later(
        LOOK_EVERY_SECONDS, lambda: watching.append(loop.create_task(_watch(timer, store, backend)))
    )
    try:
        return await call()
    finally:
        begin.cancel()
        for watch in watching:
            watch.cancel()


async def _watch(timer: asyncio.Timeout, store: Store, backend: int | None) -> None:
    loop = asyncio.get_running_loop()
    while (due := timer.when()) is not None and not timer.expired():
        asked = loop.time()
        timer.reschedule(None)
        try:
            await until_it_goes_on(store, backend)
        except Exception:
            # Where nobody can tell, its time counts.
            timer.reschedule(due)
            raise
        timer.reschedule(due + loop.time() - asked)
        await asyncio.sleep(LOOK_EVERY_SECONDS)
