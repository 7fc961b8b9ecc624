"""The backends the contract is checked on. A scenario says what exists in a backend; the tests use nothing else of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.client import Client

from engine.devstack.postgres import EmbeddedPostgres
from engine.ids import new_id
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.domain.models import Json, RunId, RunStatus
from runstudio_tui.domain.query import RunQuery
from runstudio_tui.ports import Backend

from .engine_world import EVENT, FAILURE, KEY, VALID, WORKFLOW, engine_world


@dataclass
class Scenario:
    """An open backend and what is in it."""

    backend: Backend
    workflow_id: str
    """A workflow that can be started, with a payload schema."""
    version: int
    valid: Json
    """A payload the schema takes."""
    invalid: Json
    """One it refuses."""
    succeeded: RunId
    """A run with steps, tries, a payload and an output."""
    failed: RunId
    failed_code: str
    waiting: RunId
    """A run that waits for an event."""
    waiting_event: str
    waiting_key: str
    masked: str
    """JSON pointer of a masked value in the payload of ``waiting``."""
    total: int
    """Runs there are; at least 8."""


@asynccontextmanager
async def fake_scenario() -> AsyncIterator[Scenario]:
    """The demo world."""
    clock = ManualClock(datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC))
    backend = demo_backend(clock, past=60)
    await backend.open()

    def newest(**conditions: Any) -> RunId:
        return backend.world.select(RunQuery(**conditions))[0].run_id

    waiting = newest(workflow="order", statuses=frozenset({RunStatus.WAITING}))
    yield Scenario(
        backend=backend,
        workflow_id="order-fulfilment",
        version=3,
        valid={"order_id": "ORD-1", "amount": 1, "lines": []},
        invalid={"order_id": 1},
        succeeded=newest(workflow="order", statuses=frozenset({RunStatus.SUCCEEDED})),
        failed=newest(error_code="PO_NOT_FOUND"),
        failed_code="PO_NOT_FOUND",
        waiting=waiting,
        waiting_event="carrier.picked_up",
        waiting_key="ORD-1042",
        masked="/card_token",
        total=len(backend.world.runs),
    )
    await backend.close()


@asynccontextmanager
async def engine_scenario(database_url: str, temporal: Client) -> AsyncIterator[Scenario]:
    """The engine, with runs a worker has executed."""
    async with engine_world(database_url, temporal) as world:
        yield Scenario(
            backend=world.backend,
            workflow_id=WORKFLOW,
            version=1,
            valid=VALID,
            invalid={"order_id": 1},
            succeeded=RunId(world.succeeded),
            failed=RunId(world.failed),
            failed_code=FAILURE,
            waiting=RunId(world.waiting),
            waiting_event=EVENT,
            waiting_key=KEY,
            masked="/card_token",
            total=world.total,
        )


@pytest.fixture(scope="module", params=("engine", "fake"))
def servers(request: pytest.FixtureRequest) -> Iterator[tuple[str, Client] | None]:
    """Database and Temporal of the engine; None for the fake, which needs neither."""
    if request.param == "fake":
        yield None
        return
    postgres: EmbeddedPostgres = request.getfixturevalue("postgres")
    name = f"contract_{new_id().replace('-', '')}"
    url = postgres.create_database(name, template=request.getfixturevalue("migrated_template"))
    yield url, request.getfixturevalue("temporal")
    postgres.drop_database(name)


@pytest.fixture(scope="module")
async def shared_scenario(servers: tuple[str, Client] | None) -> AsyncIterator[Scenario]:
    """Each backend in turn, in one world for tests that change nothing."""
    async with fake_scenario() if servers is None else engine_scenario(*servers) as made:
        yield made


@pytest.fixture
async def own_scenario(servers: tuple[str, Client] | None) -> AsyncIterator[Scenario]:
    """Each backend in turn, in a world of this test's own."""
    async with fake_scenario() if servers is None else engine_scenario(*servers) as made:
        yield made
