"""A masked value is shown to an admin with a reason, one document at a time, and never without an audit entry."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from engine.errors import Forbidden, Invalid, NotFound, Unavailable
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.reveal import reveal
from engine.records import Level, Revealable
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from engine.store.tables import (
    workflow_action_invocations,
    workflow_human_tasks,
    workflow_payloads,
    workflow_runs,
    workflow_runtime_events,
)
from engine.store.trace.payloads import final_scopes_id
from tests.engine.operations.conftest import AsUser, Execute, Query
from tests.engine.store.tenants import row_of

RUN, LARGE, ATTEMPT, TASK, KEPT = (f"00000000-0000-7000-8000-0000000000b{n}" for n in range(5))
SECRET = {"password": "canary"}
CASES = {
    "a payload": (Revealable.PAYLOAD, RUN, SECRET),
    "an output": (Revealable.OUTPUT, RUN, SECRET),
    "an output that is kept apart": (Revealable.OUTPUT, LARGE, SECRET),
    "an attempt, its output kept apart": (Revealable.ATTEMPT, ATTEMPT, {"input": SECRET, "output": SECRET}),
    "an event": (Revealable.EVENT, "event-1", SECRET),
    "a task": (Revealable.TASK, TASK, {"context": SECRET, "response": None}),
}


@pytest.fixture
async def documents(store: Store) -> None:
    """One of every kind, each with a password."""
    run = {"workflow_id": "w", "workflow_version": 1, "status": "SUCCEEDED", "engine": "temporal"}
    rows = [
        (workflow_runs, {**run, "run_id": RUN, "input_json": SECRET, "output_json": SECRET}),
        (workflow_runs, {**run, "run_id": LARGE}),
        (workflow_payloads, {"payload_id": final_scopes_id(LARGE), "run_id": LARGE, "value_json": {"vars": SECRET}}),
        (workflow_payloads, {"payload_id": KEPT, "run_id": RUN, "value_json": SECRET}),
        (
            workflow_action_invocations,
            {"invocation_id": ATTEMPT, "run_id": RUN, "input_json": SECRET, "output_ref": KEPT, "status": "SUCCEEDED"},
        ),
        (workflow_human_tasks, {"task_id": TASK, "run_id": RUN, "context_json": SECRET}),
        (workflow_runtime_events, {"event_id": "event-1", "payload": SECRET, "state": "routed"}),
    ]
    async with store.begin() as connection:
        for table, values in rows:
            await connection.execute(insert(table).values({**row_of(table, DEFAULT_TENANT), **values}))


@pytest.mark.usefixtures("documents")
async def test_each_kind_is_shown_as_it_is_stored_and_audited(context: OperationContext, query: Query) -> None:
    for kind, target, stored in CASES.values():
        assert await reveal(context, kind, target, "a customer asked") == stored
    entries = await query(
        "SELECT target_kind, target_id, reason, details_json FROM workflow_audit_log WHERE operation = 'document_reveal'"
        " ORDER BY audit_id"
    )
    assert entries == [
        {"target_kind": kind, "target_id": target, "reason": "a customer asked", "details_json": None}
        for kind, target, _ in CASES.values()
    ]
    assert await query("SELECT 1 FROM workflow_audit_log AS entry WHERE entry::text LIKE '%canary%'") == []


@pytest.mark.usefixtures("documents")
async def test_without_level_or_reason_nothing_is_shown(
    context: OperationContext, as_user: AsUser, query: Query
) -> None:
    async with as_user(Level.OPERATE) as operator:
        with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
            await reveal(operator, Revealable.PAYLOAD, RUN, "a customer asked")
    nothing_to_see = (
        "\u200b" * 9,
        "a\u200b\u2060\ufeff",
        "\u2800" * 9,
        "\u3164 \u3164 \u3164",
        "\x01\x02\x03\x04",
        "\u17b4\U000e0101" * 5,
    )
    for reason in ("", "  x ", "y" * 1001, *nothing_to_see):
        with pytest.raises(Invalid, match="REASON_TOO"):
            await reveal(context, Revealable.PAYLOAD, RUN, reason)
    async with as_user(Level.ADMIN, tenant="00000000-0000-0000-0000-0000000000ff") as elsewhere:
        for kind, target, _ in CASES.values():
            with pytest.raises(NotFound, match="DOCUMENT_NOT_FOUND"):
                await reveal(elsewhere, kind, target, "a customer asked")
    for reason in ("हाँ", "고객 요청", "a\u200db\u200dc"):
        with pytest.raises(NotFound, match="DOCUMENT_NOT_FOUND"):
            await reveal(context, Revealable.PAYLOAD, new_id(), reason)
    for target in ("no id", "", "\0", new_id()):
        for kind in Revealable:
            with pytest.raises(NotFound, match="DOCUMENT_NOT_FOUND"):
                await reveal(context, kind, target, "a customer asked")
    assert await query("SELECT 1 FROM workflow_audit_log WHERE operation = 'document_reveal'") == []


@pytest.mark.usefixtures("documents")
async def test_what_cannot_be_audited_is_not_shown(as_user: AsUser, execute: Execute) -> None:
    async with as_user(Level.ADMIN) as admin:
        await execute("ALTER TABLE workflow_audit_log RENAME TO away")
        with pytest.raises(Unavailable, match="workflow_audit_log") as refused:
            await reveal(admin, Revealable.PAYLOAD, RUN, "a customer asked")
    assert refused.value.code == "POSTGRES_TABLE_MISSING"
