"""One stack for all tests of the command line: a database, a Temporal of our own, a worker; and ``runstudio`` as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engine.devstack.postgres import EmbeddedPostgres
from engine.devstack.temporal_server import TemporalServer
from engine.settings import DEFAULT_TENANT
from tests.engine.devstack.ports import silent_port
from tests.imported import ROOT, Program, Start, logged

PATIENCE_SECONDS = 250.0
ENDED = ("SUCCEEDED", "FAILED", "CANCELED")
IDLE_NAMESPACE = "idle"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer of a command that was asked for JSON."""
        return json.loads(self.out)

    @property
    def refusal(self) -> dict[str, Any]:
        """``{code, message, hint, details}`` of a command that was asked for JSON and refused."""
        error: dict[str, Any] = json.loads(self.err)["error"]
        assert error.keys() == {"code", "message", "hint", "details"}
        return error


class Starter:
    """Starts commands, each as a process of its own; see ``tests.imported``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def run(self, arguments: tuple[str, ...], environment: dict[str, str], stdin: str = "", **terminals: str) -> Done:
        """Run ``runstudio`` to its end. ``terminals``: devices instead of files for ``stdout`` and ``stderr``."""
        files = {name: self._directory / name for name in ("stdin", "stdout", "stderr")}
        for path in files.values():
            path.write_text("")
        files["stdin"].write_text(stdin, encoding="utf-8")
        start = Start("runstudio_tui.cli", arguments, environment, seconds=PATIENCE_SECONDS)
        with ExitStack() as stack:

            def opened(name: str, flags: int) -> int:
                descriptor = os.open(terminals.get(name, files[name]), flags | os.O_NOCTTY)
                stack.callback(os.close, descriptor)
                return descriptor

            program = Program(
                start,
                stdin=opened("stdin", os.O_RDONLY),
                stdout=opened("stdout", os.O_WRONLY),
                stderr=opened("stderr", os.O_WRONLY),
            )
        return Done(program.wait(), files["stdout"].read_text("utf-8"), files["stderr"].read_text("utf-8"))


@dataclass(frozen=True)
class Stack:
    """The environment of a command, and short words for what tests do in it."""

    starter: Starter
    environment: dict[str, str]
    directory: Path

    def __call__(self, *arguments: str, stdin: str = "") -> Done:
        """Run ``runstudio`` to its end."""
        return self.starter.run(arguments, self.environment, stdin)

    def answer(self, *arguments: str, stdin: str = "") -> Any:
        """The JSON of a command that must succeed."""
        done = self(*arguments, "--json", stdin=stdin)
        assert done.code == 0, (arguments, done)
        return done.json

    def with_variables(self, **variables: str) -> Stack:
        """The same with other variables; an empty one counts as unset."""
        return replace(self, environment={**self.environment, **variables})

    def file(self, name: str, content: Any) -> str:
        """A file with this JSON, or this text."""
        path = self.directory / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows as they are in the tables, or none for a change."""
        url = self.environment["DATABASE_URL"].replace("+psycopg", "")
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until a condition that nobody announces holds, and return what it gives."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := condition()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)
        return found

    def publish(self, workflow_id: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
        """The next version of a workflow with these steps."""
        definition = {
            "id": workflow_id,
            "version": 1,
            "name": workflow_id,
            "payloadSchemaRef": "payload.Any.v1",
            "steps": steps,
            **more,
        }
        published: dict[str, Any] = self.answer("publish", self.file(f"{workflow_id}.json", definition))
        return published

    def start(self, workflow_id: str, payload: Any = None) -> str:
        """Start a run and return its id."""
        return str(self.answer("start", workflow_id, "--payload", "-", stdin=json.dumps(payload or {}))["runId"])

    def ended(self, run_id: str) -> str:
        """Wait for the end of a run; its status."""
        return str(self.until(lambda: self._status(run_id, ENDED)))

    def waiting(self, run_id: str) -> None:
        """Wait until a run waits."""
        self.until(lambda: self._status(run_id, ("WAITING",)))

    def _status(self, run_id: str, wanted: tuple[str, ...]) -> str | None:
        [(status,)] = self.rows("SELECT status FROM workflow_runs WHERE run_id = %s", run_id)
        return status if status in wanted else None


@pytest.fixture(scope="session")
def own_temporal(server_directory: Path, temporal_server: TemporalServer) -> Iterator[TemporalServer]:
    """A server of these tests alone: their worker goes on while others are tested, and must not see the runs of those."""
    server = TemporalServer(
        temporal_server.program, server_directory / "cli-temporal.db", log=server_directory / "cli-temporal.log"
    )
    server.start()
    namespace = ["operator", "namespace", "create", "--namespace", IDLE_NAMESPACE, "--address", server.address]
    environment = {"PATH": os.environ["PATH"], "HOME": str(server_directory), "TEMPORAL_CONFIG_FILE": os.devnull}
    subprocess.run([server.program, *namespace], env=environment, check=True, capture_output=True)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def starter(server_directory: Path) -> Starter:
    directory = server_directory / "cli-commands"
    directory.mkdir()
    return Starter(directory)


def _stack(starter: Starter, directory: Path, database_url: str, temporal_address: str) -> Stack:
    directory.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "RUNSTUDIO_DATA_DIR": str(directory / "data"),
        "RUNSTUDIO_ACTIONS": "tests.commands.actions",
    }
    stack = Stack(starter, environment, directory)
    # Without them no workflow that waits for an event can be published.
    stack.rows(
        "INSERT INTO workflow_settings (tenant, correlation_paths) VALUES (%s, %s)",
        DEFAULT_TENANT,
        json.dumps({"*": ["key"]}),
    )
    return stack


@pytest.fixture(scope="session")
def runstudio(
    starter: Starter,
    postgres: EmbeddedPostgres,
    migrated_template: str,
    own_temporal: TemporalServer,
    server_directory: Path,
) -> Iterator[Stack]:
    """``runstudio`` with everything up, the worker included."""
    url = postgres.create_database("command_line", template=migrated_template)
    stack = _stack(starter, server_directory / "cli", url, own_temporal.address)
    worker = logged(Start("runstudio_tui.cli", ["worker"], stack.environment), stack.directory / "worker.log")
    try:
        stack.until(
            lambda: stack.rows("SELECT 1 FROM workflow_workers WHERE parts_json @@ '$.temporal.state == \"running\"'")
        )
        yield stack
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(PATIENCE_SECONDS)
        postgres.drop_database("command_line")


@pytest.fixture(scope="session")
def without_worker(
    starter: Starter,
    postgres: EmbeddedPostgres,
    migrated_template: str,
    own_temporal: TemporalServer,
    server_directory: Path,
) -> Iterator[Stack]:
    """``runstudio`` with a database and a namespace that no worker knows."""
    url = postgres.create_database("command_line_idle", template=migrated_template)
    stack = _stack(starter, server_directory / "cli-idle", url, own_temporal.address)
    yield stack.with_variables(TEMPORAL_NAMESPACE=IDLE_NAMESPACE)
    postgres.drop_database("command_line_idle")


@pytest.fixture(scope="session")
def nowhere() -> Iterator[str]:
    """An address at which nobody answers."""
    with silent_port() as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def offline(runstudio: Stack, nowhere: str) -> Stack:
    """``runstudio`` while Temporal cannot be reached."""
    return runstudio.with_variables(TEMPORAL_ADDRESS=nowhere)


@pytest.fixture(scope="session")
def without_database(runstudio: Stack, nowhere: str) -> Stack:
    """``runstudio`` while Postgres cannot be reached."""
    return runstudio.with_variables(DATABASE_URL=f"postgresql://nobody@{nowhere}/nothing")
