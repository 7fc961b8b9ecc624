"""The front door: opened, shared by tasks, closed; starting and waiting on real servers."""

from __future__ import annotations

import asyncio
import os
import pwd
from typing import Any
from uuid import UUID

import psycopg
import pytest

from engine import Engine, Invalid, NotFound, RunFilter, RunStatus, TimedOut
from engine.errors import EngineError
from engine.ids import new_id
from engine.settings import Settings
from tests.engine.devstack.ports import silent_port
from tests.engine.operations.conftest import Query, until

pytestmark = pytest.mark.usefixtures("environment")
OURS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'runstudio %'"


@pytest.mark.usefixtures("worker")
async def test_a_run_is_started_told_of_its_event_and_waited_for(engine: Engine, query: Query) -> None:
    run = await engine.runs.start("order", {"orderId": "42"}, idempotency_key="42")
    assert (run.created, run.version, run.pending) == (True, 1, False)
    assert (await engine.runs.start("order", {"orderId": "42"}, idempotency_key="42")).run_id == run.run_id
    with pytest.raises(TimedOut):
        await engine.runs.wait(run.run_id, timeout=0)
    await engine.events.submit("order.paid", {"amount": 20}, key="42")
    done = await engine.runs.wait(run.run_id, timeout=250)
    assert (done.run_id, done.status) == (run.run_id, RunStatus.SUCCEEDED)
    assert (await engine.runs.output(run.run_id)).value["paid"] == 20
    entries = await query("SELECT DISTINCT actor, actor_remark, actor_source FROM workflow_audit_log")
    me = pwd.getpwuid(os.getuid()).pw_name
    assert entries == [{"actor": me, "actor_remark": "billing-service", "actor_source": "api"}]


@pytest.mark.usefixtures("worker")
async def test_an_order_its_run_and_its_event_in_one_transaction(engine: Engine, query: Query) -> None:
    async with await psycopg.AsyncConnection.connect(engine.database_url) as connection:
        await connection.execute("CREATE TABLE shop_orders (id text PRIMARY KEY)")
        await connection.execute("INSERT INTO shop_orders VALUES ('7')")
        run = await engine.runs.start("order", {"orderId": "7"}, connection=connection)
        await engine.events.submit("order.paid", {"amount": 5}, key="7", connection=connection)
        with pytest.raises(Invalid, match="PAYLOAD_REJECTED") as refused:
            await engine.runs.start("order", {}, connection=connection)
        assert "runId" not in refused.value.details
        assert run.pending
        with pytest.raises(NotFound):
            await engine.runs.wait(run.run_id, timeout=0)
    done = await engine.runs.wait(run.run_id, timeout=250)
    assert done.status is RunStatus.SUCCEEDED
    assert len(await query("SELECT 1 FROM workflow_runs")) == 1


@pytest.mark.usefixtures("past_the_pooler")
async def test_any_number_of_tasks_use_one_engine(engine: Engine, query: Query) -> None:
    async def one(number: int) -> str:
        run = await engine.runs.start("order", {"orderId": str(number)})
        await engine.runs.get(run.run_id)
        await engine.events.submit("order.paid", key=str(number))
        with pytest.raises(TimeoutError):
            await engine.runs.wait(run.run_id, timeout=0.01)
        return run.run_id

    started = await asyncio.gather(*(one(number) for number in range(30)))
    listed = await engine.runs.list(RunFilter(workflow="order"), limit=50)
    assert {row.run_id for row in listed.rows} == set(started)
    assert (await engine.runs.counts()).of(RunStatus.RUNNING).value == 30
    pooled = await query(OURS + " AND application_name = 'runstudio client'")
    assert 1 <= len(pooled) <= 8


async def test_a_refused_payload_is_kept_unless_it_must_not_be(engine: Engine, query: Query) -> None:
    with pytest.raises(Invalid, match="PAYLOAD_REJECTED"):
        await engine.runs.start("order", {}, keep_refused=False)
    assert await query("SELECT 1 FROM workflow_runs") == []
    with pytest.raises(Invalid, match="PAYLOAD_REJECTED") as refused:
        await engine.runs.start("order", {})
    assert (await engine.runs.get(refused.value.details["runId"])).status is RunStatus.FAILED


async def test_without_temporal_one_reads_and_starts_as_pending(engine: Engine, database_url: str) -> None:
    with silent_port() as port:
        async with Engine(database_url=database_url, temporal_address=f"127.0.0.1:{port}") as alone:
            run = await alone.runs.start("order", {"orderId": "1"})
            assert (run.created, run.pending) == (True, True)
            assert "Temporal" in run.message
            assert [row.launch_state for row in (await alone.runs.list()).rows] == ["pending"]


async def test_a_database_without_the_schema_is_refused_and_let_go_of(empty_database_url: str) -> None:
    engine = Engine(database_url=empty_database_url)
    with pytest.raises(EngineError, match="SCHEMA_OLD") as refused:
        async with engine:
            pass
    assert "runstudio migrate" in refused.value.hint
    async with await psycopg.AsyncConnection.connect(engine.database_url) as connection:

        async def gone() -> bool:
            found = await connection.execute(OURS)
            return await found.fetchall() == []

        await until(gone)


@pytest.mark.usefixtures("past_the_pooler")
async def test_closing_lets_go_of_every_connection_and_may_be_repeated(engine: Engine, query: Query) -> None:
    other = Engine.from_env()
    await other.close()
    await other.open()
    run = await other.runs.start("order", {"orderId": "1"})
    waiting = asyncio.create_task(other.runs.wait(run.run_id))

    async def waits() -> bool:
        return len(await query(OURS + " AND application_name = 'runstudio waits'")) == 1

    await until(waits)
    await other.close()
    await other.close()
    with pytest.raises(EngineError, match="ENGINE_CLOSED"):
        await waiting
    await engine.close()

    async def gone() -> bool:
        return await query(OURS) == []

    await until(gone)


async def test_each_tenant_has_its_own(engine: Engine, database_url: str) -> None:
    await engine.runs.start("order", {"orderId": "1"})
    tenant = "00000000-0000-0000-0000-00000000000A"
    async with Engine.from_env(tenant=tenant, actor="importer", source="cli") as other:
        assert (await other.workflows.list(), (await other.runs.list()).rows) == ((), ())
        session = await other.system.session()
        assert (session.actor, session.tenant) == (pwd.getpwuid(os.getuid()).pw_name, tenant.lower())


def test_what_is_not_given_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://me:secret@here/shop")
    assert Engine().database_url == Engine.from_env().database_url == "postgresql://me:secret@here/shop"
    assert Engine(database_url="postgresql://db.internal/shop").database_url == "postgresql://db.internal/shop"
    given = Settings.load(database_url="postgresql://me:secret@other/shop")
    assert Engine(given).database_url == "postgresql://me:secret@other/shop"
    with pytest.raises(Invalid, match="SETTING_INVALID"):
        Engine(database_url="mysql://db.internal/shop")
    with pytest.raises(Invalid, match="ID_INVALID"):
        Engine(tenant="shop")
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(Invalid, match="DATABASE_URL_MISSING"):
        Engine.from_env()


async def test_arguments_of_a_wrong_type_are_refused_by_name(engine: Engine, query: Query) -> None:
    """What newcomers send: the number of an order as a key, what came from a column of their own."""
    order: Any = {"orderId": "1"}
    wrong: Any = 42
    for refused, code in (
        (engine.runs.start("order", order, idempotency_key=wrong), "KEY_INVALID"),
        (engine.runs.start("order", order, version="one"), "VERSION_NOT_FOUND"),  # type: ignore[arg-type]
        (engine.runs.start("or\0der", order), "WORKFLOW_NOT_FOUND"),
        (engine.runs.start("or\ud800der", order), "WORKFLOW_NOT_FOUND"),
        (engine.events.submit("order.paid", {}, key=wrong), "KEY_INVALID"),
        (engine.events.submit("order.paid", {}, event_id=wrong), "EVENT_ID_INVALID"),
        (engine.events.submit("order.paid", {}, schema_ref=wrong), "SCHEMA_REF_INVALID"),
        (engine.events.submit(wrong, {}), "EVENT_NAME_INVALID"),
        (engine.runs.get(wrong), "RUN_NOT_FOUND"),
        (engine.runs.cancel(wrong, "no reason at all"), "RUN_NOT_FOUND"),
        (engine.tasks.get(wrong), "TASK_NOT_FOUND"),
        (engine.tasks.cancel("x", wrong), "REASON_TOO_SHORT"),
        (engine.runs.list(limit="42"), "LIMIT_INVALID"),  # type: ignore[arg-type]
        (engine.jobs.list(limit=1.5), "LIMIT_INVALID"),  # type: ignore[arg-type]
        (engine.workflows.publish('{"id": "x"}'), "DEFINITION_INVALID"),  # type: ignore[arg-type]
    ):
        with pytest.raises(EngineError, match=code):
            await refused
    assert await query("SELECT 1 FROM workflow_runs UNION ALL SELECT 1 FROM workflow_runtime_events") == []


async def test_an_id_may_come_from_a_column_of_the_program(engine: Engine) -> None:
    """psycopg reads a uuid column as a UUID."""
    run = await engine.runs.start("order", {"orderId": "1"})
    known: Any = UUID(run.run_id)
    assert (await engine.runs.get(known)).row.run_id == run.run_id
    assert [row.run_id for row in await engine.runs.rows([known])] == [run.run_id]
    canceled = await engine.runs.cancel(known, "no longer needed", settle_seconds=0)
    assert canceled.run_id == run.run_id


def test_an_engine_may_be_opened_again_in_another_loop(environment: dict[str, str], database_url: str) -> None:
    """``asyncio.run`` twice, as tests and commands do."""
    made = Engine.from_env()
    with psycopg.connect(made.database_url, autocommit=True) as connection:

        async def once() -> str:
            run_id = new_id()
            connection.execute(
                "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine)"
                " VALUES (%s, 'order', 1, 'RUNNING', 'temporal')",
                [run_id],
            )
            async with made, asyncio.timeout(60):
                waiting = asyncio.create_task(made.runs.wait(run_id))
                await until(lambda: listens(connection))
                connection.execute("UPDATE workflow_runs SET status = 'SUCCEEDED' WHERE run_id = %s", [run_id])
                return (await waiting).status

        assert [asyncio.run(once()), asyncio.run(once())] == ["SUCCEEDED", "SUCCEEDED"]


async def listens(connection: psycopg.Connection[Any]) -> bool:
    found = connection.execute(OURS + " AND application_name = 'runstudio waits' AND query LIKE 'LISTEN%'")
    return found.fetchall() != []
