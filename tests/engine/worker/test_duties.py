"""Duties are done, not locked: who did each last is told, and one that nobody gets done is a failure everywhere."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from typing import Final

from sqlalchemy import text

from engine.operations.attention import attention
from engine.operations.context import OperationContext
from engine.operations.health import system_health
from engine.records import AttentionKind
from engine.store.database.leases import leased
from engine.store.database.transactions import Store
from engine.store.tenant.duties import DUTIES
from tests.engine.operations.conftest import Execute, until
from tests.engine.worker.hosts import get, ready, running, settings

NAMES: Final = {duty.name for duty in DUTIES}
PARTS: Final = {"eventStream", "reconciler", "quotaScan", "dataStoreSweep", "alerts", "retention"}


async def test_a_worker_and_the_doctor_tell_when_each_duty_was_last_done_and_by_whom(
    context: OperationContext, database_url: str, temporal_address: str
) -> None:
    never = {part.name: part.state for part in await system_health(context) if part.name in NAMES}
    assert never == dict.fromkeys(NAMES, "unknown")
    async with running(settings(database_url, temporal_address)) as host:
        await ready(host)

        async def told() -> bool:
            duties = (await get(host, "/readyz")).json()["duties"]
            return duties.keys() == NAMES and all(
                duty["lastDone"] and duty["doneBy"] == host.process.identity and not duty["overdue"]
                for duty in duties.values()
            )

        await until(told)
        for part in await system_health(context):
            if part.name in NAMES:
                assert (part.state, host.process.identity in part.detail) == ("ok", True), part
    assert [item for item in (await attention(context)).items if item.kind is AttentionKind.DUTY] == []


async def test_that_somebody_else_holds_it_is_no_success(
    context: OperationContext, store: Store, execute: Execute, database_url: str, temporal_address: str
) -> None:
    """Another process has every lease and gets nothing done, as one that is stopped by a debugger."""
    await execute(
        "INSERT INTO workflow_leases (name, holder, token, expires_at, done_at, done_by)"
        " SELECT name, 'stopped', gen_random_uuid(), CASE name WHEN 'routing' THEN now() + interval '1 hour' ELSE now() END,"
        " now() - interval '1 hour', 'stopped'"
        " FROM unnest(CAST(:names AS text[])) AS name",
        names=list(NAMES),
    )
    async with store.begin() as other, AsyncExitStack() as stack:
        await other.execute(text("SELECT 1 FROM workflow_leases WHERE name = 'routing' FOR UPDATE"))
        for name in NAMES - {"routing"}:
            assert await stack.enter_async_context(leased(store, name, "stopped"))
        host = await stack.enter_async_context(running(settings(database_url, temporal_address)))

        async def not_ready() -> bool:
            parts = (await get(host, "/health")).json()["workers"]
            return all(parts[name]["state"] == "failing" for name in PARTS)

        await until(not_ready)
        answer = await get(host, "/readyz")
        assert (answer.status_code, set(answer.json()["notReady"]) >= PARTS) == (503, True)
        health = (await get(host, "/health")).json()["workers"]
        for name in PARTS:
            assert "stopped is at the" in health[name]["detail"]
            assert re.search(r"last done 1 h( [0-9]+ min)? ago by stopped", health[name]["detail"])
        for told in await system_health(context):
            if told.name in NAMES:
                assert (told.state, told.detail.startswith("overdue; last done ")) == ("down", True), told
        items = [item for item in (await attention(context)).items if item.kind is AttentionKind.DUTY]
        assert {item.key for item in items} == NAMES
