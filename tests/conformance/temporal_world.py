"""A Temporal server, a database and a worker, shared by the cases: each case is a tenant of its own."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from temporalio.client import Client, WorkflowHandle

from engine.actions.builtin.catalog import builtin_actions
from engine.actions.registry import ActionRegistry
from engine.actions.secrets import SecretResolver
from engine.activities.dependencies import ActivityDependencies
from engine.contract import workflow_id_for
from engine.interpreter.times import milliseconds_of
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store
from engine.temporal.connection import TemporalConnection
from engine.temporal.data_converter import data_converter
from engine.worker.temporal_worker import build_worker
from tests.conformance.actions import Journal, conformance_actions
from tests.conformance.memory_world import CaseSecrets
from tests.time_skipping import TimeSkipping

IDENTITY = "worker-of-the-cases"
CONNECTIONS = 20


class Clock(Protocol):
    """The clock of a Temporal server, in milliseconds since 1970."""

    margin: int
    """How near to a timer it may come that is not to go off yet."""

    async def now(self) -> int: ...

    async def let_pass(self, milliseconds: int) -> None:
        """Return when it is so much later."""
        ...

    def server_time(self, real: int) -> int:
        """What it showed when every other clock showed ``real``."""
        ...


class RealClock:
    """Of the development server: everybody's."""

    margin = 700

    async def now(self) -> int:
        return _real_time()

    async def let_pass(self, milliseconds: int) -> None:
        await asyncio.sleep(milliseconds / 1000)

    def server_time(self, real: int) -> int:
        return real


class SkippingClock:
    """Of the time-skipping server: runs as the real one, and can be moved forward."""

    margin = 5_000

    def __init__(self, server: TimeSkipping) -> None:
        self._server = server
        self._leads: list[tuple[int, int]] = []
        """(real time, from when on the server's clock led by so much)."""

    async def now(self) -> int:
        now = milliseconds_of(await self._server.now())
        if not self._leads:
            self._leads.append((0, now - _real_time()))
        return now

    async def let_pass(self, milliseconds: int) -> None:
        began = _real_time()
        await self._server.skip(timedelta(milliseconds=milliseconds))
        now = await self.now()
        self._leads.append((began, now - _real_time()))

    def server_time(self, real: int) -> int:
        leads = [lead for since, lead in self._leads if since <= real]
        return real + (leads[-1] if leads else 0)


def _real_time() -> int:
    return time.time_ns() // 1_000_000


class SecretsOfCases:
    """Each tenant has the secrets of its case."""

    def __init__(self) -> None:
        self.of_tenant: dict[str, CaseSecrets] = {}

    async def read(self, name: str, tenant: str) -> str | None:
        case = self.of_tenant.get(tenant)
        return None if case is None else await case.read(name, tenant)


@dataclass
class TemporalWorld:
    """What the cases of one server share. Nothing of a case is visible to another: they are different tenants."""

    client: Client
    clock: Clock
    store: Store
    journals: defaultdict[str, Journal] = field(default_factory=lambda: defaultdict(Journal))
    secrets: SecretsOfCases = field(default_factory=SecretsOfCases)

    def __post_init__(self) -> None:
        actions = conformance_actions(lambda ctx: self.journals[ctx.tenant], quick=True)
        self.registry = ActionRegistry((*builtin_actions(Settings()), *actions))
        config = self.client.config()
        config["data_converter"] = data_converter(self.store)
        self._reading = Client(**config)

    def context(self, tenant: str) -> OperationContext:
        """For operations of a case."""
        temporal = TemporalConnection.from_client(self.client)
        return OperationContext(self.store, temporal, Actor("conformance"), tenant)

    def handle(self, run_id: str) -> WorkflowHandle[Any, Any]:
        """The latest execution of a run; its values are read as a worker reads them."""
        return self._reading.get_workflow_handle(workflow_id_for(run_id))


@asynccontextmanager
async def temporal_world(client: Client, clock: Clock, database_url: str) -> AsyncIterator[TemporalWorld]:
    """A world with a worker, for as long as the block lasts."""
    store = create_store_engine(database_url, pool_size=CONNECTIONS, max_overflow=CONNECTIONS)
    world = TemporalWorld(client, clock, store)
    dependencies = ActivityDependencies(store, world.registry, SecretResolver([world.secrets]), IDENTITY)
    async with build_worker(client, dependencies, sandboxed=True, identity=IDENTITY):
        yield world
    await store.dispose()
