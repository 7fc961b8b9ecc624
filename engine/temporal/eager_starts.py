"""Eager starts, kept apart from a worker that shuts down: where the two met, the process stood still for good.

A start that asks to begin at once reserves a slot at a worker of the same connection. The SDK holds its list of the
connection's workers for that, and waits for Python's lock to ask our slot supplier; a worker that shuts down has Python's lock,
and waits to be taken off the list (seen with temporalio 1.35.0). All of one connection must be in one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from temporalio.client import Client
from temporalio.service import ServiceClient


@dataclass(slots=True)
class _Starts:
    """Of one connection."""

    under_way: int = 0
    holders: int = 0
    """Workers that shut down."""
    waiting: list[asyncio.Event] = field(default_factory=list)


_STARTS: Final[WeakKeyDictionary[ServiceClient, _Starts]] = WeakKeyDictionary()


@asynccontextmanager
async def eager_start(client: Client) -> AsyncIterator[bool]:
    """Whether the start that the block makes may ask to begin at once: not while a worker of the connection shuts down."""
    starts = _of(client)
    if starts.holders:
        yield False
        return
    starts.under_way += 1
    try:
        yield True
    finally:
        starts.under_way -= 1
        if not starts.under_way:
            for idle in starts.waiting:
                idle.set()
            starts.waiting.clear()


async def hold_eager_starts(client: Client) -> None:
    """Allow no further ones on the connection, and wait for those under way; each takes some seconds at most."""
    starts = _of(client)
    starts.holders += 1
    if starts.under_way:
        idle = asyncio.Event()
        starts.waiting.append(idle)
        await idle.wait()


def allow_eager_starts(client: Client) -> None:
    """Take one ``hold_eager_starts`` back."""
    _of(client).holders -= 1


def _of(client: Client) -> _Starts:
    return _STARTS.setdefault(client.service_client, _Starts())
