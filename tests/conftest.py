"""The servers of the tests: a real Postgres, a real Temporal, and the time-skipping server, all of our own.

The environment of whoever runs the tests names no server here: a test must never reach a database that somebody works with.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import hypothesis
import psutil
import pytest
import pytest_asyncio
from sqlalchemy import make_url
from temporalio.client import Client

from engine.devstack.fetching import ProgressLine
from engine.devstack.postgres import EmbeddedPostgres
from engine.devstack.processes import ProcessId, current_process, is_alive
from engine.devstack.temporal_cli import obtain_cli
from engine.devstack.temporal_server import TemporalServer
from engine.devstack.time_skipping import TimeSkipping, TimeSkippingServer, obtain_program
from engine.ids import new_id
from engine.settings import Settings
from engine.store.schema_version import migrate

KEPT_VARIABLES = {"RUNSTUDIO_TEMPORAL_CLI"}
DIRECTORY_PREFIX = "rs-session-"
OWNER = "owner.json"

for name in list(os.environ):
    if name.startswith(("TEMPORAL_", "RUNSTUDIO_", "DATABASE_URL", "PG")) and name not in KEPT_VARIABLES:
        del os.environ[name]
# A Temporal configuration file of the user must not redirect a test either.
os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull

# How long an example takes says how busy the machine is, not whether the property holds.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


def pytest_configure() -> None:
    """SIGTERM (`timeout`, a CI that gives up) ends the session in good order: the servers are stopped."""

    def leave(number: int, _frame: FrameType | None) -> None:
        pytest.exit(f"ended by signal {number}", returncode=128 + number)

    signal.signal(signal.SIGTERM, leave)


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """Where the session's servers keep their data. Short, because Unix socket paths have a limit."""
    sweep_abandoned()
    path = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX))
    (path / OWNER).write_text(json.dumps(asdict(current_process())))
    os.environ["RUNSTUDIO_DATA_DIR"] = str(path / "data")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def sweep_abandoned() -> None:
    """Ends the servers of sessions that were killed before they could."""
    for owner in Path(tempfile.gettempdir()).glob(f"{DIRECTORY_PREFIX}*/{OWNER}"):
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
    """A running Postgres with production's durability settings. A test that stops or kills it starts one of its own."""
    server = EmbeddedPostgres(server_directory / "postgres")
    server.start()
    yield server
    server.stop()


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
