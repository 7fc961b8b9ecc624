"""The backends the contract is checked on. A scenario says what exists in a backend; the tests use nothing else of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.domain.models import Json, RunId, RunStatus
from runstudio_tui.domain.query import RunQuery
from runstudio_tui.ports import Backend


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


SCENARIOS = {"fake": fake_scenario}


@pytest.fixture(params=sorted(SCENARIOS))
async def scenario(request: pytest.FixtureRequest) -> AsyncIterator[Scenario]:
    """Each backend in turn."""
    async with SCENARIOS[request.param]() as made:
        yield made
