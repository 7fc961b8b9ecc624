"""The world of a test of one activity: a database and a run in it, no Temporal."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """The store of this test's own database."""
    engine = create_store_engine(database_url)
    yield engine
    await engine.dispose()
