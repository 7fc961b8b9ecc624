"""The servers of the tests: a real Postgres, a real Temporal, and the time-skipping server, all of our own.

The environment of whoever runs the tests names no server here: a test must never reach a database that somebody works with.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import hypothesis
import psutil
import pytest
import pytest_asyncio
from sqlalchemy import make_url
from temporalio.client import Client

from engine.devstack.fetching import ProgressLine
from engine.devstack.postgres import SERVER_SETTINGS, EmbeddedPostgres
from engine.devstack.processes import ProcessId, current_process, is_alive
from engine.devstack.temporal_cli import obtain_cli
from engine.devstack.temporal_server import TemporalServer
from engine.ids import new_id
from engine.settings import Settings
from engine.store.database.schema_version import migrate
from tests.not_run import pytest_runtest_makereport, pytest_terminal_summary
from tests.pooler import Pooled, pooler
from tests.programs import find
from tests.signals import take_signals
from tests.time_skipping import TimeSkipping, TimeSkippingServer, obtain_program

__all__ = ["pytest_runtest_makereport", "pytest_terminal_summary"]

KEPT_VARIABLES = {"RUNSTUDIO_TEMPORAL_CLI"}
DIRECTORY_PREFIX = "rs-session-"
OWNER = "owner.json"
IN_MEMORY = Path("/dev/shm")
ROOM_IN_MEMORY = 8 * 1024**3
OF_TESTS = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
"""Only a machine without power shows the difference; making and dropping the tests' databases takes a quarter of the time. And
nobody but a test writes in its database."""

for name in list(os.environ):
    if name.startswith(("TEMPORAL_", "RUNSTUDIO_", "DATABASE_URL", "PG")) and name not in KEPT_VARIABLES:
        del os.environ[name]
# A Temporal configuration file of the user must not redirect a test either.
os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull

# How long an example takes says how busy the machine is, not whether the property holds.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


def pytest_configure() -> None:
    """Before any process is started."""
    take_signals()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files whose tests mostly wait for Temporal's time-outs among those that compute.

    Processes take files in this order, so that one waits while another computes, and none is left with them at the end.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    waiting = [path for path in files if path.parent.name == "faults"]
    order = [path for path in files if path.parent.name != "faults"]
    apart = len(order) // (2 * len(waiting) or 1)
    for number, path in enumerate(waiting):
        order.insert(number * (apart + 1), path)
    items[:] = [item for path in order for item in files[path]]


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """Where the session's servers keep their data. Short, because Unix socket paths have a limit."""
    sweep_abandoned()
    path = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX, dir=places()[0]))
    (path / OWNER).write_text(json.dumps(asdict(current_process())))
    os.environ["RUNSTUDIO_DATA_DIR"] = str(path / "data")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def places() -> list[Path]:
    """Where sessions may have their data, the best first: a file system in memory, where a database is made in half the time."""
    found = [Path(tempfile.gettempdir())]
    if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK):
        roomy = shutil.disk_usage(IN_MEMORY).free >= ROOM_IN_MEMORY
        found.insert(0 if roomy else 1, IN_MEMORY)
    return found


def sweep_abandoned() -> None:
    """Ends the servers of sessions that were killed before they could."""
    for owner in [owner for place in places() for owner in place.glob(f"{DIRECTORY_PREFIX}*/{OWNER}")]:
        try:
            if is_alive(ProcessId(**json.loads(owner.read_text()))):
                continue
        except (FileNotFoundError, json.JSONDecodeError):
            # Its session is just ending, or just starting.
            continue
        directory = str(owner.parent)
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if any(directory in word for word in process.cmdline()):
                    process.kill()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(server_directory: Path) -> Iterator[EmbeddedPostgres]:
    """A running Postgres. A test that stops or kills it starts one of its own, which writes to the disk as in production."""
    server = EmbeddedPostgres(server_directory / "postgres", settings={**SERVER_SETTINGS, **OF_TESTS})
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def pooled(postgres: EmbeddedPostgres, server_directory: Path) -> Iterator[Pooled]:
    """Leads a URL of this server through a pgbouncer in transaction mode.

    Tests of the engine from end to end run once, and that is through the pooler. Where none is installed they meet the server
    itself, and what is about the pooler alone says that it did not run.
    """
    if find("pgbouncer") is None:
        yield lambda url: url
        return
    with pooler(postgres.url(), server_directory / "pooler") as found:
        yield found


@pytest.fixture(scope="session")
def postgres_url(postgres: EmbeddedPostgres) -> str:
    """URL of the server's own database, for what concerns no schema of ours."""
    return postgres.url()


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> str:
    """Name of a database with all migrations applied. Nobody may stay connected to it: copies are made from it."""
    name = "migrated_template"
    migrate(postgres.create_database(name))
    return name


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """URL of a database of this test alone, migrated and empty."""
    yield from _database(postgres, template=migrated_template)


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """URL of a database of this test alone, without any schema: for tests of migrations."""
    yield from _database(postgres, template="template0")


def _database(postgres: EmbeddedPostgres, *, template: str) -> Iterator[str]:
    name = f"test_{new_id().replace('-', '')}"
    url = postgres.create_database(name, template=template)
    assert make_url(url).database == name
    yield url
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def temporal_server(server_directory: Path) -> Iterator[TemporalServer]:
    """A running development server with its history in a file. A test that stops or kills it starts one of its own."""
    progress = ProgressLine()
    program = obtain_cli(Settings.load(), progress).path
    progress.close()
    server = TemporalServer(program, server_directory / "temporal.db", log=server_directory / "temporal.log")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def temporal_address(temporal_server: TemporalServer) -> str:
    """``host:port`` of the development server."""
    return temporal_server.address


@pytest_asyncio.fixture(scope="session")
async def temporal(temporal_address: str) -> Client:
    """A client of the development server. One server for the session: use task queues and ids of your own."""
    return await Client.connect(temporal_address)


@pytest_asyncio.fixture(scope="session")
async def time_skipping(server_directory: Path) -> AsyncIterator[TimeSkipping]:
    """The time-skipping server: ``.client``, ``.address``, and ``async with time_skipping.skipping(): ...``."""
    progress = ProgressLine()
    program = obtain_program(progress)
    progress.close()
    server = TimeSkippingServer(program, log=server_directory / "time-skipping.log")
    yield await server.start()
    server.stop()
