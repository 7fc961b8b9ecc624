"""Quota: the numbers, the limit, and letting a paused run go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client

from engine.contract import workflow_id_for
from engine.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.quota.quota import quota_summary, resume_from_quota, set_quota_limit
from engine.records import Level
from engine.store.database.transactions import Store, writing
from engine.store.tenant.settings import TenantSettings, load_settings, save_settings
from tests.engine.operations.conftest import AsUser, Execute, Query
from tests.engine.operations.crashing import unreachable
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.steps import quick, wait_event


@pytest_asyncio.fixture
async def bench(store: Store, temporal: Client, context: OperationContext) -> AsyncIterator[Bench]:
    """A worker, and short words for what it does. (``context`` ends its runs.)"""
    bench = Bench(store, temporal)
    async with bench.worker():
        yield bench


async def paused(context: OperationContext, bench: Bench) -> Run:
    """A run that has used up the quota of two steps, and wants a third."""
    await set_quota_limit(context, 2)
    await bench.publish([quick("a"), quick("b"), quick("c")])
    run = await bench.start()
    await run.waiting("quota")
    return run


class TestResuming:
    async def test_a_run_goes_on_when_there_are_units_again(
        self, context: OperationContext, bench: Bench, query: Query
    ) -> None:
        run = await paused(context, bench)
        await set_quota_limit(context, 10)
        usage = await resume_from_quota(context, run.id)
        assert (usage.used_count, usage.remaining) == (2, 8)
        row = await run.ended()
        assert (row["status"], row["error_json"]) == ("SUCCEEDED", None)
        assert [wait["status"] for wait in await run.waits()] == ["RESOLVED"]
        [entry] = await query(
            "SELECT run_id, actor FROM workflow_audit_log WHERE operation = 'workflow_run_quota_resume'"
        )
        assert entry == {"run_id": run.id, "actor": "tester"}
        assert "Asked to go on after the quota pause" in [line["message"] for line in await run.logs()]

    async def test_while_the_quota_is_used_up_the_numbers_are_told_and_nothing_is_sent(
        self, context: OperationContext, bench: Bench, query: Query
    ) -> None:
        run = await paused(context, bench)
        await run.at_rest()
        before = await run.events()
        with pytest.raises(Conflict, match="QUOTA_EXHAUSTED") as refused:
            await resume_from_quota(context, run.id)
        details = refused.value.details
        assert (details["usedCount"], details["effectiveLimit"], details["remaining"]) == (2, 2, 0)
        assert details["periodEnd"].endswith("-01T00:00:00.000Z")
        assert await run.events() == before
        assert (await run.row())["waiting_on"] == "quota"
        assert await query("SELECT 1 FROM workflow_audit_log WHERE operation = 'workflow_run_quota_resume'") == []

    async def test_every_call_signals(self, context: OperationContext, store: Store, temporal: Client) -> None:
        bench = Bench(store, temporal)
        async with bench.worker():
            run = await paused(context, bench)
        await set_quota_limit(context, 10)
        for _ in range(3):
            await resume_from_quota(context, run.id)
        assert (await run.events())["WORKFLOW_EXECUTION_SIGNALED"] == 3
        async with bench.worker():
            assert (await run.ended())["status"] == "SUCCEEDED"

    async def test_a_run_that_is_not_paused_is_a_conflict(self, context: OperationContext, bench: Bench) -> None:
        await bench.publish([wait_event("w")])
        run = await bench.start()
        await run.waiting("event")
        with pytest.raises(Conflict, match="NOT_QUOTA_PAUSED") as refused:
            await resume_from_quota(context, run.id)
        assert refused.value.details == {"status": "WAITING", "waitingOn": "event"}
        await run.send_event("PING")
        await run.ended()
        with pytest.raises(Conflict, match="RUN_ENDED"):
            await resume_from_quota(context, run.id)
        with pytest.raises(NotFound, match="RUN_NOT_FOUND"):
            await resume_from_quota(context, new_id())

    async def test_without_temporal_nothing_is_written_and_the_run_stays_paused(
        self, context: OperationContext, bench: Bench, store: Store, query: Query
    ) -> None:
        run = await paused(context, bench)
        await set_quota_limit(context, 10)
        away = OperationContext(store, unreachable(), context.actor)
        with pytest.raises(Unavailable, match="TEMPORAL_UNAVAILABLE"):
            await resume_from_quota(away, run.id)
        assert (await run.row())["waiting_on"] == "quota"
        assert [wait["status"] for wait in await run.waits()] == ["WAITING"]
        assert await query("SELECT 1 FROM workflow_audit_log WHERE operation = 'workflow_run_quota_resume'") == []

    async def test_a_run_whose_execution_is_over_is_closed(
        self, context: OperationContext, bench: Bench, temporal: Client
    ) -> None:
        run = await paused(context, bench)
        await set_quota_limit(context, 10)
        await temporal.get_workflow_handle(workflow_id_for(run.id)).terminate("gone")
        with pytest.raises(Conflict, match="RUN_ENDED"):
            await resume_from_quota(context, run.id)
        assert (await run.row())["status"] == "FAILED"

    async def test_only_admins_may(self, context: OperationContext, bench: Bench, as_user: AsUser) -> None:
        run = await paused(context, bench)
        async with as_user(Level.OPERATE) as operator:
            with pytest.raises(Forbidden):
                await resume_from_quota(operator, run.id)
            with pytest.raises(Forbidden):
                await set_quota_limit(operator, 5)
            assert (await quota_summary(operator)).used_count == 2
        async with as_user(Level.ADMIN) as admin:
            await set_quota_limit(admin, 10)
            await resume_from_quota(admin, run.id)
        assert (await run.ended())["status"] == "SUCCEEDED"


class TestSummary:
    async def test_a_tenant_that_never_ran_anything(self, context: OperationContext) -> None:
        usage = await quota_summary(context)
        assert (usage.effective_limit, usage.used_count, usage.remaining, usage.paused_runs) == (None, 0, None, 0)
        assert not usage.exhausted
        assert usage.period_start.day == usage.period_end.day == 1
        assert usage.period_start < usage.period_end

    async def test_what_was_used_and_who_waits(self, context: OperationContext, bench: Bench) -> None:
        await paused(context, bench)
        told = (await quota_summary(context)).to_json()
        assert {name: told[name] for name in ("effectiveLimit", "usedCount", "remaining", "pausedRuns")} == {
            "effectiveLimit": 2,
            "usedCount": 2,
            "remaining": 0,
            "pausedRuns": 1,
        }

    async def test_the_past_month_does_not_count(self, context: OperationContext, execute: Execute) -> None:
        await set_quota_limit(context, 5)
        await execute(
            "INSERT INTO workflow_step_usage_periods (period_start, period_end, used_count)"
            " SELECT start - interval '1 month', start, 99 FROM"
            " (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS start) AS this"
        )
        assert (await quota_summary(context)).remaining == 5


class TestLimit:
    async def test_setting_it_is_audited_once_and_leaves_other_settings_alone(
        self, context: OperationContext, store: Store, query: Query
    ) -> None:
        async with writing(store) as connection:
            kept = TenantSettings(redaction_pointers=("/a",), correlation_paths={"*": ["id"]})
            await save_settings(connection, context.tenant, kept, updated_by="tester")
        assert (await set_quota_limit(context, 7, reason="a bigger plan")).effective_limit == 7
        assert (await set_quota_limit(context, 7)).effective_limit == 7
        assert (await set_quota_limit(context, None)).effective_limit is None
        async with writing(store) as connection:
            assert await load_settings(connection, context.tenant) == kept
        entries = await query("SELECT reason, details_json FROM workflow_audit_log ORDER BY created_at")
        assert entries == [
            {"reason": "a bigger plan", "details_json": {"before": None, "after": 7}},
            {"reason": None, "details_json": {"before": 7, "after": None}},
        ]

    @pytest.mark.parametrize("limit", [-1, 2**31, True, 1.5, "7"])
    async def test_what_is_no_number_of_steps_is_refused(self, context: OperationContext, limit: Any) -> None:
        with pytest.raises(Invalid, match="QUOTA_LIMIT_INVALID"):
            await set_quota_limit(context, limit)

    async def test_nothing_starts_with_a_limit_of_none_at_all(self, context: OperationContext, bench: Bench) -> None:
        await set_quota_limit(context, 0)
        await bench.publish([quick("a")])
        run = await bench.start()
        row = await run.waiting("quota")
        assert row["step_count"] == 0
        with pytest.raises(Conflict, match="QUOTA_EXHAUSTED"):
            await resume_from_quota(context, run.id)
