"""A worker shuts down only when no eager start of its connection is under way, and none begins meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from temporalio.client import Client

from engine.temporal.eager_starts import allow_eager_starts, eager_start, hold_eager_starts


class Connection:
    """Stands for a service client."""


class Clients:
    """Two clients of one connection, as a worker and a producer in its process have."""

    def __init__(self) -> None:
        self.service_client = Connection()


def client_of(clients: Any) -> Client:
    """What is asked of a client is its connection."""
    return cast("Client", clients)


async def test_starts_may_be_eager_while_no_worker_shuts_down() -> None:
    client = client_of(Clients())
    async with eager_start(client) as first, eager_start(client) as second:
        assert (first, second) == (True, True)


async def test_who_holds_waits_for_those_under_way_and_lets_no_other_begin() -> None:
    client, other = client_of(Clients()), client_of(Clients())
    async with eager_start(client), eager_start(client):
        holding = asyncio.create_task(hold_eager_starts(client))
        await asyncio.sleep(0)
        assert not holding.done()
        async with eager_start(client) as late, eager_start(other) as elsewhere:
            assert (late, elsewhere) == (False, True)
    await holding
    async with eager_start(client) as later:
        assert later is False
    allow_eager_starts(client)
    async with eager_start(client) as again:
        assert again is True


async def test_a_start_that_fails_is_under_way_no_longer() -> None:
    client = client_of(Clients())
    try:
        async with eager_start(client):
            raise ConnectionError
    except ConnectionError:
        await hold_eager_starts(client)
