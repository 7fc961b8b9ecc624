"""``doctor`` says what is wrong: a failed schedule, dead deliveries, a Postgres that takes no writes, a certificate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.operations.attention import attention
from engine.operations.context import OperationContext
from engine.operations.health import system_health
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.records import AttentionKind, HealthPart, Level
from engine.settings import Settings
from engine.store.database.transactions import Store
from engine.temporal.connection import TemporalConnection
from engine.temporal.installation import same_installation
from tests.engine.operations.conftest import AsUser, Execute, add_version


async def part(context: OperationContext, name: str) -> HealthPart:
    [found] = [each for each in await system_health(context) if each.name == name]
    return found


async def test_f34_what_is_failed_or_dead_is_not_ok(context: OperationContext, execute: Execute) -> None:
    assert (await part(context, "events")).state == (await part(context, "schedules")).state == "ok"
    await execute(
        "INSERT INTO workflow_event_deliveries (delivery_id, event_id, event_name, target_kind, target, status, arrival)"
        " SELECT gen_random_uuid(), 'e' || n, 'PAID', 'wait', 'w', 'failed', n FROM generate_series(1, 3) AS n"
    )
    await add_version(context.store)
    await execute(
        "INSERT INTO workflow_schedules"
        " (schedule_id, workflow_id, name, workflow_version, trigger_type, run_at, status, last_error) VALUES"
        " (gen_random_uuid(), 'orders', 'Orders', 1, 'schedule', now() + interval '1 day', 'failed', 'Temporal refuses it')"
    )
    events, schedules = await part(context, "events"), await part(context, "schedules")
    assert (events.state, events.detail) == ("degraded", "3 deliveries were given up")
    assert "runstudio events dead" in events.advice
    assert (schedules.state, schedules.detail) == (
        "degraded",
        "1 schedule in trouble; orders is failed: Temporal refuses it",
    )
    told = [item.reason for item in (await attention(context)).items if item.kind is AttentionKind.SCHEDULE]
    assert told == ["Temporal does not have it, so it starts nothing: Temporal refuses it"]


async def test_f34_a_job_in_trouble_and_a_message_that_was_given_up_are_not_ok(
    context: OperationContext, execute: Execute
) -> None:
    assert (await part(context, "jobs")).state == (await part(context, "messages")).state == "ok"
    await execute(
        "INSERT INTO workflow_jobs (job_id, kind, filter_json, filter_text, reason, actor, actor_level, state, total, failed,"
        " completed_at) VALUES (gen_random_uuid(), 'cancel', '{}', '', 'why', 'ada', 'admin', 'done', 3, 2, now())"
    )
    await execute(
        "INSERT INTO workflow_alerts (alert_id, name, kind, conditions_json, target_kind, target, set_by)"
        " VALUES ('00000000-0000-7000-8000-000000000001', 'failures', 'failed', '{}', 'command', 'page', 'ada')"
    )
    await execute(
        "INSERT INTO workflow_alert_outbox (message_id, alert_id, group_key, hour, body_json, state)"
        " VALUES (gen_random_uuid(), '00000000-0000-7000-8000-000000000001', 'orders', now(), '{}', 'failed')"
    )
    jobs, messages = await part(context, "jobs"), await part(context, "messages")
    assert (jobs.state, jobs.detail) == ("degraded", "1 job within a day did not get on, or had targets that failed")
    assert "runstudio jobs list" in jobs.advice
    assert (messages.state, messages.detail) == ("degraded", "1 message of alerts within a day could not be sent")
    assert "runstudio alerts messages" in messages.advice


async def test_f34_a_postgres_that_takes_no_writes_is_not_ok(context: OperationContext, execute: Execute) -> None:
    assert (await part(context, "postgres")).state == "ok"
    await execute(f"ALTER DATABASE {context.store.url.database} SET default_transaction_read_only = on")
    await context.store.dispose()
    postgres = await part(context, "postgres")
    assert (postgres.state, postgres.detail) == (
        "degraded",
        "it answers, but takes no writes: nothing is started, and no run goes on",
    )


async def test_a_certificate_without_its_key_leaves_launches_pending_and_doctor_says_so(
    context: OperationContext, store: Store, temporal_address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await add_version(store)
    (tmp_path / "temporal.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", str(tmp_path / "temporal.pem"))
    given = Settings.load(temporal_address=temporal_address)
    broken = replace(context, temporal=TemporalConnection.from_settings(given, same_installation(store)))
    launched = await launch_published_run(broken, LaunchRequest("orders"))
    assert launched.pending
    assert "private key" in launched.message
    temporal = await part(broken, "temporal")
    assert temporal.state == "down"
    assert "private key" in temporal.detail


async def test_what_is_left_undone_in_a_tenant_is_told_to_whoever_may_read_there(
    context: OperationContext, execute: Execute, as_user: AsUser
) -> None:
    """The number of its events, the name of its workflow and why its schedule fails are the tenant's."""
    await execute(
        "INSERT INTO workflow_event_deliveries (delivery_id, event_id, event_name, target_kind, target, status, arrival)"
        " VALUES (gen_random_uuid(), 'e', 'PAID', 'wait', 'w', 'failed', 1)"
    )
    await add_version(context.store)
    await execute(
        "INSERT INTO workflow_schedules"
        " (schedule_id, workflow_id, name, workflow_version, trigger_type, run_at, status, last_error) VALUES"
        " (gen_random_uuid(), 'orders', 'Orders', 1, 'schedule', now() + interval '1 day', 'failed', 'Temporal refuses it')"
    )
    names = ("runs", "stores", "events", "schedules", "jobs", "messages")
    async with as_user(Level.NONE, "mallory") as mallory:
        told = {one.name: (one.state, one.detail) for one in await system_health(mallory)}
    assert {name: told[name] for name in names} == dict.fromkeys(names, ("unknown", "This needs the level read."))
    assert {"postgres", "schema", "temporal", "workers", "routing"} <= told.keys()
    async with as_user(Level.READ, "ada") as ada:
        assert (await part(ada, "schedules")).detail == "1 schedule in trouble; orders is failed: Temporal refuses it"
