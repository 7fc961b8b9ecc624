"""A launch in the caller's own transaction: there with the caller's rows or not at all, and the connection is left as it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from temporalio.client import Client
from temporalio.service import RPCError

from engine.contract import workflow_id_for
from engine.devstack.postgres import EmbeddedPostgres
from engine.errors import Conflict, EngineError, Forbidden, Invalid, NotFound
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.events.events import EventRequest
from engine.operations.runs.hand_over import hand_over_due
from engine.operations.runs.launch import LaunchRequest, launch_in_transaction, launch_published_run
from engine.records import Level
from engine.store.database import callers_connection
from engine.store.database.notifications import LAUNCHES
from engine.store.database.schema_version import SchemaOutdated
from engine.store.database.transactions import Store
from tests.engine.operations.callers import KINDS, Caller, caller
from tests.engine.operations.conftest import ORDER_SCHEMA, AsUser, Execute, Query, add_version

ORDER = LaunchRequest("orders", {"order": {"id": 1}})
RUNS = "SELECT run_id, status, launch_state FROM workflow_runs"


def plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@pytest_asyncio.fixture
async def shop(store: Store, execute: Execute) -> None:
    """A published workflow, and a table of the caller's."""
    await add_version(store)
    await execute("CREATE TABLE shop_orders (id int PRIMARY KEY)")


@pytest_asyncio.fixture
async def connection(shop: None, database_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(plain(database_url)) as made:
        yield made


async def known_to_temporal(temporal: Client, run_id: str) -> bool:
    try:
        await temporal.get_workflow_handle(workflow_id_for(run_id)).describe()
    except RPCError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKindOfConnection:
    @pytest_asyncio.fixture
    async def theirs(
        self, kind: str, context: OperationContext, shop: None, database_url: str
    ) -> AsyncIterator[Caller]:
        async with caller(kind, context, database_url) as made:
            yield made

    async def test_both_rows_come_with_the_commit(
        self, theirs: Caller, context: OperationContext, query: Query, temporal: Client
    ) -> None:
        await theirs.execute("INSERT INTO shop_orders VALUES (1)")
        launched = await theirs.launch(ORDER)
        assert (launched.created, launched.pending, launched.version) == (True, True, 1)
        assert launched.message
        assert await query(RUNS) == []
        assert await hand_over_due(context) == 0
        await theirs.commit()
        assert await query("SELECT id FROM shop_orders") == [{"id": 1}]
        assert await query(RUNS) == [{"run_id": launched.run_id, "status": "RUNNING", "launch_state": "pending"}]
        assert not await known_to_temporal(temporal, launched.run_id)
        assert await hand_over_due(context) == 1
        assert await query(RUNS) == [{"run_id": launched.run_id, "status": "RUNNING", "launch_state": "started"}]
        assert await known_to_temporal(temporal, launched.run_id)
        assert await hand_over_due(context) == 0
        [entry] = await query("SELECT operation, actor, run_id FROM workflow_audit_log")
        assert entry == {"operation": "workflow_run_start", "actor": "tester", "run_id": launched.run_id}

    async def test_neither_row_survives_a_rollback(self, theirs: Caller, query: Query) -> None:
        await theirs.execute("INSERT INTO shop_orders VALUES (1)")
        await theirs.launch(ORDER)
        await theirs.rollback()
        for table in ("shop_orders", "workflow_runs", "workflow_run_logs", "workflow_audit_log"):
            assert await query(f"SELECT 1 FROM {table}") == []

    async def test_the_launch_may_be_the_first_statement(self, theirs: Caller, query: Query) -> None:
        launched = await theirs.launch(ORDER)
        await theirs.execute("INSERT INTO shop_orders VALUES (1)")
        await theirs.commit()
        assert [row["run_id"] for row in await query(RUNS)] == [launched.run_id]

    async def test_a_refusal_leaves_the_callers_rows_alone(self, theirs: Caller, query: Query) -> None:
        await theirs.execute("INSERT INTO shop_orders VALUES (1)")
        with pytest.raises(NotFound, match="WORKFLOW_NOT_FOUND"):
            await theirs.launch(LaunchRequest("unknown"))
        await theirs.execute("INSERT INTO shop_orders VALUES (2)")
        await theirs.commit()
        assert await query("SELECT id FROM shop_orders ORDER BY id") == [{"id": 1}, {"id": 2}]

    async def test_several_in_one_transaction_and_one_key(self, theirs: Caller, query: Query) -> None:
        keyed = LaunchRequest("orders", {"order": {"id": 1}}, idempotency_key="k")
        first, again, other = await theirs.launch(keyed), await theirs.launch(keyed), await theirs.launch(ORDER)
        assert (first.run_id, again.created, other.created) == (again.run_id, False, True)
        await theirs.submit(EventRequest("PAID", {}, "1"))
        await theirs.commit()
        assert {row["run_id"] for row in await query(RUNS)} == {first.run_id, other.run_id}
        assert len(await query("SELECT 1 FROM workflow_runtime_events")) == 1

    async def test_autocommit_is_refused(
        self, kind: str, context: OperationContext, shop: None, database_url: str, query: Query
    ) -> None:
        async with caller(kind, context, database_url, autocommit=True) as careless:
            with pytest.raises(Invalid, match="CONNECTION_AUTOCOMMIT"):
                await careless.launch(ORDER)
            with pytest.raises(Invalid, match="CONNECTION_AUTOCOMMIT"):
                await careless.submit(EventRequest("PAID"))
        assert await query(RUNS) == []

    async def test_a_failed_transaction_is_refused(self, theirs: Caller) -> None:
        with pytest.raises((psycopg.Error, DBAPIError)):
            await theirs.execute("SELECT 1 / 0")
        with pytest.raises(Conflict, match="TRANSACTION_FAILED"):
            await theirs.launch(ORDER)

    async def test_another_database_is_refused(
        self, kind: str, context: OperationContext, postgres: EmbeddedPostgres, migrated_template: str, shop: None
    ) -> None:
        name = f"other_{new_id().replace('-', '')}"
        async with caller(kind, context, postgres.create_database(name, template=migrated_template)) as stranger:
            with pytest.raises(Invalid, match="CONNECTION_ELSEWHERE"):
                await stranger.launch(ORDER)
        async with caller(kind, context, postgres.url()) as stranger:
            with pytest.raises(Invalid, match="CONNECTION_ELSEWHERE"):
                await stranger.launch(ORDER)
        postgres.drop_database(name)


async def test_nothing_is_left_on_the_connection(
    context: OperationContext, connection: psycopg.AsyncConnection[Any], query: Query
) -> None:
    """Whatever the caller has set, we neither use it nor change it."""
    connection.row_factory = dict_row
    connection.cursor_factory = psycopg.AsyncRawCursor
    connection.prepare_threshold = 0
    set_json_dumps(lambda value: '"spoiled"', connection)
    set_json_loads(lambda value: "spoiled", connection)
    async with connection.transaction():
        for number in range(7):
            await launch_in_transaction(context, LaunchRequest("orders", {"n": number}), connection)
        prepared = await (await connection.execute("SELECT statement FROM pg_prepared_statements")).fetchall()
        assert [row for row in prepared if "workflow" in row["statement"]] == []  # type: ignore[call-overload]
    assert connection.info.transaction_status is TransactionStatus.IDLE
    assert (connection.row_factory, connection.cursor_factory) == (dict_row, psycopg.AsyncRawCursor)
    assert not connection.autocommit
    payloads = await query("SELECT input_json->>'n' AS n FROM workflow_runs")
    assert sorted(row["n"] for row in payloads) == list("0123456")
    logged = await query("SELECT context_json->>'workflowId' AS id FROM workflow_run_logs")
    assert {row["id"] for row in logged} == {"orders"}


async def test_an_explicit_block_on_an_autocommit_connection_is_a_transaction(
    context: OperationContext, connection: psycopg.AsyncConnection[Any], query: Query
) -> None:
    await connection.set_autocommit(True)
    async with connection.transaction():
        await launch_in_transaction(context, ORDER, connection)
        assert await query(RUNS) == []
    assert len(await query(RUNS)) == 1


async def test_a_savepoint_of_the_caller_takes_the_run_with_it(
    context: OperationContext, connection: psycopg.AsyncConnection[Any], query: Query
) -> None:
    kept = await launch_in_transaction(context, ORDER, connection)
    async with connection.transaction(force_rollback=True):
        await launch_in_transaction(context, ORDER, connection)
    await connection.commit()
    assert [row["run_id"] for row in await query(RUNS)] == [kept.run_id]


async def test_the_commit_tells_who_listens_and_a_rollback_does_not(
    context: OperationContext, connection: psycopg.AsyncConnection[Any], database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(plain(database_url), autocommit=True) as listener:
        await listener.execute(f"LISTEN {LAUNCHES}")
        await launch_in_transaction(context, ORDER, connection)
        await connection.rollback()
        launched = await launch_in_transaction(context, ORDER, connection)
        await connection.commit()
        told = [notify.payload async for notify in listener.notifies(stop_after=1)]
    assert told == [f"{context.tenant}:{launched.run_id}"]


async def test_a_refused_payload_leaves_a_row_only_when_asked(
    context: OperationContext, connection: psycopg.AsyncConnection[Any], store: Store, query: Query
) -> None:
    await add_version(store, "picky", payload_schema=ORDER_SCHEMA)
    with pytest.raises(Invalid, match="PAYLOAD_REJECTED") as silent:
        await launch_in_transaction(context, LaunchRequest("picky", {}, keep_refused=False), connection)
    assert "runId" not in silent.value.details
    with pytest.raises(Invalid, match="PAYLOAD_REJECTED") as kept:
        await launch_in_transaction(context, LaunchRequest("picky", {}), connection)
    await connection.commit()
    assert await query("SELECT run_id, status FROM workflow_runs") == [
        {"run_id": kept.value.details["runId"], "status": "FAILED"}
    ]


async def test_a_race_for_a_key_does_not_end_the_transaction(
    context: OperationContext, connection: psycopg.AsyncConnection[Any], database_url: str, query: Query
) -> None:
    """Both have looked and found nothing; the second waits for the first, and is given the run of the first."""
    keyed = LaunchRequest("orders", {"order": {"id": 1}}, idempotency_key="k")
    async with await psycopg.AsyncConnection.connect(plain(database_url)) as other:
        first = await launch_in_transaction(context, keyed, connection)
        second = asyncio.create_task(launch_in_transaction(context, keyed, other))
        await blocked(query)
        await connection.commit()
        answer = await second
        await other.execute("INSERT INTO shop_orders VALUES (1)")
        await other.commit()
    assert (answer.run_id, answer.created) == (first.run_id, False)
    assert len(await query(RUNS)) == len(await query("SELECT 1 FROM shop_orders")) == 1


async def test_a_serialization_failure_is_raised_as_the_caller_knows_it(
    context: OperationContext, connection: psycopg.AsyncConnection[Any], database_url: str
) -> None:
    keyed = LaunchRequest("orders", {"order": {"id": 1}}, idempotency_key="k")
    await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
    await connection.execute("INSERT INTO shop_orders VALUES (1)")
    await launch_published_run(context, keyed)
    with pytest.raises(psycopg.errors.SerializationFailure):
        await launch_in_transaction(context, keyed, connection)
    engine = create_async_engine(database_url, isolation_level="REPEATABLE READ")
    keyed = LaunchRequest("orders", {"order": {"id": 1}}, idempotency_key="l")
    async with engine.connect() as other:
        await other.execute(text("SELECT 1 FROM shop_orders"))
        await launch_published_run(context, keyed)
        with pytest.raises(DBAPIError):
            await launch_in_transaction(context, keyed, other)
    await engine.dispose()


async def test_a_cancelled_launch_takes_its_rows_back_and_no_others(
    context: OperationContext, connection: psycopg.AsyncConnection[Any], store: Store, query: Query
) -> None:
    """Its run is written, and it waits to write its audit entry, when it is given up."""
    await connection.execute("INSERT INTO shop_orders VALUES (1)")
    async with store.begin() as holder:
        await holder.execute(text("LOCK TABLE workflow_audit_log IN SHARE MODE"))
        waiting = asyncio.create_task(launch_in_transaction(context, ORDER, connection))
        await blocked(query)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert connection.info.transaction_status is TransactionStatus.INTRANS
    await connection.execute("INSERT INTO shop_orders VALUES (2)")
    await connection.commit()
    assert await query(RUNS) == []
    assert len(await query("SELECT 1 FROM shop_orders")) == 2


async def test_a_launch_cancelled_at_any_statement_leaves_the_callers_transaction_whole(
    context: OperationContext,
    connection: psycopg.AsyncConnection[Any],
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, statements = callers_connection._LoopCursor.execute, 0
    cancel_at = 1

    async def execute(cursor: Any, *arguments: Any) -> None:
        nonlocal statements
        statements += 1
        if statements == cancel_at:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        await real(cursor, *arguments)

    monkeypatch.setattr(callers_connection._LoopCursor, "execute", execute)
    while True:
        statements = 0
        await connection.execute("INSERT INTO shop_orders VALUES (%s)", [cancel_at])
        launching = asyncio.create_task(launch_in_transaction(context, ORDER, connection))
        await asyncio.wait([launching])
        if not launching.cancelled():
            break
        await connection.commit()
        assert len(await query("SELECT 1 FROM shop_orders")) == cancel_at
        assert await query(RUNS) == []
        cancel_at += 1
    await connection.commit()
    assert cancel_at > 5
    assert [row["run_id"] for row in await query(RUNS)] == [launching.result().run_id]


async def test_two_tasks_on_one_connection_take_turns(
    context: OperationContext, connection: psycopg.AsyncConnection[Any], query: Query
) -> None:
    outcomes = await asyncio.gather(
        *(launch_in_transaction(context, LaunchRequest("orders", {"n": n}), connection) for n in range(5)),
        launch_in_transaction(context, LaunchRequest("unknown"), connection),
        return_exceptions=True,
    )
    await connection.commit()
    refused = [outcome for outcome in outcomes if isinstance(outcome, EngineError)]
    assert [refusal.code for refusal in refused] in (["WORKFLOW_NOT_FOUND"], [])
    assert len(await query(RUNS)) == 5


async def test_what_is_no_connection_of_ours_is_refused(
    context: OperationContext, connection: psycopg.AsyncConnection[Any], database_url: str
) -> None:
    with psycopg.connect(plain(database_url)) as of_a_thread:
        for other in (object(), of_a_thread):
            with pytest.raises(Invalid, match="CONNECTION_UNSUPPORTED"):
                await launch_in_transaction(context, ORDER, other)  # type: ignore[arg-type]
    async with connection.pipeline():
        with pytest.raises(Conflict, match="CONNECTION_BUSY"):
            await launch_in_transaction(context, ORDER, connection)
    await connection.close()
    with pytest.raises(Invalid, match="CONNECTION_CLOSED"):
        await launch_in_transaction(context, ORDER, connection)
    engine = create_async_engine(database_url)
    async with engine.connect() as closed:
        pass
    with pytest.raises(Invalid, match="CONNECTION_CLOSED"):
        await launch_in_transaction(context, ORDER, closed)
    await engine.dispose()


async def test_a_place_where_nothing_can_be_written_is_refused(
    context: OperationContext, connection: psycopg.AsyncConnection[Any], execute: Execute
) -> None:
    await connection.execute("SET TRANSACTION READ ONLY")
    with pytest.raises(Invalid, match="TRANSACTION_READ_ONLY"):
        await launch_in_transaction(context, ORDER, connection)
    await connection.rollback()
    await execute("CREATE SCHEMA elsewhere")
    await connection.execute("SET LOCAL search_path = elsewhere")
    with pytest.raises(Invalid, match="CONNECTION_ELSEWHERE"):
        await launch_in_transaction(context, ORDER, connection)
    await connection.rollback()
    await execute("CREATE TABLE elsewhere.workflow_settings (tenant uuid)")
    await connection.execute("SET LOCAL search_path = elsewhere, public")
    with pytest.raises(Invalid, match="CONNECTION_ELSEWHERE"):
        await launch_in_transaction(context, ORDER, connection)


async def test_a_schema_of_another_revision_is_refused(
    context: OperationContext, connection: psycopg.AsyncConnection[Any], execute: Execute
) -> None:
    await execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(SchemaOutdated, match="SCHEMA_OLD"):
        await launch_in_transaction(context, ORDER, connection)
    await execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaOutdated, match="SCHEMA_NEWER"):
        await launch_in_transaction(context, ORDER, connection)


async def test_who_may_not_write_is_told_so_and_keeps_the_transaction(
    context: OperationContext, shop: None, as_user: AsUser, database_url: str, execute: Execute
) -> None:
    """The level is that of the engine's actor, on the engine's own connection; the rows are the connection user's to write."""
    async with as_user(Level.READ) as viewer, caller("psycopg", viewer, database_url) as owner:
        with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
            await owner.launch(ORDER)
    await execute("CREATE ROLE shop_alone LOGIN; GRANT INSERT ON shop_orders TO shop_alone")
    try:
        url = make_url(database_url).set(username="shop_alone").render_as_string(hide_password=False)
        async with caller("psycopg", context, url) as limited:
            await limited.execute("INSERT INTO shop_orders VALUES (1)")
            with pytest.raises(Forbidden, match="CONNECTION_NOT_ALLOWED"):
                await limited.launch(ORDER)
            await limited.commit()
    finally:
        await execute("DROP OWNED BY shop_alone; DROP ROLE shop_alone")
    async with as_user(Level.OPERATE) as operator:
        url = operator.store.url.render_as_string(hide_password=False)
        async with caller("psycopg", operator, url) as able:
            assert (await able.launch(ORDER)).created
            await able.submit(EventRequest("PAID"))
            await able.commit()


async def blocked(query: Query) -> None:
    """Wait until some statement waits for a lock."""
    async with asyncio.timeout(60):
        # The lock is waited for in another connection.
        while not await query(  # noqa: ASYNC110
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            await asyncio.sleep(0.02)
