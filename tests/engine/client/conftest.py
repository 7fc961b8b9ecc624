"""An engine as a program has it, on real servers, and a worker where runs are to be executed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from engine import Engine
from engine.worker.host import WorkerHost
from tests.engine.operations.conftest import context, execute, query, store
from tests.engine.pooled import database_url, direct_database_url
from tests.engine.worker.hosts import ready, running, settings

__all__ = ["context", "database_url", "direct_database_url", "execute", "query", "store"]

ORDER = {
    "id": "order",
    "version": 1,
    "name": "Order",
    "payloadSchemaRef": "payload.Order.v1",
    "steps": [
        {
            "id": "paid",
            "type": "event.wait",
            "config": {"eventName": "order.paid", "correlationKey": {"$expr": "payload.orderId"}},
        },
        {"id": "note", "type": "transform.assign", "config": {"assign": {"vars.paid": {"$expr": "vars.event.amount"}}}},
    ],
}
ORDER_SCHEMA = {"type": "object", "required": ["orderId"], "properties": {"orderId": {"type": "string"}}}


@pytest.fixture
def environment(database_url: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a program names the servers."""
    variables = {"DATABASE_URL": database_url, "TEMPORAL_ADDRESS": temporal_address}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def past_the_pooler(environment: dict[str, str], direct_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test that counts our sessions: the pooler keeps its own."""
    monkeypatch.setenv("DATABASE_URL", direct_database_url)


@pytest_asyncio.fixture
async def engine(environment: dict[str, str], context: object) -> AsyncIterator[Engine]:
    """Open, and the workflow ``order`` is published, which waits for ``order.paid`` of its order."""
    async with Engine.from_env(actor="billing-service") as made:
        await made.events.set_correlation_paths({"order.paid": ["orderId"]})
        await made.workflows.publish(ORDER, payload_schema=ORDER_SCHEMA)
        yield made


@pytest_asyncio.fixture
async def worker(database_url: str, temporal_address: str) -> AsyncIterator[WorkerHost]:
    """A worker that is ready."""
    async with running(settings(database_url, temporal_address)) as host:
        await ready(host)
        yield host
