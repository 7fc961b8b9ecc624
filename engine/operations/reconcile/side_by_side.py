"""Work for many rows, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from temporalio.service import RPCError

from engine.errors import EngineError, Unavailable
from engine.store.database.engine import LOCKED

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE: Final = 16
"""Calls to Temporal in flight."""


async def each(items: Sequence[Item], work: Callable[[Item], Awaitable[Result]]) -> list[Result]:
    """``work`` for every item, a few at a time; the results in the order of the items.

    The first exception is raised once what was begun has ended; nothing more is begun then. (Nothing is cancelled: a call to
    Temporal that is cancelled lives on in the SDK.)
    """
    waiting = iter(enumerate(items))
    results: dict[int, Result] = {}
    failures: list[BaseException] = []

    async def drain() -> None:
        for index, item in waiting:
            if failures:
                return
            try:
                results[index] = await work(item)
            except (RPCError, EngineError) as error:
                failures.append(error)

    await asyncio.gather(*(drain() for _ in range(min(AT_ONCE, len(items)))))
    if failures:
        raise failures[0]
    return [results[index] for index in range(len(items))]


def is_of_all(error: Exception) -> bool:
    """Whether the other rows would meet this as well. A row that somebody holds, and what is unforeseen, is of one row alone."""
    return isinstance(error, RPCError) or (isinstance(error, Unavailable) and error.code != LOCKED)
