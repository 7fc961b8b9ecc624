"""Launch: what a run is made of, what refuses it, and that no crash can strand it."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from engine.contract import TASK_QUEUE, WORKFLOW_TYPE, workflow_id_for
from engine.errors import Conflict, EngineError, Invalid, NotFound
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import ORDER_SCHEMA, Query, add_version
from tests.engine.operations.crashing import (
    Crash,
    crashing_after_start,
    crashing_before_start,
    refusing,
    unreachable,
)


async def only_run(query: Query) -> dict[str, Any]:
    rows = await query("SELECT * FROM workflow_runs")
    assert len(rows) == 1
    return rows[0]


async def test_a_launch_writes_the_row_and_starts_the_workflow(
    context: OperationContext, store: Store, temporal: Client, query: Query
) -> None:
    await add_version(store)
    result = await launch_published_run(context, LaunchRequest("orders", {"order": {"id": 1}}))
    assert (result.version, result.created, result.pending, result.message) == (1, True, False, "")
    row = await only_run(query)
    assert row["status"] == "RUNNING"
    assert row["node_path"] == "root.steps[0]"
    assert row["engine"] == "temporal"
    assert row["input_json"] == {"order": {"id": 1}}
    assert row["launch_state"] == "started"
    assert row["temporal_workflow_id"] == f"workflow-runtime-v2:run:{result.run_id}"
    described = await temporal.get_workflow_handle(workflow_id_for(result.run_id)).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING
    assert described.workflow_type == WORKFLOW_TYPE
    assert described.task_queue == TASK_QUEUE
    assert described.run_id == row["temporal_run_id"]
    timeouts = described.raw_description.execution_config
    assert timeouts.workflow_execution_timeout.ToSeconds() == timeouts.workflow_run_timeout.ToSeconds() == 0


async def test_a_launch_is_logged_and_audited_without_the_payload(
    context: OperationContext, store: Store, query: Query
) -> None:
    await add_version(store)
    result = await launch_published_run(context, LaunchRequest("orders", {"note": "canary-4711"}, reason="by hand"))
    [line] = await query("SELECT * FROM workflow_run_logs")
    assert (line["level"], line["message"], line["source"]) == ("INFO", "Run started", "api")
    assert line["context_json"]["payloadSizeBytes"] == 22
    [entry] = await query("SELECT * FROM workflow_audit_log")
    assert (entry["operation"], entry["actor"], entry["actor_level"]) == ("workflow_run_start", "tester", "admin")
    assert (entry["run_id"], entry["reason"]) == (result.run_id, "by hand")
    assert "canary" not in str(line) + str(entry)


async def test_the_latest_version_runs_unless_one_is_named(
    context: OperationContext, store: Store, query: Query
) -> None:
    await add_version(store)
    await add_version(store)
    latest = await launch_published_run(context, LaunchRequest("orders"))
    named = await launch_published_run(context, LaunchRequest("orders", version=1))
    assert (latest.version, named.version) == (2, 1)
    hashes = await query("SELECT DISTINCT definition_hash FROM workflow_runs")
    assert len(hashes) == 2


async def test_a_stale_engine_flag_changes_nothing(
    context: OperationContext, store: Store, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKFLOW_RUNTIME_V2_ENABLE_TEMPORAL_POLLING", "false")
    monkeypatch.setenv("WORKFLOW_RUNTIME_V2_TEMPORAL_TASK_QUEUE", "another-queue")
    await add_version(store)
    result = await launch_published_run(context, LaunchRequest("orders"))
    described = await temporal.get_workflow_handle(workflow_id_for(result.run_id)).describe()
    assert described.task_queue == "workflow-runtime-v2"


class TestRefusals:
    async def refused(self, context: OperationContext, request: LaunchRequest, code: str) -> EngineError:
        with pytest.raises(EngineError) as caught:
            await launch_published_run(context, request)
        assert caught.value.code == code
        assert caught.value.message
        assert caught.value.hint
        return caught.value

    async def test_unknown_workflow(self, context: OperationContext, query: Query) -> None:
        assert isinstance(await self.refused(context, LaunchRequest("nope"), "WORKFLOW_NOT_FOUND"), NotFound)
        assert await query("SELECT 1 FROM workflow_runs") == []

    async def test_unknown_version(self, context: OperationContext, store: Store) -> None:
        await add_version(store)
        refusal = await self.refused(context, LaunchRequest("orders", version=7), "VERSION_NOT_FOUND")
        assert "The latest is 1." in refusal.hint

    async def test_paused_workflow(self, context: OperationContext, store: Store, execute: Any, query: Query) -> None:
        await add_version(store)
        await execute("UPDATE workflow_definitions SET is_paused = true")
        assert isinstance(await self.refused(context, LaunchRequest("orders"), "WORKFLOW_PAUSED"), Conflict)
        assert await query("SELECT 1 FROM workflow_runs") == []

    async def test_workflow_of_another_tenant(self, context: OperationContext, store: Store) -> None:
        await add_version(store, tenant="00000000-0000-0000-0000-00000000000a")
        await self.refused(context, LaunchRequest("orders"), "WORKFLOW_NOT_FOUND")

    @pytest.mark.parametrize("payload", [None, [], "text", 1, True])
    async def test_payload_that_is_no_object(self, context: OperationContext, store: Store, payload: Any) -> None:
        await add_version(store)
        await self.refused(context, LaunchRequest("orders", payload), "PAYLOAD_NOT_OBJECT")

    async def test_payload_above_the_limit(self, context: OperationContext, store: Store, query: Query) -> None:
        await add_version(store)
        refusal = await self.refused(context, LaunchRequest("orders", {"a": "x" * 524_288}), "PAYLOAD_TOO_LARGE")
        assert refusal.details == {"bytes": 524_296, "limit": 524_288}
        assert await query("SELECT 1 FROM workflow_runs") == []
        largest = {"a": "x" * (524_288 - 8)}
        assert (await launch_published_run(context, LaunchRequest("orders", largest))).created

    async def test_payload_with_nan(self, context: OperationContext, store: Store, query: Query) -> None:
        await add_version(store)
        await self.refused(context, LaunchRequest("orders", {"a": [math.nan]}), "JSON_NUMBER_NOT_FINITE")
        assert await query("SELECT 1 FROM workflow_runs") == []

    async def test_payload_the_schema_refuses_is_kept_as_a_failed_run(
        self, context: OperationContext, store: Store, query: Query
    ) -> None:
        await add_version(store, payload_schema=ORDER_SCHEMA)
        request = LaunchRequest("orders", {"order": {"id": "canary-4711"}}, fire_key="fire-1", idempotency_key="key-1")
        refusal = await self.refused(context, request, "PAYLOAD_REJECTED")
        assert isinstance(refusal, Invalid)
        assert refusal.details["issues"] == [{"pointer": "/order/id", "message": "must be integer", "keyword": "type"}]
        row = await only_run(query)
        assert row["run_id"] == refusal.details["runId"]
        assert (row["status"], row["launch_state"], row["last_error_code"]) == ("FAILED", "failed", "PAYLOAD_REJECTED")
        assert row["error_json"]["stage"] == "launch"
        assert row["completed_at"] is not None
        assert "canary" not in str(row["error_json"]) + str(refusal)
        # It holds neither key: the corrected request goes through.
        corrected = await launch_published_run(context, replace(request, payload={"order": {"id": 4711}}))
        assert corrected.created

    async def test_a_router_leaves_no_row_behind(self, context: OperationContext, store: Store, query: Query) -> None:
        await add_version(store, payload_schema=ORDER_SCHEMA)
        await self.refused(context, LaunchRequest("orders", {}, keep_refused=False), "PAYLOAD_REJECTED")
        assert await query("SELECT 1 FROM workflow_runs") == []

    @pytest.mark.parametrize("key", ["", " \t", "x" * 1001, "a\x00b", "\ud800"])
    async def test_keys_that_are_no_keys(self, context: OperationContext, store: Store, key: str) -> None:
        await add_version(store)
        await self.refused(context, LaunchRequest("orders", idempotency_key=key), "KEY_INVALID")


async def test_unstorable_characters_are_replaced_and_flagged(
    context: OperationContext, store: Store, query: Query
) -> None:
    await add_version(store)
    await launch_published_run(context, LaunchRequest("orders", {"a": "x\x00y", "b": ["\ud800"]}))
    assert (await only_run(query))["input_json"] == {"a": "x\ufffdy", "b": ["\ufffd"]}
    [line] = await query("SELECT context_json FROM workflow_run_logs")
    assert line["context_json"]["replacedAt"] == ["/a", "/b/0"]


class TestKeys:
    async def test_the_same_idempotency_key_returns_the_same_run(
        self, context: OperationContext, store: Store, query: Query
    ) -> None:
        await add_version(store)
        request = LaunchRequest("orders", {"a": 1.0}, idempotency_key="k")
        first = await launch_published_run(context, request)
        again = await launch_published_run(context, replace(request, payload={"a": 1}))
        assert (first.created, again.created) == (True, False)
        assert again.run_id == first.run_id
        assert len(await query("SELECT 1 FROM workflow_run_logs")) == 1

    async def test_a_key_of_another_request_is_refused(self, context: OperationContext, store: Store) -> None:
        await add_version(store)
        await launch_published_run(context, LaunchRequest("orders", {"a": 1}, idempotency_key="k"))
        with pytest.raises(Conflict, match="IDEMPOTENCY_KEY_REUSED"):
            await launch_published_run(context, LaunchRequest("orders", {"a": 2}, idempotency_key="k"))

    async def test_a_key_comes_before_every_other_check(
        self, context: OperationContext, store: Store, execute: Any
    ) -> None:
        await add_version(store)
        first = await launch_published_run(context, LaunchRequest("orders", fire_key="fire"))
        await execute("UPDATE workflow_definitions SET is_paused = true")
        again = await launch_published_run(context, LaunchRequest("orders", fire_key="fire"))
        assert (again.run_id, again.created) == (first.run_id, False)

    async def test_concurrent_launches_with_one_fire_key_make_one_run(
        self, context: OperationContext, store: Store, query: Query
    ) -> None:
        await add_version(store)
        request = LaunchRequest("orders", fire_key="fire")
        results = await asyncio.gather(*(launch_published_run(context, request) for _ in range(8)))
        assert len({result.run_id for result in results}) == 1
        assert [result.created for result in results].count(True) == 1
        await only_run(query)

    async def test_keys_are_per_tenant(self, context: OperationContext, store: Store) -> None:
        other = replace(context, tenant="00000000-0000-0000-0000-00000000000a")
        await add_version(store)
        await add_version(store, tenant=other.tenant)
        request = LaunchRequest("orders", fire_key="fire", idempotency_key="key")
        ours = await launch_published_run(context, request)
        theirs = await launch_published_run(other, request)
        assert ours.run_id != theirs.run_id
        assert theirs.created


async def test_the_concurrency_limit_holds_under_concurrent_launches(
    context: OperationContext, store: Store, execute: Any, query: Query
) -> None:
    await add_version(store)
    await execute("UPDATE workflow_definitions SET concurrency_limit = 3")
    results = await asyncio.gather(
        *(launch_published_run(context, LaunchRequest("orders")) for _ in range(10)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, Conflict)]
    assert len(refused) == 7
    assert {refusal.code for refusal in refused} == {"CONCURRENCY_LIMIT"}
    assert len(await query("SELECT 1 FROM workflow_runs")) == 3
    await execute("UPDATE workflow_runs SET status = 'SUCCEEDED'")
    assert (await launch_published_run(context, LaunchRequest("orders"))).created


async def test_limit_zero_is_no_limit(context: OperationContext, store: Store, execute: Any) -> None:
    await add_version(store)
    await execute("UPDATE workflow_definitions SET concurrency_limit = 0")
    for _ in range(3):
        assert (await launch_published_run(context, LaunchRequest("orders"))).created


class TestCrashes:
    async def test_a_crash_before_the_start_leaves_a_pending_row_that_a_repeat_starts(
        self, context: OperationContext, store: Store, temporal: Client, query: Query
    ) -> None:
        await add_version(store)
        request = LaunchRequest("orders", idempotency_key="k")
        with pytest.raises(Crash):
            await launch_published_run(replace(context, temporal=crashing_before_start()), request)
        row = await only_run(query)
        assert (row["status"], row["launch_state"]) == ("RUNNING", "pending")
        again = await launch_published_run(context, request)
        assert (again.run_id, again.created, again.pending) == (row["run_id"], False, False)
        await temporal.get_workflow_handle(workflow_id_for(row["run_id"])).describe()

    async def test_a_crash_after_the_start_attaches_to_the_same_execution(
        self, context: OperationContext, store: Store, temporal: Client, temporal_address: str, query: Query
    ) -> None:
        await add_version(store)
        request = LaunchRequest("orders", idempotency_key="k")
        with pytest.raises(Crash):
            await launch_published_run(replace(context, temporal=await crashing_after_start(temporal_address)), request)
        row = await only_run(query)
        assert row["launch_state"] == "pending"
        started = await temporal.get_workflow_handle(workflow_id_for(row["run_id"])).describe()
        await launch_published_run(context, request)
        row = await only_run(query)
        assert (row["launch_state"], row["temporal_run_id"]) == ("started", started.run_id)

    async def test_a_run_that_ended_before_its_start_was_recorded_is_not_started_twice(
        self, context: OperationContext, store: Store, temporal: Client, temporal_address: str, query: Query
    ) -> None:
        await add_version(store)
        request = LaunchRequest("orders", idempotency_key="k")
        with pytest.raises(Crash):
            await launch_published_run(replace(context, temporal=await crashing_after_start(temporal_address)), request)
        handle = temporal.get_workflow_handle(workflow_id_for((await only_run(query))["run_id"]))
        await handle.terminate(reason="ended early")
        ended = await handle.describe()
        await launch_published_run(context, request)
        assert (await handle.describe()).run_id == ended.run_id
        assert (await only_run(query))["launch_state"] == "started"

    async def test_an_unreachable_temporal_is_told_and_leaves_the_run_pending(
        self, context: OperationContext, store: Store, query: Query
    ) -> None:
        await add_version(store)
        result = await launch_published_run(replace(context, temporal=unreachable()), LaunchRequest("orders"))
        assert (result.created, result.pending) == (True, True)
        assert result.message == "Accepted, not started yet: Temporal does not answer."
        row = await only_run(query)
        assert (row["status"], row["launch_state"], row["launch_attempts"]) == ("RUNNING", "pending", 1)
        assert row["launch_error"] == "Temporal does not answer."

    async def test_a_definite_refusal_fails_the_run_with_stage_launch(
        self, context: OperationContext, store: Store, temporal_address: str, query: Query
    ) -> None:
        await add_version(store)
        with pytest.raises(EngineError) as caught:
            await launch_published_run(
                replace(context, temporal=await refusing(temporal_address)), LaunchRequest("orders", fire_key="fire")
            )
        row = await only_run(query)
        assert (caught.value.code, caught.value.details) == ("LAUNCH_REFUSED", {"runId": row["run_id"]})
        assert (row["status"], row["launch_state"], row["error_json"]["stage"]) == ("FAILED", "failed", "launch")
        assert row["error_json"]["code"] == "TEMPORAL_REFUSED"
        assert row["completed_at"] is not None
        # The failed launch does not hold the fire key.
        assert (await launch_published_run(context, LaunchRequest("orders", fire_key="fire"))).created
