"""The programs of the examples, as somebody would run them: beside a worker of the examples, on real servers."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest
import pytest_asyncio

from engine import Engine
from runstudio_examples import catalog, start_run, start_run_sync
from tests.engine.operations.conftest import Query
from tests.engine.worker.hosts import ready, running, settings

REPOSITORY = Path(__file__).parents[3]


@pytest_asyncio.fixture
async def shop(
    environment: dict[str, str], context: object, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[dict[str, str]]:
    """The reminder is published, and a worker has the shop's actions."""
    for name, value in catalog.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    [reminder] = [example for example in catalog.EXAMPLES if example.name == "reminder"]
    given = settings(environment["DATABASE_URL"], environment["TEMPORAL_ADDRESS"])
    async with (
        running(given, (catalog.ACTIONS_MODULE,)) as host,
        Engine(given, actions=(catalog.ACTIONS_MODULE,)) as made,
    ):
        await ready(host)
        await made.workflows.publish(reminder.definition, payload_schema=reminder.payload_schema)
        yield {**os.environ, **environment}


@pytest.mark.parametrize("program", [start_run, start_run_sync], ids=lambda program: program.__name__)
async def test_it_prints_the_end_of_its_run(program: ModuleType, shop: dict[str, str], query: Query) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", program.__name__, cwd=REPOSITORY, env=shop, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    assert printed.decode().startswith("SUCCEEDED {'")
    assert "'subject': {'text': 'Call the carrier.'" in printed.decode()
    [note] = await query("SELECT run_id FROM example_notes")
    assert await query("SELECT run_id, status FROM workflow_runs") == [{**note, "status": "SUCCEEDED"}]
