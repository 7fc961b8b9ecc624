"""A worker that shuts down meets no eager start: the SDK's list of workers and Python's lock would be taken in both orders."""

from __future__ import annotations

import asyncio

from engine.temporal.eager_starts import eager_start
from engine.worker.temporal_worker import build_worker
from tests.engine.operations.conftest import until
from tests.engine.workflow.harness import Bench


async def test_a_worker_shuts_down_when_no_start_of_its_connection_is_under_way(idle_bench: Bench) -> None:
    client = idle_bench.client
    worker = build_worker(client, idle_bench.dependencies, sandboxed=False, identity="w")
    async with eager_start(client) as eager:
        assert eager
        running = asyncio.create_task(worker.run())
        stopping = asyncio.create_task(worker.shutdown())

        async def is_held() -> bool:
            async with eager_start(client) as another:
                return not another

        await until(is_held)
        assert not worker._shutdown_event.is_set()
    await stopping
    await running
    async with eager_start(client) as eager:
        assert eager, "the next worker of the connection has them again"
