"""What tests of the reconciler start with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import add_version


@pytest.fixture
def start(context: OperationContext, store: Store) -> Callable[[], Awaitable[str]]:
    """Starts a run of a fresh version; its id."""

    async def launch() -> str:
        await add_version(store)
        return (await launch_published_run(context, LaunchRequest("orders"))).run_id

    return launch
