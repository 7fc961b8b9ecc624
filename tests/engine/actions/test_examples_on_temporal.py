"""The first runs of the examples as a user sees them: on a real Temporal, a sandboxed worker, and a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from temporalio.client import Client
from temporalio.service import RPCError

from engine.actions.registry import load_actions
from engine.activities.dependencies import ActivityDependencies
from engine.contract import workflow_id_for
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.worker.temporal_worker import build_worker
from runstudio_examples import catalog
from runstudio_examples.catalog import EXAMPLES, FirstRun, first_runs
from runstudio_examples.partners import CARRIER_TOKEN, PAYMENTS_KEY
from runstudio_examples.shop_actions.carrier_server import carrier_server
from tests.engine.workflow.harness import Bench, Run

TERMINAL = {"SUCCEEDED", "FAILED", "CANCELED"}


@dataclass
class Shop:
    bench: Bench
    partners: str

    async def start(self, first: FirstRun) -> Run:
        here: dict[str, Any] = {} if first.workflow_id == "reminder" else {"partner_url": self.partners}
        if first.workflow_id == "stock-sync":
            # All two hundred lines are synchronised in test_examples.py.
            here["count"] = 30
        run = await self.bench.start({**first.payload, **here}, first.workflow_id)
        for event in first.events:
            await run.send_event(event.name, dict(event.payload), event.key, event.event_id)
        return run


@pytest.fixture
def partners() -> Iterator[str]:
    with carrier_server(0, count_seconds=0.02) as url:
        yield url


@pytest_asyncio.fixture
async def shop(
    database_url: str, temporal: Client, partners: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    for name, value in catalog.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load(action_modules=(catalog.ACTIONS_MODULE,))
    registry = load_actions(settings.action_modules, settings)
    engine = create_store_engine(database_url)
    bench = Bench(engine, temporal)
    for example in EXAMPLES:
        schema = dict(example.payload_schema)
        await bench.publish(example.definition["steps"], example.name, payload_schema=schema)
    dependencies = ActivityDependencies(
        store=engine, actions=registry, secrets=registry.secrets(settings), identity="worker-of-the-shop"
    )
    async with build_worker(temporal, dependencies, sandboxed=True, identity="worker-of-the-shop"):
        yield Shop(bench, partners)
        # The server is shared: no later worker may find what still waits.
        for row in await bench.rows("SELECT run_id FROM workflow_runs"):
            with suppress(RPCError):
                await temporal.get_workflow_handle(workflow_id_for(str(row["run_id"]))).terminate("the test has ended")
    await engine.dispose()


async def test_every_first_run_comes_to_rest_as_the_catalog_says(shop: Shop) -> None:
    wanted = first_runs(datetime.now(UTC))
    started = [(first, await shop.start(first)) for first in wanted]
    for first, run in started:
        # Shelves are counted in no time here.
        expected = {"RUNNING": "SUCCEEDED", "CANCELED": "WAITING"}.get(first.ends, first.ends)

        async def at_rest(run: Run = run, expected: str = expected) -> Any:
            row = await run.row()
            # A back-off is a wait too, but not where the run comes to rest.
            return row["status"] in TERMINAL or (
                row["status"] == expected and row["waiting_on"] in {"event", "time", "human"}
            )

        await shop.bench.until(at_rest, seconds=120)
        row = await run.row()
        assert row["status"] == expected, (first.key, row["error_json"])
        if first.cancel_reason is not None:
            await run.handle.cancel()
            assert (await run.ended())["status"] == "CANCELED"
    tries = [row["error_message"] for _, run in started for row in await run.tries() if row["status"] == "FAILED"]
    assert any("busy" in str(message) for message in tries), tries
    await no_table_holds_a_key(shop.bench)


async def no_table_holds_a_key(bench: Bench) -> None:
    tables = await bench.rows("SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'")
    for table in tables:
        async with bench.store.connect() as connection:
            for key in (CARRIER_TOKEN, PAYMENTS_KEY):
                found = await connection.execute(
                    text(f'SELECT count(*) FROM "{table["name"]}" AS line WHERE line::text LIKE :key'),
                    {"key": f"%{key}%"},
                )
                assert found.scalar_one() == 0, table["name"]
