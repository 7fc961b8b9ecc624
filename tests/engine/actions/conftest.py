"""A registry, contexts, and actions on a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.actions.context import ActionContext
from engine.actions.invoke import invoke
from engine.actions.registry import ActionRegistry, load_actions
from engine.ids import new_id
from engine.settings import DEFAULT_TENANT, Settings
from engine.store.database.engine import create_store_engine


@pytest.fixture(scope="session")
def registry() -> ActionRegistry:
    return load_actions(settings=Settings())


@pytest.fixture
def other_tenant() -> str:
    return "00000000-0000-0000-0000-0000000000ff"


@pytest.fixture
def make_context() -> Callable[..., ActionContext]:
    def make(**changes: Any) -> ActionContext:
        facts: dict[str, Any] = {
            "tenant": DEFAULT_TENANT,
            "run_id": new_id(),
            "workflow_id": "wf.main",
            "workflow_version": 1,
            "step_path": "root.steps[0]",
            "idempotency_key": "key-1",
        }
        return ActionContext(**(facts | changes))

    return make


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_store_engine(database_url)
    yield engine
    await engine.dispose()


Perform = Callable[..., Awaitable[Any]]


@pytest.fixture
def perform(registry: ActionRegistry, database: AsyncEngine, make_context: Callable[..., ActionContext]) -> Perform:
    """``await perform("store.get", {...}, tenant=...)``: one action in one committed transaction."""

    async def run(action_id: str, action_input: dict[str, Any], **changes: Any) -> Any:
        async with database.begin() as connection:
            context = make_context(connection=connection, **changes)
            return await invoke(registry.get(action_id, 1), action_input, context)

    return run
