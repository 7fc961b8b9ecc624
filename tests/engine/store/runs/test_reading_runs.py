"""One run as it is shown: where it is, what it waits for, why it failed, whether it is stuck; its bodies and its relatives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import NotFound
from engine.ids import derived_id, new_id
from engine.records import ErrorInfo, OpenWait, RunFilter, WaitKind
from engine.settings import DEFAULT_TENANT
from engine.store.runs.listing import runs_by_id, runs_page
from engine.store.runs.reading import related_runs, run_input, run_output, run_summary
from engine.store.tables import (
    workflow_definition_versions,
    workflow_definitions,
    workflow_event_deliveries,
    workflow_human_tasks,
    workflow_payloads,
    workflow_run_snapshots,
    workflow_run_steps,
    workflow_run_waits,
    workflow_settings,
)
from engine.store.trace.payloads import final_scopes_id
from engine.store.trace.reading_attempts import attempt_body, run_attempts
from engine.store.trace.reading_logs import run_logs
from engine.store.trace.reading_snapshots import run_snapshots, snapshot_body
from engine.store.trace.reading_steps import step_body, steps_page
from engine.store.trace.reading_waits import run_waits
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.store.conftest import OTHER_TENANT, TENANT
from tests.engine.store.rows import START, at, insert, insert_old_run, insert_run


async def _row(engine: AsyncEngine, run_id: str) -> Any:
    return (await run_summary(engine, TENANT, run_id)).row


async def test_a_running_run_says_at_which_step_it_is(engine: AsyncEngine) -> None:
    await insert(
        engine,
        workflow_definitions,
        {
            "workflow_id": "order-fulfilment",
            "name": "Order fulfilment",
            "payload_schema_ref": "x",
            "draft_definition": {},
        },
    )
    run_id = await insert_run(
        engine, node_path="root.steps[1].body.steps[0]", node_step_id="push-line", node_iteration="17", attempt=2
    )
    summary = await run_summary(engine, TENANT, run_id)
    row = summary.row
    assert (row.workflow_name, row.version, row.status) == ("Order fulfilment", 3, "RUNNING")
    assert not row.stuck_at(summary.server_now)
    assert (row.node_path, row.step, row.iteration, row.attempt) == (
        "root.steps[1].body.steps[0]",
        "push-line",
        "17",
        2,
    )
    assert row.started_at == START
    assert row.wait is None


async def test_a_run_outlives_its_definition(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    assert (await _row(engine, run_id)).workflow_name == "order-fulfilment"


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (
            {"wait_type": "event", "event_name": "carrier.picked_up", "key": "ORD-1", "timeout_at": at(3600)},
            OpenWait(WaitKind.EVENT, at(1), "carrier.picked_up", "ORD-1", at(3600)),
        ),
        ({"wait_type": "time", "timeout_at": at(60)}, OpenWait(WaitKind.TIME, at(1), until=at(60))),
        ({"wait_type": "retry", "attempt": 2, "timeout_at": at(9)}, OpenWait(WaitKind.RETRY, at(1), until=at(9))),
        ({"wait_type": "quota", "timeout_at": at(99)}, OpenWait(WaitKind.QUOTA, at(1), until=at(99))),
        (
            {"wait_type": "child", "key": "0198c2aa-0000-7000-8000-000000000001"},
            OpenWait(
                WaitKind.CHILD,
                at(1),
                key="0198c2aa-0000-7000-8000-000000000001",
                who="0198c2aa-0000-7000-8000-000000000001",
            ),
        ),
    ],
    ids=lambda value: value.get("wait_type") if isinstance(value, dict) else "",
)
async def test_a_waiting_run_says_what_for_and_until_when(
    engine: AsyncEngine, wait: dict[str, Any], expected: OpenWait
) -> None:
    run_id = await insert_run(engine, status="WAITING", waiting_on=wait["wait_type"], waiting_since=at(1))
    common = {"run_id": run_id, "step_path": "root.steps[0]", "visit": 1, "created_at": at(0.5)}
    await insert(
        engine,
        workflow_run_waits,
        {**common, **wait},
        {**common, "wait_type": "time", "attempt": 9, "status": "RESOLVED", "created_at": at(2)},
    )
    assert (await _row(engine, run_id)).wait == expected
    assert (await runs_page(engine, DEFAULT_TENANT, RunFilter())).rows[0].wait == expected


async def test_a_run_waiting_for_a_person_names_the_task(engine: AsyncEngine) -> None:
    run_id, task_id = await insert_run(engine, status="WAITING", waiting_on="human"), new_id()
    wait = {"run_id": run_id, "step_path": "p", "visit": 1, "wait_type": "human", "key": task_id, "created_at": at(3)}
    await insert(engine, workflow_run_waits, wait)
    task = {"task_id": task_id, "run_id": run_id, "task_type": "approval", "title": "Approval by finance"}
    await insert(engine, workflow_human_tasks, task)
    assert (await _row(engine, run_id)).wait == OpenWait(WaitKind.HUMAN, at(3), key=task_id, who="Approval by finance")


async def test_a_failed_run_says_where_and_why(engine: AsyncEngine) -> None:
    error = {"category": "ActionError", "code": "PO_NOT_FOUND", "message": "no such order " + "x" * 900,
             "nodePath": "root.steps[4]", "at": "2026-01-02T03:04:06.000Z",
             "details": {"password": "canary", "id": 7}}  # fmt: skip
    run_id = await insert_run(
        engine, status="FAILED", error_json=error, last_error_code="PO_NOT_FOUND", completed_at=at(2), attempt=2
    )
    step = {
        "run_id": run_id,
        "step_path": "root.steps[4]",
        "visit": 1,
        "definition_step_id": "match-po",
        "status": "FAILED",
    }
    await insert(engine, workflow_run_steps, step)
    summary = await run_summary(engine, TENANT, run_id)
    assert (summary.row.node_path, summary.row.step, summary.row.error_code) == (
        "root.steps[4]",
        "match-po",
        "PO_NOT_FOUND",
    )
    assert summary.row.error_message == error["message"][:500]
    assert summary.error == ErrorInfo(
        "ActionError", str(error["message"]), "PO_NOT_FOUND", "root.steps[4]", datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC), None,
        {"password": PLACEHOLDER, "id": 7},
    )  # fmt: skip


async def test_a_run_the_cutover_closed_says_so(engine: AsyncEngine) -> None:
    error = {"message": "left behind", "stage": "migration", "migration": "0003_cutover", "previousStatus": "WAITING"}
    run_id = await insert_old_run(engine, engine=None, status="CANCELED", error_json=error)
    summary = await run_summary(engine, TENANT, run_id)
    assert summary.row.engine is None
    assert summary.error is not None
    assert (summary.error.stage, summary.error.migration, summary.error.previous_status) == (
        "migration",
        "0003_cutover",
        "WAITING",
    )


@pytest.mark.parametrize(
    ("age", "values", "may_be"),
    [
        (61, {}, True),
        (61, {"launch_state": "pending"}, True),
        (59, {}, True),
        (61, {"step_count": 1}, False),
        (61, {"status": "WAITING", "waiting_on": "event"}, False),
        (61, {"status": "FAILED"}, False),
    ],
)
async def test_stuck_is_running_without_a_step_for_a_minute_of_the_servers_clock(
    engine: AsyncEngine, age: float, values: dict[str, Any], may_be: bool
) -> None:
    started = datetime.now(UTC) - timedelta(seconds=age)
    run_id = await insert_run(engine, **{"step_count": 0, "started_at": started, **values})

    def stuck(server_now: datetime) -> bool:
        # By the clock of the answer: a machine that is slow makes the run older.
        return may_be and server_now - started > timedelta(minutes=1)

    summary = await run_summary(engine, TENANT, run_id)
    assert summary.row.stuck_at(summary.server_now) is stuck(summary.server_now)
    listed = await runs_page(engine, DEFAULT_TENANT, RunFilter(stuck=True))
    assert [row.run_id for row in listed.rows] == ([run_id] if stuck(listed.server_now) else [])


async def test_a_run_from_before_the_cutover_with_steps_is_not_stuck_for_want_of_a_count(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine, step_count=0)
    step = {"run_id": run_id, "step_path": "p", "definition_step_id": "a", "status": "STARTED"}
    await insert(engine, workflow_run_steps, step)
    summary = await run_summary(engine, TENANT, run_id)
    assert not summary.row.stuck_at(summary.server_now)
    assert summary.row.step_count == 1
    assert (await runs_page(engine, DEFAULT_TENANT, RunFilter(stuck=True))).rows == ()


async def test_a_summary_has_what_the_screen_of_the_run_needs(engine: AsyncEngine) -> None:
    await insert(
        engine,
        workflow_definitions,
        {"workflow_id": "order-fulfilment", "name": "O", "payload_schema_ref": "x", "draft_definition": {}},
    )
    version = {
        "workflow_id": "order-fulfilment",
        "version": 3,
        "definition_json": {"payloadSchemaRef": "payload.Order.v1"},
    }
    await insert(engine, workflow_definition_versions, version)
    root, parent = await insert_run(engine), await insert_run(engine)
    run_id = await insert_run(
        engine, parent_run_id=parent, root_run_id=root, trigger_type="event", event_type="order.placed", input_json={"a": 1},
        trigger_metadata_json={"apiKey": "canary", "eventType": "order.placed"}, temporal_workflow_id="w", temporal_run_id="r",
        definition_hash="abc", runtime_semantics_version="1", launch_attempts=2, launch_error="refused", output_json={"x": 1},
    )  # fmt: skip
    replays = [await insert_run(engine, replay_of_run_id=run_id, started_at=at(second)) for second in range(3)]
    child = await insert_run(engine, parent_run_id=run_id, root_run_id=root)
    delivery = {"delivery_id": new_id(), "event_id": "evt-1", "target_kind": "launch", "target": "order-fulfilment",
                "run_id": run_id}  # fmt: skip
    await insert(engine, workflow_event_deliveries, delivery)

    summary = await run_summary(engine, TENANT, run_id)
    assert summary.row.trigger == "event"
    assert summary.row.trigger_event == "order.placed"
    assert (summary.root, summary.row.parent, summary.children) == (root, parent, (child,))
    assert summary.replayed_by == tuple(replays[::-1])
    assert (summary.temporal_workflow_id, summary.temporal_run_id) == ("w", "r")
    assert (summary.definition_hash, summary.semantics_version) == ("abc", "1")
    assert summary.trigger_event_id == "evt-1"
    assert summary.trigger_metadata == {"apiKey": PLACEHOLDER, "eventType": "order.placed"}
    assert summary.payload_schema_ref == "payload.Order.v1"
    assert (summary.has_input, summary.has_output, summary.has_snapshots) == (True, True, False)
    assert (summary.launch_attempts, summary.launch_error) == (2, "refused")

    related = await related_runs(engine, TENANT, run_id)
    assert related.parent is not None
    assert related.root is not None
    assert (related.parent.run_id, related.root.run_id, related.replay_of) == (parent, root, None)
    assert [row.run_id for row in related.replays] == replays[::-1]
    assert [row.run_id for row in related.children] == [child]
    original = (await related_runs(engine, TENANT, replays[0])).replay_of
    assert original is not None
    assert original.run_id == run_id


async def test_bodies_are_masked_and_say_where(engine: AsyncEngine) -> None:
    await insert(
        engine, workflow_settings, {"redaction_pointers": ["/customer/name"], "redaction_key_patterns": ["iban"]}
    )
    body = {"customer": {"name": "Ada", "IBAN": "DE1"}, "card_token": "canary", "amount": 100}
    run_id = await insert_run(engine, input_json=body, output_json=body)
    for read in (run_input, run_output):
        document = await read(engine, TENANT, run_id)
        assert document.value == {
            "customer": {"name": PLACEHOLDER, "IBAN": PLACEHOLDER}, "card_token": PLACEHOLDER, "amount": 100,
        }  # fmt: skip
        assert document.masked == {"/customer/name", "/customer/IBAN", "/card_token"}
        assert document.size_bytes is not None
        assert document.size_bytes >= 80


async def test_vars_too_large_for_the_row_are_found_where_they_are_kept(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine, status="SUCCEEDED")
    scopes = {
        "payload_id": final_scopes_id(run_id),
        "run_id": run_id,
        "size_bytes": 9,
        "value_json": {"vars": {"a": 1}, "payload": {}},
    }
    await insert(engine, workflow_payloads, scopes)
    assert (await run_output(engine, TENANT, run_id)).value == {"a": 1}
    assert (await run_summary(engine, TENANT, run_id)).has_output


async def test_what_was_never_stored_is_said_not_to_be(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine)
    with pytest.raises(NotFound, match="INPUT_NOT_STORED"):
        await run_input(engine, TENANT, run_id)
    with pytest.raises(NotFound, match="OUTPUT_NOT_STORED"):
        await run_output(engine, TENANT, run_id)


async def test_snapshots_of_old_runs_are_listed_and_shown_masked(engine: AsyncEngine) -> None:
    run_id = await insert_old_run(engine)
    ids = [derived_id("snapshot", number) for number in range(2)]
    common = {"run_id": run_id, "step_path": "root.steps[0]"}
    await insert(
        engine,
        workflow_run_snapshots,
        {**common, "snapshot_id": ids[1], "envelope_json": {"truncated": True, "size": 9, "max": 5}, "size_bytes": 9,
         "created_at": at(1)},
        {**common, "snapshot_id": ids[0], "envelope_json": {"vars": {"secret": "canary"}}, "size_bytes": 30, "created_at": at(0)},
    )  # fmt: skip
    listed = await run_snapshots(engine, TENANT, run_id)
    assert [(view.snapshot_id, view.truncated, view.size_bytes) for view in listed] == [
        (ids[0], False, 30),
        (ids[1], True, 9),
    ]
    body = await snapshot_body(engine, TENANT, run_id, ids[0])
    assert (body.value, body.masked) == ({"vars": {"secret": PLACEHOLDER}}, {"/vars/secret"})
    assert (await run_summary(engine, TENANT, run_id)).has_snapshots
    with pytest.raises(NotFound, match="SNAPSHOT_NOT_FOUND"):
        await snapshot_body(engine, TENANT, await insert_run(engine), ids[0])


READS: dict[str, Callable[[AsyncEngine, str, str], Awaitable[Any]]] = {
    "summary": run_summary,
    "related": related_runs,
    "input": run_input,
    "output": run_output,
    "step": lambda engine, tenant, run_id: step_body(engine, tenant, run_id, new_id()),
    "attempt": lambda engine, tenant, run_id: attempt_body(engine, tenant, run_id, new_id()),
    "snapshot": lambda engine, tenant, run_id: snapshot_body(engine, tenant, run_id, new_id()),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("run_id", ["nothing", "", "0198", "\0", "'; --", "01980000-0000-7000-8000-00000000dead"])
async def test_a_run_that_is_not_there_is_not_found(engine: AsyncEngine, name: str, run_id: str) -> None:
    with pytest.raises(NotFound):
        await READS[name](engine, TENANT, run_id)


async def test_another_tenants_run_is_as_if_it_were_not_there(engine: AsyncEngine) -> None:
    run_id = await insert_run(engine, input_json={"a": 1}, output_json={"a": 1})
    for name in ("summary", "related", "input", "output"):
        with pytest.raises(NotFound, match="RUN_NOT_FOUND"):
            await READS[name](engine, OTHER_TENANT, run_id)
    assert (await runs_by_id(engine, OTHER_TENANT, [run_id])) == ()
    assert (await steps_page(engine, OTHER_TENANT, run_id)).rows == ()
    assert (await run_attempts(engine, OTHER_TENANT, run_id)) == ()
    assert (await run_waits(engine, OTHER_TENANT, run_id)) == ()
    assert (await run_logs(engine, OTHER_TENANT, run_id)).rows == ()
    assert (await run_snapshots(engine, OTHER_TENANT, run_id)) == ()


async def test_when_the_rules_cannot_be_understood_no_text_of_the_run_is_shown(engine: AsyncEngine) -> None:
    await insert(engine, workflow_settings, {"redaction_key_patterns": ["("]})
    run_id = await insert_run(
        engine, status="FAILED", error_json={"message": "canary", "code": "canary"}, input_json={"a": "canary"},
        trigger_metadata_json={"a": "canary"}, launch_error="canary",
    )  # fmt: skip
    for read in (run_summary, run_input):
        assert "canary" not in repr(await read(engine, TENANT, run_id))
    assert "canary" not in repr(await runs_page(engine, DEFAULT_TENANT, RunFilter()))
