"""Reading for somebody to see: whatever goes wrong with the redaction policy, nothing is shown; and no question takes long."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Unavailable
from engine.store.database.engine import create_store_engine
from engine.store.database.reader import open_reader
from engine.store.tables import workflow_settings
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN
from tests.engine.store.conftest import OTHER_TENANT, TENANT


async def _save(engine: AsyncEngine, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(workflow_settings.insert().values(**values))


async def test_a_tenant_without_settings_has_the_built_in_policy(engine: AsyncEngine) -> None:
    async with open_reader(engine, TENANT) as reader:
        assert reader.policy == BUILT_IN


async def test_settings_count_for_their_own_tenant_only(engine: AsyncEngine) -> None:
    await _save(engine, redaction_pointers=["/name"], redaction_key_patterns=["^badge$"])
    value = {"name": "Ada", "badge": "DE1", "token": "t"}
    async with open_reader(engine, TENANT) as own:
        assert own.hide(value) == {"name": PLACEHOLDER, "badge": PLACEHOLDER, "token": PLACEHOLDER}
    async with open_reader(engine, OTHER_TENANT) as other:
        assert other.document(value, 40).masked == frozenset({"/token"})


@pytest.mark.parametrize("broken", [{"redaction_pointers": {"a": 1}}, {"redaction_key_patterns": ["("]}])
async def test_settings_that_make_no_sense_hide_everything(engine: AsyncEngine, broken: dict[str, Any]) -> None:
    await _save(engine, **broken)
    async with open_reader(engine, TENANT) as reader:
        assert (reader.hide({"a": 1}), reader.hide_text("a")) == (PLACEHOLDER, PLACEHOLDER)
        shown = reader.error({"message": "canary", "code": "canary"})
        assert shown is not None
        assert "canary" not in repr(shown)


async def test_settings_that_may_not_be_read_hide_everything_and_the_reading_goes_on(database_url: str) -> None:
    owner = create_store_engine(database_url)
    async with owner.begin() as connection:
        await connection.execute(text("CREATE ROLE blind LOGIN IN ROLE runstudio_service"))
        await connection.execute(text("REVOKE SELECT ON workflow_settings FROM runstudio_service"))
    blind = create_store_engine(database_url.replace("postgres@", "blind@"))
    try:
        async with open_reader(blind, TENANT) as reader:
            assert reader.hide({"a": 1}) == PLACEHOLDER
            assert await reader.connection.scalar(select(func.count()).select_from(text("workflow_runs"))) == 0
    finally:
        await blind.dispose()
        async with owner.begin() as connection:
            await connection.execute(text("DROP ROLE blind"))
        await owner.dispose()


async def test_a_slow_question_ends_with_advice(engine: AsyncEngine) -> None:
    with pytest.raises(Unavailable, match=r"QUERY_TOO_SLOW: .*2 s.* Narrow the filter"):
        async with open_reader(engine, TENANT) as reader:
            await reader.rows(select(func.pg_sleep(5)))


async def test_a_reader_cannot_write_and_sees_one_moment(engine: AsyncEngine) -> None:
    async with open_reader(engine, TENANT) as reader:
        await _save(engine, quota_limit=5)
        assert await reader.rows(select(workflow_settings.c.tenant)) == []
    with pytest.raises(Exception, match="read-only transaction"):
        async with open_reader(engine, TENANT) as reader:
            await reader.connection.execute(workflow_settings.delete())
