"""The backends the contract is checked on. A scenario says what exists in a backend; the tests use nothing else of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url
from temporalio.client import Client

from engine.client import Engine
from engine.devstack.postgres import EmbeddedPostgres
from engine.errors import EngineError
from engine.ids import new_id
from engine.records import Json, RunFilter, RunStatus
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock
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
    succeeded: str
    """A run with steps, tries, a payload and an output."""
    failed: str
    failed_code: str
    waiting: str
    """A run that waits for an event."""
    waiting_event: str
    waiting_key: str
    in_block: str
    """A live run that is at a step inside a block."""
    masked: str
    """JSON pointer of a masked value in the payload of ``waiting``."""
    total: int
    """Runs there are; at least 8."""


@contextmanager
def refuses(kind: type[EngineError], code: str, message: str) -> Iterator[pytest.ExceptionInfo[EngineError]]:
    """Expects a refusal of this kind, code and sentence, that also says what to do."""
    with pytest.raises(kind) as refused:
        yield refused
    assert (refused.value.code, refused.value.message) == (code, message)
    assert refused.value.hint.endswith(".")


@asynccontextmanager
async def fake_scenario() -> AsyncIterator[Scenario]:
    """The demo world."""
    clock = ManualClock(datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC))
    backend = demo_backend(clock, past=60)
    await backend.open()

    def newest(**conditions: Any) -> str:
        return backend.world.select(RunFilter(**conditions))[0].run_id

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
        in_block=newest(workflow="stock", statuses=frozenset({RunStatus.RUNNING})),
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
            succeeded=world.succeeded,
            failed=world.failed,
            failed_code=FAILURE,
            waiting=world.waiting,
            waiting_event=EVENT,
            waiting_key=KEY,
            in_block=world.waiting,
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


@pytest.fixture(scope="module")
async def old_run(shared_scenario: Scenario, servers: tuple[str, Client] | None) -> str:
    """A run from before the cutover with at least seven snapshots, the seventh too large to be kept."""
    if servers is None:
        for row in (await shared_scenario.backend.runs.list(RunFilter(), limit=500)).rows:
            if row.read_only and len(await shared_scenario.backend.runs.snapshots(row.run_id)) >= 7:
                return row.run_id
        raise AssertionError("the world has no such run")
    assert isinstance(shared_scenario.backend, Engine)
    return _written(servers[0], shared_scenario.backend._context.tenant)


def _written(database_url: str, tenant: str) -> str:
    """Written past the guard, as the old executor did before there was one."""
    run_id = new_id()
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    envelope = '{"payload": {"n": 1}, "vars": {"round": %s, "api_key": "k-1"}, "meta": {}, "error": null}'
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE workflow_runs DROP CONSTRAINT IF EXISTS workflow_runs_engine_is_temporal")
        connection.execute(
            "INSERT INTO workflow_runs (run_id, tenant, workflow_id, workflow_version, status, engine, started_at, updated_at,"
            " completed_at) VALUES (%s, %s, 'order-fulfilment', 1, 'SUCCEEDED', 'db', now(), now(), now())",
            (run_id, tenant),
        )
        for number in range(8):
            large = number == 6
            body = '{"truncated": true, "size": 300000, "max": 262144}' if large else envelope % number
            connection.execute(
                "INSERT INTO workflow_run_snapshots (run_id, tenant, step_path, envelope_json, size_bytes, created_at)"
                " VALUES (%s, %s, %s, %s, %s, now() + %s * interval '1 second')",
                (run_id, tenant, f"root.steps[{number % 2}]", body, 300000 if large else len(body), number),
            )
    return run_id
