"""The embedded Postgres: private, durable, at the same address after every restart, and repaired after every crash."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from engine.devstack.postgres import EmbeddedPostgres
from engine.errors import Unavailable
from tests.engine.devstack.processes_seen import kill, processes_of


@pytest.fixture
def directory() -> Iterator[Path]:
    parent = Path(tempfile.mkdtemp(prefix="rs-"))
    yield parent
    kill(*processes_of(parent))
    shutil.rmtree(parent, ignore_errors=True)


def connect(server: EmbeddedPostgres) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(server.url().replace("+psycopg", ""), autocommit=True)


def test_what_was_committed_survives_a_crash(directory: Path) -> None:
    server = EmbeddedPostgres(directory / "postgres")
    server.start()
    url = server.url()
    with connect(server) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute("SELECT current_setting(%s)", [name]).fetchall() == [("on",)]
        connection.execute("CREATE TABLE kept (n int)")
        # In flight when the machine dies: it must not appear afterwards.
        other = psycopg.connect(url.replace("+psycopg", ""))
        other.execute("INSERT INTO kept VALUES (2)")
        connection.execute("INSERT INTO kept VALUES (1)")
        server.kill()
    assert server.process() is None
    assert not server.answers()
    server.start()
    assert server.url() == url
    with connect(server) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]
    server.stop()
    assert processes_of(directory) == {}


async def test_a_pool_finds_the_restarted_server(directory: Path) -> None:
    server = EmbeddedPostgres(directory / "postgres")
    server.start()
    engine = create_async_engine(server.url(), pool_pre_ping=True)
    for _round in range(2):
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
        server.kill()
        server.start()
    await engine.dispose()


def test_backends_that_outlive_a_killed_server_are_ended(directory: Path) -> None:
    server = EmbeddedPostgres(directory / "postgres")
    server.start()
    with connect(server) as connection, ThreadPoolExecutor() as pool:
        busy = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert busy is not None
        # A loop in the server looks at nothing, not even at whether its server still lives.
        loop = "DO $$ DECLARE n numeric := 0; BEGIN LOOP n := n + 1; END LOOP; END $$"
        query = pool.submit(connection.execute, loop)
        with connect(server) as other:
            at_work = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
            while other.execute(at_work, busy).fetchone() is None:
                time.sleep(0.01)
        server.kill()
        server.start()
        assert isinstance(query.exception(timeout=120), psycopg.OperationalError)
    assert busy[0] not in processes_of(directory)
    server.stop()


def test_an_interrupted_creation_leaves_no_half_cluster(directory: Path) -> None:
    (directory / ".postgres-interrupted").mkdir()
    server = EmbeddedPostgres(directory / "postgres")
    server.start()
    assert (directory / "postgres" / "PG_VERSION").exists()
    server.stop()


def test_a_long_path_gets_a_short_socket(directory: Path) -> None:
    deep = directory / ("a-very-long-name-" * 5) / ("and-another-one-" * 5) / "with 100% blanks & signs"
    server = EmbeddedPostgres(deep / "postgres")
    server.start()
    with connect(server) as connection:
        assert connection.execute("SELECT current_setting('data_directory')").fetchone() == (str(deep / "postgres"),)
    assert EmbeddedPostgres(deep / "postgres").url() == server.url()
    server.stop()


def test_nobody_else_can_connect(directory: Path) -> None:
    server = EmbeddedPostgres(directory / "postgres")
    server.start()
    for private in (directory / "postgres", directory / "postgres-socket"):
        assert stat.S_IMODE(private.stat().st_mode) == stat.S_IRWXU
    with connect(server) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    server.stop()
    assert not (directory / "postgres-socket").exists()


def test_data_that_cannot_be_started_says_where_to_look(directory: Path) -> None:
    server = EmbeddedPostgres(directory / "postgres")
    server.start()
    server.stop()
    (directory / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(Unavailable) as refusal:
        server.start()
    assert refusal.value.code == "POSTGRES_NOT_STARTED"
    assert "pg_control" in refusal.value.details["log"]
    assert str(directory / "postgres.log") in refusal.value.hint
    assert processes_of(directory) == {}


def test_the_way_to_the_data_is_opened_for_the_account_alone_and_never_for_listing(directory: Path) -> None:
    directory.chmod(0o700)
    server = EmbeddedPostgres(directory / "postgres")
    server.start()
    # Only root runs Postgres under another account, which must then be able to pass.
    assert stat.S_IMODE(directory.stat().st_mode) == (0o701 if os.geteuid() == 0 else 0o700)
    server.stop()


def test_databases_come_from_a_template_and_go(postgres: EmbeddedPostgres) -> None:
    template = postgres.create_database("a template")
    with psycopg.connect(template.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE inherited (n int)")
    copy = postgres.create_database('with "quotes"', template="a template")
    assert postgres.ensure_database('with "quotes"') == copy
    connected = psycopg.connect(copy.replace("+psycopg", ""))
    connected.execute("INSERT INTO inherited VALUES (1)")
    postgres.drop_database('with "quotes"')
    with pytest.raises(psycopg.OperationalError):
        connected.execute("SELECT 1")
    postgres.drop_database("a template")
    postgres.drop_database("a template")
