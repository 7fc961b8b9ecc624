"""Keeping and deleting: only what has ended, with everything that belongs to it, and what is gone says so."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Table, insert, text

from engine.errors import Conflict, Invalid, NotFound
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.keeping import retention as retention_pass
from engine.operations.keeping.retention import apply_retention, remove_retention, set_retention
from engine.operations.keeping.tenant import delete_tenant
from engine.operations.runs import delete as deleting_one
from engine.operations.runs.delete import delete_run
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.runs.replay import replay_base
from engine.records import Keep, Level
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from engine.store.runs.reading import run_input, run_output, run_summary
from engine.store.tables import metadata
from engine.store.trace.reading_attempts import attempt_body
from tests.engine.operations.conftest import AsUser, Execute, Query, add_version
from tests.engine.store.tenants import OTHER, row_of

WHY = "it is too old"
BELONGING = (
    "workflow_run_steps",
    "workflow_action_invocations",
    "workflow_run_waits",
    "workflow_run_logs",
    "workflow_run_snapshots",
    "workflow_human_tasks",
    "workflow_payloads",
    "workflow_event_deliveries",
)
BODIES = ("input_json", "input_text", "output_json", "value_json", "payload", "context_json", "response_json")
BODILESS = ("workflow_run_steps", "workflow_run_snapshots")
"""Without an input or an output: an outcome is redacted and short, a snapshot goes with its run."""
CANARY = {"canary": 1}  # fmt: skip


async def add_run(
    store: Store, *, days: int, status: str = "SUCCEEDED", tenant: str = DEFAULT_TENANT, **more: Any
) -> str:
    """A run that ended so many days ago, with a row in every table that has rows of runs."""
    run_id = new_id()
    async with store.begin() as connection:
        values = {"status": status, "engine": "temporal", **more}
        runs = metadata.tables["workflow_runs"]
        row = {**row_of(runs, tenant), **_bodies(runs), "run_id": run_id, "workflow_id": "orders", **values}
        await connection.execute(insert(runs).values(row))
        ended = text(
            "UPDATE workflow_runs SET started_at = now() - :days * interval '1 day' - interval '1 hour', completed_at ="
            " CASE WHEN status NOT IN ('RUNNING', 'WAITING') THEN now() - :days * interval '1 day' END WHERE run_id = :run"
        )
        await connection.execute(ended, {"run": run_id, "days": days})
        words = {"status": "SUCCEEDED", "wait_type": "time", "level": "INFO"}
        for name in BELONGING:
            table = metadata.tables[name]
            known = {key: value for key, value in words.items() if key in table.c}
            if name == "workflow_human_tasks":
                known["status"] = "completed"
            if name == "workflow_run_waits":
                known["status"] = "RESOLVED"
            if name == "workflow_event_deliveries":
                known |= {"status": "done", "target_kind": "launch"}
            row = {**row_of(table, tenant), **_bodies(table), **known, "run_id": run_id, "idempotency_key": run_id}
            await connection.execute(insert(table).values({key: value for key, value in row.items() if key in table.c}))
    return run_id


async def test_what_was_hidden_in_a_body_is_taken_out_of_what_stays(
    context: OperationContext, store: Store, query: Query, execute: Execute
) -> None:
    secret = "Kanarie-4711-geheim"
    run_id = await add_run(store, days=20, status="FAILED", input_json={"password": secret})
    other = await add_run(store, days=20, status="FAILED", input_json={"note": secret})
    young = await add_run(
        store, days=0, input_json={"copied": secret}, parent_run_id=run_id, root_run_id=run_id, status="SUCCEEDED"
    )
    await _started_by_time(store, run_id, f"PAYLOAD_REJECTED: no {secret}")
    for name, values in {
        "workflow_runs": """error_json = '{"message": "no Kanarie-4711-geheim", "code": "NO"}', last_error_code = 'NO'""",
        "workflow_run_logs": """message = 'sent KANARIE-4711-GEHEIM', context_json = '{"in": ["Kanarie", "4711", "geheim"]}'""",
        "workflow_run_steps": """outcome_json = '{"said": "Kanarie-4711-geheim"}'""",
        "workflow_human_tasks": "title = 'call mieheg-1174-eiranaK'",
        "workflow_run_waits": "key = 'Kanarie-4711-geheim'",
    }.items():
        await execute(f"UPDATE {name} SET {values} WHERE run_id IN ('{run_id}', '{other}')")
    assert secret not in str(await run_input(store, DEFAULT_TENANT, young))
    await set_retention(context, Keep(bodies=14), WHY)
    assert (await apply_retention(context)).bodies == 2
    kept = [
        str(await query(f"SELECT t::text AS row FROM {name} AS t WHERE run_id = '{run_id}'"))
        for name in ("workflow_runs", "workflow_schedule_fires", *BELONGING)
    ]
    kept += [str(await query("SELECT t::text AS row FROM workflow_schedules AS t"))]
    assert [row for row in kept if any(part in row.lower() for part in ("kanarie", "geheim", "eiranak"))] == []
    [error] = await query(f"SELECT error_json FROM workflow_runs WHERE run_id = '{run_id}'")
    assert error["error_json"] == {"message": "no [REDACTED]", "code": "NO"}
    [untouched] = await query(f"SELECT error_json FROM workflow_runs WHERE run_id = '{other}'")
    assert untouched["error_json"]["message"] == f"no {secret}"
    # What is a copy in the child's payload, which is still there, cannot be told any more.
    assert secret not in str(await run_input(store, DEFAULT_TENANT, young))


async def _started_by_time(store: Store, run_id: str, told: str) -> None:
    """Have it that a schedule has started the run, and what came of it."""
    await add_version(store, "orders")
    schedule_id, key = new_id(), new_id()
    fires, schedules = metadata.tables["workflow_schedule_fires"], metadata.tables["workflow_schedules"]
    fire = {"schedule_id": schedule_id, "fire_key": key, "run_id": run_id, "status": "failed", "reason": told}
    last = {
        "schedule_id": schedule_id,
        "workflow_id": "orders",
        "last_fire_key": key,
        "last_error": told,
        "trigger_type": "recurring",
    }
    async with store.begin() as connection:
        for table, row in ((schedules, last), (fires, fire)):
            await connection.execute(insert(table).values({**row_of(table, DEFAULT_TENANT), **row}))
        own = text("UPDATE workflow_runs SET trigger_fire_key = :key WHERE run_id = :run")
        await connection.execute(own, {"key": key, "run": run_id})


async def test_what_a_schedule_says_of_a_deleted_run_is_its_code(
    context: OperationContext, store: Store, as_user: AsUser, query: Query
) -> None:
    run_id = await add_run(store, days=1, status="FAILED")
    await _started_by_time(store, run_id, "PAYLOAD_REJECTED: no Kanarie-4711-geheim: at all")
    async with as_user(Level.ADMIN, "ada") as admin:
        await delete_run(admin, run_id, WHY)
    assert [row["reason"] for row in await query("SELECT reason FROM workflow_schedule_fires")] == ["PAYLOAD_REJECTED"]
    assert [row["last_error"] for row in await query("SELECT last_error FROM workflow_schedules")] == [
        "PAYLOAD_REJECTED"
    ]


def _bodies(table: Table) -> dict[str, Any]:
    """The canary in every column of the table that holds an input or an output; the log has no bodies."""
    if table.name == "workflow_run_logs":
        return {}
    return {name: json.dumps(CANARY) if name == "input_text" else CANARY for name in BODIES if name in table.c}


async def rows_of(query: Query, run_id: str) -> int:
    """Rows in all tables that name the run."""
    tables = ("workflow_runs", *BELONGING)
    counted = " UNION ALL ".join(f"SELECT count(*) AS n FROM {name} WHERE run_id = :run" for name in tables)
    return sum(row["n"] for row in await query(counted, run=run_id))


async def test_a_run_is_deleted_with_everything_and_never_a_live_one(
    context: OperationContext, store: Store, as_user: AsUser, query: Query, execute: Execute
) -> None:
    ended = await add_run(store, days=1)
    live = await add_run(store, days=1, status="WAITING")
    child = await add_run(store, days=1, parent_run_id=live, root_run_id=live)
    parent = await add_run(store, days=1)
    await add_run(store, days=1, status="RUNNING", parent_run_id=parent, root_run_id=parent)
    fresh = await add_run(store, days=0)
    refused = {live: "RUN_ACTIVE", child: "RUN_TREE_ACTIVE", parent: "RUN_TREE_ACTIVE", fresh: "RUN_JUST_ENDED"}
    # As the service, which has no right to delete snapshots by themselves.
    async with as_user(Level.ADMIN, "ada") as admin:
        for run_id, code in refused.items():
            with pytest.raises(Conflict) as told:
                await delete_run(admin, run_id, WHY)
            assert told.value.code == code
        await delete_run(admin, ended, WHY)
        with pytest.raises(NotFound):
            await delete_run(admin, ended, WHY)
    assert [await rows_of(query, run_id) for run_id in (ended, *refused)] == [0, 9, 9, 9, 9]
    [entry] = await query("SELECT * FROM workflow_audit_log WHERE operation = 'workflow_run_delete'")
    assert (entry["actor"], entry["target_id"], entry["reason"]) == ("ada", ended, WHY)


async def test_an_answer_that_never_reached_a_run_goes_with_it_and_an_event_that_is_due_comes_to_its_end(
    context: OperationContext, store: Store, query: Query, execute: Execute
) -> None:
    """Of an answer nobody could tell anything any more: its task is gone."""
    run_id = await add_run(store, days=1)
    await execute("UPDATE workflow_event_deliveries SET status = 'pending', event_id = 'e'")
    await execute(
        "INSERT INTO workflow_event_deliveries (delivery_id, target_kind, target, run_id, event_name, status, next_attempt_at)"
        " SELECT gen_random_uuid(), 'task', task_id::text, run_id, 'HUMAN_TASK_COMPLETED', 'pending', now() FROM"
        " workflow_human_tasks"
    )
    await delete_run(context, run_id, WHY)
    assert await query("SELECT target_kind FROM workflow_event_deliveries") == [{"target_kind": "launch"}]


async def test_of_two_who_delete_a_run_one_is_told_that_it_is_gone(
    context: OperationContext, store: Store, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await add_run(store, days=40)

    async def after_another(connection: Any, tenant: str, run: str) -> bool:
        async with store.begin() as another:
            assert await delete_run_rows(another, tenant, run)
        return await delete_run_rows(connection, tenant, run)

    delete_run_rows = deleting_one.delete_run_rows
    monkeypatch.setattr(deleting_one, "delete_run_rows", after_another)
    with pytest.raises(NotFound, match="RUN_NOT_FOUND"):
        await delete_run(context, run_id, WHY)
    assert await query("SELECT 1 FROM workflow_audit_log") == []


async def test_the_rules_say_what_goes_and_a_workflow_has_its_own(
    context: OperationContext, store: Store, query: Query
) -> None:
    old, young = await add_run(store, days=40), await add_run(store, days=20)
    failed, live = await add_run(store, days=40, status="FAILED"), await add_run(store, days=400, status="RUNNING")
    own = await add_run(store, days=400, workflow_id="audited")
    foreign = await add_run(store, days=400, tenant=OTHER)
    await apply_retention(context)
    assert len(await query("SELECT 1 FROM workflow_runs")) == 6
    await set_retention(context, Keep(succeeded=30, failed=180), WHY)
    await set_retention(context, Keep(), WHY, workflow_id="audited")
    done = await apply_retention(context)
    assert (done.runs, done.bodies) == (1, 0)
    left = {row["run_id"] for row in await query("SELECT run_id FROM workflow_runs")}
    assert left == {young, failed, live, own, foreign}
    assert await rows_of(query, old) == 0
    [entry] = await query("SELECT * FROM workflow_audit_log WHERE operation = 'retention_delete'")
    assert entry["details_json"] == {"succeeded": 1, "failed": 0, "bodies": 0}
    for days in (0, -1, True, 1.5, "30", 36_501, 2**31, 10**5000):
        with pytest.raises(Invalid):
            Keep(bodies=days)  # type: ignore[arg-type] # as a program may call it
    await remove_retention(context, WHY, workflow_id="audited")
    assert (await apply_retention(context)).runs == 1
    with pytest.raises(NotFound):
        await remove_retention(context, WHY, workflow_id="audited")


async def test_a_rule_that_breaks_leaves_the_others_alone(
    context: OperationContext, store: Store, query: Query, execute: Execute
) -> None:
    """A rule of another release: its workflow still has a rule of its own, which is not the tenant's."""
    kept, old = await add_run(store, days=400, workflow_id="audited"), await add_run(store, days=400)
    foreign = await add_run(store, days=400, tenant=OTHER)
    await set_retention(context, Keep(succeeded=30), WHY)
    await set_retention(context, Keep(), WHY, workflow_id="audited")
    await set_retention(replace(context, tenant=OTHER), Keep(succeeded=30), WHY)
    await execute("UPDATE workflow_retention SET succeeded_days = 2147483647 WHERE workflow_id = 'audited'")
    done = await apply_retention(context)
    assert (done.runs, done.broken) == (2, (f"{context.tenant} audited",))
    left = [row["run_id"] for row in await query("SELECT run_id FROM workflow_runs")]
    assert (left, {old, foreign} & {*left}) == ([kept], set())


async def test_a_body_that_was_deleted_says_so_and_when(context: OperationContext, store: Store, query: Query) -> None:
    old = await add_run(store, days=20)
    history = await add_run(store, days=20, engine="temporal")
    await set_retention(context, Keep(bodies=14), WHY)
    async with store.begin() as connection:
        # A row from before the cutover, which the guard lets nobody write any more.
        await connection.execute(text("ALTER TABLE workflow_runs DROP CONSTRAINT workflow_runs_engine_is_temporal"))
        await connection.execute(text("UPDATE workflow_runs SET engine = 'db' WHERE run_id = :run"), {"run": history})
    assert (await apply_retention(context)).bodies == 1
    assert (await apply_retention(context)).bodies == 0
    summary = await run_summary(store, DEFAULT_TENANT, old)
    assert summary.bodies_deleted_at is not None
    assert (summary.has_input, (await run_summary(store, DEFAULT_TENANT, history)).has_input) == (False, True)
    [attempt] = await query("SELECT invocation_id FROM workflow_action_invocations WHERE run_id = :run", run=old)
    for asked in (
        lambda: run_input(store, DEFAULT_TENANT, old),
        lambda: run_output(store, DEFAULT_TENANT, old),
        lambda: attempt_body(store, DEFAULT_TENANT, old, attempt["invocation_id"]),
        lambda: replay_base(context, old),
    ):
        with pytest.raises((NotFound, Conflict), match=r"deleted at 20\d\d-"):
            await asked()
    for name in ("workflow_runs", *BELONGING):
        found = await query(f"SELECT 1 FROM {name} AS t WHERE run_id = :run AND t::text LIKE '%canary%'", run=old)
        assert found == [], name
        if name != "workflow_run_logs":
            kept = await query(
                f"SELECT t::text LIKE '%canary%' AS kept FROM {name} AS t WHERE run_id = :run", run=history
            )
            assert name in BODILESS or kept == [{"kept": True}], name


async def test_a_request_that_is_repeated_after_its_body_was_deleted_starts_no_second_run(
    context: OperationContext, store: Store, execute: Execute
) -> None:
    """What it was compared with is gone; that the key is the same is all that is known, and what the key is for."""
    await add_version(store)
    request = LaunchRequest("orders", {"a": 1}, idempotency_key="k")
    first = await launch_published_run(context, request)
    nine_days_ago = "now() - interval '9 days'"
    await execute(
        f"UPDATE workflow_runs SET status = 'SUCCEEDED', started_at = {nine_days_ago}, completed_at = {nine_days_ago}"
    )
    await set_retention(context, Keep(bodies=8), WHY)
    assert (await apply_retention(context)).bodies == 1
    again = await launch_published_run(context, request)
    assert (again.run_id, again.created) == (first.run_id, False)
    with pytest.raises(Conflict, match="IDEMPOTENCY_KEY_REUSED"):
        await launch_published_run(context, replace(request, version=7))


async def test_a_tenant_is_deleted_whole_and_its_audit_log_stays(
    context: OperationContext, store: Store, as_user: AsUser, query: Query, temporal: Any
) -> None:
    await add_version(store)
    live = (await launch_published_run(context, LaunchRequest("orders", {"a": 1}))).run_id
    await add_run(store, days=1)
    foreign = await add_run(store, days=1, tenant=OTHER)
    await set_retention(context, Keep(succeeded=1), WHY)
    async with as_user(Level.ADMIN, "ada") as admin:
        with pytest.raises(Invalid, match="not the tenant"):
            await delete_tenant(admin, OTHER, WHY)
        done = await delete_tenant(admin, DEFAULT_TENANT, WHY)
    assert done.terminated == 1
    description = await temporal.get_workflow_handle(f"workflow-runtime-v2:run:{live}").describe()
    assert description.status.name == "TERMINATED"
    for table in metadata.sorted_tables:
        if "tenant" in table.c and table.name != "workflow_audit_log":
            left = await query(f"SELECT 1 FROM {table.name} WHERE tenant = :tenant", tenant=DEFAULT_TENANT)
            assert left == [], table.name
    assert await rows_of(query, foreign) == 9
    operations = [
        row["operation"] for row in await query("SELECT operation FROM workflow_audit_log ORDER BY created_at")
    ]
    assert operations[-2:] == ["tenant_delete", "tenant_deleted"]


async def test_events_go_when_they_are_over_and_nothing_needs_them(
    context: OperationContext, store: Store, query: Query, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each as old as the rule allows, but for the young one."""
    wait = {"id": "w", "type": "event.wait", "config": {"eventName": "AWAITED"}}
    await add_version(store, "looks-back", steps=[wait])
    ended = await add_run(store, days=100)
    live = await add_run(store, days=100, status="WAITING", workflow_id="looks-back", workflow_version=1)
    for event_id, days, more in (
        ("delivered", 40, {}),
        ("nobody-took-it", 40, {}),
        ("young", 20, {}),
        ("not-routed", 40, {"state": "received"}),
        ("taken-by-a-run", 40, {}),
        ("awaited", 40, {"event_name": "AWAITED"}),
        ("before-the-run", 101, {"event_name": "AWAITED"}),
        ("due", 40, {}),
        ("dead", 40, {}),
        ("long-dead", 400, {}),
    ):
        await add_event(store, event_id, days, **more)
    for event_id, status in (
        ("delivered", "done"), ("due", "pending"), ("dead", "done"), ("dead", "skipped"), ("long-dead", "failed")
    ):  # fmt: skip
        await execute(
            "INSERT INTO workflow_event_deliveries (delivery_id, event_id, target_kind, target, status, arrival)"
            " VALUES (gen_random_uuid(), :event, 'wait', :status, :status, 1)",
            event=event_id,
            status=status,
        )
    await execute("UPDATE workflow_run_waits SET matched_event_id = 'taken-by-a-run' WHERE run_id = :run", run=ended)
    monkeypatch.setattr(retention_pass, "EVENTS_BATCH", 2)

    async def left() -> set[str]:
        return {row["event_id"] for row in await query("SELECT event_id FROM workflow_runtime_events")}

    everything = await left()
    assert (await apply_retention(context)).events == 0
    await set_retention(context, Keep(dead_events=365), WHY)
    assert (await apply_retention(context)).events == 1
    assert everything - await left() == {"long-dead"}
    await set_retention(context, Keep(events=30), WHY)
    assert (await apply_retention(context)).events == 3
    assert await left() == {"young", "not-routed", "taken-by-a-run", "awaited", "due", "dead"}
    rows = await query("SELECT event_id FROM workflow_event_deliveries WHERE run_id IS NULL ORDER BY status")
    assert [row["event_id"] for row in rows] == ["dead", "due", "dead"]
    [first, second] = await query(
        "SELECT details_json FROM workflow_audit_log WHERE operation = 'retention_delete' ORDER BY created_at"
    )
    assert (first["details_json"]["events"], second["details_json"]["events"]) == (1, 3)
    # When the runs are gone, so are their events.
    await execute("DELETE FROM workflow_runs WHERE run_id IN (:ended, :live)", ended=ended, live=live)
    assert (await apply_retention(context)).events == 2
    assert await left() == {"young", "not-routed", "due", "dead"}
    with pytest.raises(Invalid, match="RETENTION_INVALID"):
        await set_retention(context, Keep(events=30), WHY, workflow_id="looks-back")


async def test_what_a_due_launch_may_look_back_to_stays(
    context: OperationContext, store: Store, query: Query, execute: Execute
) -> None:
    for event_id in ("before", "starts", "after"):
        await add_event(store, event_id, 40)
    await execute(
        "INSERT INTO workflow_event_deliveries (delivery_id, event_id, target_kind, target, status, arrival)"
        " SELECT gen_random_uuid(), event_id, 'launch', 'orders', 'pending', arrival FROM workflow_runtime_events"
        " WHERE event_id = 'starts'"
    )
    await set_retention(context, Keep(events=30, dead_events=30), WHY)
    assert (await apply_retention(context)).events == 1
    assert len(await query("SELECT 1 FROM workflow_runtime_events WHERE event_id <> 'before'")) == 2


async def test_an_event_stays_with_a_run_that_shows_what_is_hidden_in_it_elsewhere(
    context: OperationContext, store: Store, query: Query, execute: Execute
) -> None:
    """As the payload that its trigger has made of it, or under a schema that does not mark what the event's marks."""
    schema = {"properties": {"ssn": {"x-sensitive": True}}}
    await execute(
        "INSERT INTO workflow_payload_schemas (ref, schema_json) VALUES ('marked', CAST(:schema AS jsonb)), ('plain', '{}')",
        schema=json.dumps(schema),
    )
    started = {}
    for event_id, ref, mapped in (("mapped", "plain", True), ("marked", "marked", False), ("same", "plain", False)):
        await add_event(store, event_id, 40, payload_schema_ref=ref)
        started[event_id] = await add_run(store, days=39, trigger_mapping_applied=mapped)
        await execute(
            "INSERT INTO workflow_event_deliveries (delivery_id, event_id, target_kind, target, status, run_id, arrival)"
            " VALUES (gen_random_uuid(), :event, 'launch', 'orders', 'done', :run, 1)",
            event=event_id,
            run=started[event_id],
        )
    await set_retention(context, Keep(events=30), WHY)

    async def left() -> set[str]:
        await apply_retention(context)
        return {row["event_id"] for row in await query("SELECT event_id FROM workflow_runtime_events")}

    assert await left() == {"mapped", "marked"}
    await execute("UPDATE workflow_runs SET bodies_deleted_at = now() WHERE run_id = :run", run=started["mapped"])
    await execute("DELETE FROM workflow_runs WHERE run_id = :run", run=started["marked"])
    assert await left() == set()


async def add_event(store: Store, event_id: str, days: int, **more: Any) -> None:
    """A routed event that was submitted so many days ago."""
    events = metadata.tables["workflow_runtime_events"]
    values = {"event_id": event_id, "event_name": "PING", "state": "routed", **more}
    async with store.begin() as connection:
        await connection.execute(insert(events).values(values))
        aged = text(
            "UPDATE workflow_runtime_events SET created_at = now() - :days * interval '1 day' WHERE event_id = :event"
        )
        await connection.execute(aged, {"days": days, "event": event_id})
