"""Reading a tenant's redaction policy: whatever goes wrong, nothing is shown."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.redaction import BUILT_IN, EVERYTHING, PLACEHOLDER, redact
from engine.settings import DEFAULT_TENANT
from engine.store.engine import create_store_engine, reading
from engine.store.redaction_policy import load_policy
from engine.store.tables import workflow_settings

OTHER_TENANT = "00000000-0000-0000-0000-000000000002"


@pytest.fixture
async def engine(database_url: str) -> Any:
    engine = create_store_engine(database_url)
    yield engine
    await engine.dispose()


async def _save(engine: AsyncEngine, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(workflow_settings.insert().values(**values))


async def test_a_tenant_without_settings_has_the_built_in_policy(engine: AsyncEngine) -> None:
    async with reading(engine) as (connection, _):
        assert await load_policy(connection, DEFAULT_TENANT) == BUILT_IN


async def test_settings_count_for_their_own_tenant_only(engine: AsyncEngine) -> None:
    await _save(engine, redaction_pointers=["/name"], redaction_key_patterns=["^iban$"])
    async with reading(engine) as (connection, _):
        own = await load_policy(connection, DEFAULT_TENANT)
        other = await load_policy(connection, OTHER_TENANT)
    value = {"name": "Ada", "iban": "DE1", "token": "t"}
    assert redact(value, own)[0] == {"name": PLACEHOLDER, "iban": PLACEHOLDER, "token": PLACEHOLDER}
    assert redact(value, other)[0] == {"name": "Ada", "iban": "DE1", "token": PLACEHOLDER}


@pytest.mark.parametrize("broken", [{"redaction_pointers": {"a": 1}}, {"redaction_key_patterns": ["("]}])
async def test_settings_that_make_no_sense_hide_everything(engine: AsyncEngine, broken: dict[str, Any]) -> None:
    await _save(engine, **broken)
    async with reading(engine) as (connection, _):
        assert await load_policy(connection, DEFAULT_TENANT) == EVERYTHING


async def test_settings_that_may_not_be_read_hide_everything_and_the_transaction_goes_on(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("REVOKE SELECT ON workflow_settings FROM runstudio_viewer"))
    async with reading(engine) as (connection, _):
        await connection.execute(text("SET LOCAL ROLE runstudio_viewer"))
        assert await load_policy(connection, DEFAULT_TENANT) == EVERYTHING
        assert await connection.scalar(select(func.count()).select_from(text("workflow_runs"))) == 0
