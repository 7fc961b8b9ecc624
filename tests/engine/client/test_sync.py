"""``Engine.sync()``: the same groups with the same signatures, for any number of threads, and nothing left when it is closed."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy

from engine import Engine, Invalid, NotFound, RunFilter, RunStatus, SyncEngine, TimedOut
from engine.client.background import BackgroundLoop
from engine.errors import EngineError
from engine.ids import new_id
from tests.engine.client.front_door import methods_of
from tests.engine.operations.conftest import Execute, Query, until

REPOSITORY = Path(__file__).parents[3]
THREAD = "runstudio"

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def sync(environment: dict[str, str]) -> Iterator[SyncEngine]:
    with Engine.sync(actor="billing-service") as made:
        yield made


def in_thread(work: Any, *arguments: Any) -> Any:
    """The test's own loop goes on meanwhile; the engine has another one."""
    return asyncio.to_thread(work, *arguments)


class TestTheSameCalls:
    def test_every_method_is_there_with_the_same_signature(self, engine: Engine, sync: SyncEngine) -> None:
        names = methods_of(engine)
        assert methods_of(sync) == names
        for group, name in ((group, name) for group, methods in names.items() for name in methods):
            theirs, ours = (getattr(type(getattr(door, group)), name) for door in (engine, sync))
            expected, found = inspect.signature(theirs), inspect.signature(ours)
            assert [_shape(one) for one in found.parameters.values()] == [
                _shape(one) for one in expected.parameters.values()
            ], name
            assert ours.__doc__, name
            assert found.return_annotation == str(expected.return_annotation).removeprefix("Async"), name

    def test_the_engine_is_made_with_the_same_arguments(self) -> None:
        made, plain = inspect.signature(Engine.__init__), inspect.signature(Engine.sync)
        assert list(made.parameters.values())[1:] == list(plain.parameters.values())
        environment = inspect.signature(Engine.from_env).parameters
        assert list(environment.values()) == [made.parameters[name] for name in environment]

    def test_type_checkers_see_the_arguments_and_the_answers(self, tmp_path: Path) -> None:
        program = tmp_path / "typed_program.py"
        program.write_text(
            "from engine import Engine, RunFilter\n"
            "with Engine.sync() as engine:\n"
            "    reveal_type(engine.runs.get('id'))\n"
            "    reveal_type(engine.quota.usage())\n"
            "    engine.runs.get(1)\n"
            "    engine.runs.list(RunFilter(), unknown=1)\n"
        )
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", str(program)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        # What an earlier run left in mypy's cache names the file of that run.
        told = re.findall(r"typed_program\.py:\d+: (.*)", done.stdout)
        assert told == [
            'note: Revealed type is "engine.records.runs.RunSummary"',
            'note: Revealed type is "engine.records.quota.QuotaUsage"',
            'error: Argument 1 has incompatible type "int"; expected "str"  [arg-type]',
            'error: Unexpected keyword argument "unknown"  [call-arg]',
        ], done.stdout + done.stderr


def _shape(parameter: inspect.Parameter) -> tuple[object, ...]:
    """The type of a connection is another one: that is the point of it."""
    kind = None if parameter.name == "connection" else parameter.annotation
    return (parameter.name, parameter.kind, parameter.default, kind)


@pytest.mark.usefixtures("worker")
async def test_many_threads_start_and_wait(sync: SyncEngine) -> None:
    def one(number: int) -> RunStatus:
        run = sync.runs.start("order", {"orderId": str(number)})
        sync.events.submit("order.paid", {"amount": number}, key=str(number))
        done = sync.runs.wait(run.run_id, timeout=250)
        assert sync.runs.output(run.run_id).value["paid"] == number
        return done.status

    def all_of_them() -> list[RunStatus]:
        with ThreadPoolExecutor(20) as pool:
            return list(pool.map(one, range(40)))

    assert set(await in_thread(all_of_them)) == {RunStatus.SUCCEEDED}
    listed = await in_thread(lambda: sync.runs.list(RunFilter(workflow="order"), limit=100))
    assert len(listed.rows) == 40


class TestInTheCallersTransaction:
    def connections(self, url: str) -> Iterator[Any]:
        with psycopg.connect(url) as connection:
            yield connection
            connection.rollback()
        pool = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with pool.connect() as connection:
            yield connection
        pool.dispose()

    async def test_statements_are_made_in_the_calling_thread(
        self, sync: SyncEngine, execute: Execute, query: Query, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await execute("CREATE TABLE shop_orders (id int)")
        threads: set[str] = set()
        real = psycopg.Cursor.execute

        def noting(cursor: Any, *arguments: Any, **named: Any) -> Any:
            threads.add(threading.current_thread().name)
            return real(cursor, *arguments, **named)

        monkeypatch.setattr(psycopg.Cursor, "execute", noting)

        def work() -> None:
            threading.current_thread().name = "the caller's"
            for connection in self.connections(sync.database_url):
                connection.execute(sqlalchemy.text("INSERT INTO shop_orders VALUES (1)")) if isinstance(
                    connection, sqlalchemy.Connection
                ) else connection.execute("INSERT INTO shop_orders VALUES (1)")
                sync.runs.start("order", {"orderId": "1"}, connection=connection)
                sync.events.submit("order.paid", key="1", connection=connection)
                with pytest.raises(NotFound):
                    sync.runs.start("unknown", connection=connection)
                with pytest.raises(Invalid, match="PAYLOAD_REJECTED"):
                    sync.runs.start("order", {}, connection=connection)
                connection.commit()

        await in_thread(work)
        assert threads == {"the caller's"}
        for table in ("shop_orders", "workflow_runs", "workflow_runtime_events"):
            assert len(await query(f"SELECT 1 FROM {table}")) == 2, table

    async def test_a_large_payload_is_checked_meanwhile(self, sync: SyncEngine, query: Query) -> None:
        def work() -> None:
            with psycopg.connect(sync.database_url) as connection:
                sync.runs.start("order", {"orderId": "1", "note": "x" * 100_000}, connection=connection)

        await in_thread(work)
        assert len(await query("SELECT 1 FROM workflow_runs")) == 1

    async def test_a_connection_of_the_wrong_kind_is_refused(self, sync: SyncEngine, engine: Engine) -> None:
        lite = sqlalchemy.create_engine("sqlite://").connect()
        async with await psycopg.AsyncConnection.connect(sync.database_url) as connection:
            for wrong in (connection, object()):
                with pytest.raises(Invalid, match="CONNECTION_UNSUPPORTED"):
                    await in_thread(lambda wrong=wrong: sync.runs.start("order", connection=wrong))
        with pytest.raises(Invalid, match="CONNECTION_UNSUPPORTED: sqlite3"):
            sync.runs.start("order", connection=lite)
        lite.close()
        with psycopg.connect(sync.database_url) as plain, pytest.raises(Invalid, match="CONNECTION_UNSUPPORTED"):
            await engine.runs.start("order", connection=plain)  # type: ignore[arg-type]

    async def test_an_interruption_takes_the_rows_back(
        self, sync: SyncEngine, execute: Execute, query: Query, database_url: str
    ) -> None:
        """As Ctrl-C comes: inside the driver's call. The run was written, and its audit entry waits for a lock."""
        await execute("CREATE TABLE shop_orders (id int)")
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", INTERRUPTED, cwd=REPOSITORY, env={**os.environ, "DATABASE_URL": database_url}
        )
        async with await psycopg.AsyncConnection.connect(sync.database_url) as holder:
            await holder.execute("LOCK TABLE workflow_audit_log IN SHARE MODE")
            locked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            await execute("INSERT INTO shop_orders VALUES (0)")

            async def waits() -> bool:
                return await query(locked) != []

            await until(waits)
            program.send_signal(signal.SIGINT)
            assert await program.wait() == 0
        assert sorted(row["id"] for row in await query("SELECT id FROM shop_orders")) == [0, 1, 2]
        assert await query("SELECT 1 FROM workflow_runs") == []


INTERRUPTED = """
import psycopg
from engine import Engine

with Engine.sync() as engine, psycopg.connect(engine.database_url) as connection:
    # Only once the lock is held.
    with psycopg.connect(engine.database_url, autocommit=True) as watching:
        while not watching.execute("SELECT 1 FROM shop_orders").fetchall():
            pass
    connection.execute("INSERT INTO shop_orders VALUES (1)")
    try:
        engine.runs.start("order", {"orderId": "1"}, connection=connection)
    except KeyboardInterrupt:
        pass
    else:
        raise SystemExit("it was not interrupted")
    connection.execute("INSERT INTO shop_orders VALUES (2)")
"""


class TestItsLife:
    def running(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == THREAD]

    def test_the_thread_lives_from_open_to_close(self, environment: dict[str, str]) -> None:
        engine = Engine.sync()
        assert self.running() == []
        for _ in range(2):
            engine.open()
            engine.open()
            assert len(self.running()) == 1
            assert engine.system.session().level.word == "admin"
            engine.close()
            engine.close()
            assert self.running() == []
            with pytest.raises(EngineError, match="ENGINE_CLOSED"):
                engine.runs.list()

    def test_what_cannot_be_opened_leaves_no_thread(self, empty_database_url: str) -> None:
        with pytest.raises(EngineError, match="SCHEMA_OLD"):
            Engine.sync(database_url=empty_database_url).open()
        assert self.running() == []

    async def test_closing_ends_the_calls_that_are_under_way(self, engine: Engine, environment: dict[str, str]) -> None:
        run = await engine.runs.start("order", {"orderId": "1"})
        plain = Engine.sync()
        await in_thread(plain.open)
        waiting = asyncio.create_task(in_thread(lambda: plain.runs.wait(run.run_id)))
        with pytest.raises(TimedOut):
            await in_thread(lambda: plain.runs.wait(run.run_id, timeout=0.1))
        await in_thread(plain.close)
        with pytest.raises(EngineError, match="ENGINE_CLOSED"):
            await waiting
        assert self.running() == []

    async def test_changes_are_told_until_the_caller_has_enough(
        self, engine: Engine, sync: SyncEngine, query: Query
    ) -> None:
        listening = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'runstudio changes' AND query LIKE 'LISTEN%'"
        )

        def first() -> str | None:
            changes = sync.system.changes()
            change = next(changes)
            changes.close()  # type: ignore[attr-defined] # a generator
            return change.run_id

        told = asyncio.create_task(in_thread(first))

        async def listens() -> bool:
            return await query(listening) != []

        async def silent() -> bool:
            return await query(listening) == []

        await until(listens)
        run = await engine.runs.start("order", {"orderId": "1"})
        assert await told == run.run_id
        await until(silent)

    def test_a_callback_that_calls_the_engine_is_refused(self, environment: dict[str, str]) -> None:
        """It runs in the engine's thread, which would wait for itself."""
        engine = Engine.sync()
        engine.open()
        refused: list[str] = []

        def progress(_done: int, _total: int) -> None:
            for call in (engine.runs.list, engine.close):
                with pytest.raises(EngineError) as error:
                    call()
                refused.append(error.value.code)

        caller = threading.Thread(target=lambda: engine.runs.cancel_many([new_id()], "a reason", progress=progress))
        caller.daemon = True
        caller.start()
        caller.join(60)
        assert not caller.is_alive()
        assert refused
        assert set(refused) == {"ENGINE_BUSY"}
        engine.close()

    def test_a_program_that_forgets_to_close_ends_all_the_same(self, environment: dict[str, str]) -> None:
        program = "from engine import Engine; e = Engine.sync(); e.open(); e.runs.list(); print('last')"
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "last\n", "")

    def test_a_forked_process_is_told_to_open_its_own(self, environment: dict[str, str]) -> None:
        done = subprocess.run(
            [sys.executable, "-c", FORKED], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120
        )
        assert (done.returncode, done.stdout.split()) == (0, ["ENGINE_FORKED", "ENGINE_FORKED", "own", "parent"]), (
            done.stdout + done.stderr
        )


FORKED = """
import os
from engine import Engine, EngineError

engine = Engine.sync()
engine.open()
child = os.fork()
if child == 0:
    for call in (engine.runs.list, engine.open):
        try:
            call()
        except EngineError as error:
            print(error.code, flush=True)
    engine.close()
    with Engine.sync() as own:
        own.runs.list()
        print("own", flush=True)
else:
    _, status = os.waitpid(child, 0)
    engine.runs.list()
    engine.close()
    print("parent", flush=True)
    raise SystemExit(status)
"""


def test_a_loop_that_failed_to_wind_up_is_ended_all_the_same() -> None:
    loop = BackgroundLoop()
    loop.start()

    async def last() -> None:
        raise EngineError("BROKEN", "It is broken.")

    with pytest.raises(EngineError, match="BROKEN"):
        loop.stop(last)
    assert [thread for thread in threading.enumerate() if thread.name == THREAD] == []
