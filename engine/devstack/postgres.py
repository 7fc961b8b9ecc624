"""Postgres in a directory: the development database, and the one of the tests.

The server is reached over a Unix socket in a directory only its owner can enter, so no other user of the machine can connect,
and no port is taken. It runs with Postgres' own durability settings: what we learn about crashes must be true.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql
from psycopg.pq import PGconn, Ping

from engine.devstack.postgres_programs import POSTGRES_MAJOR, account, give, program
from engine.devstack.processes import ProcessId, identify, is_alive, last_lines, send, start_detached, stop, wait_gone
from engine.errors import Conflict, Unavailable
from engine.settings import DATABASE_DRIVER

SUPERUSER: Final = "postgres"
DATABASE: Final = "runstudio"
"""The stack's database; tests make their own."""
START_SECONDS: Final = 60.0
"""A crashed server replays its log before it accepts connections."""
ADOPT_SECONDS: Final = 5.0
STOP_SECONDS: Final = 20.0
SOCKET_PATH_LIMIT: Final = 103
"""Bytes of a Unix socket's path that every supported system accepts."""
SERVER_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """A Postgres cluster in ``directory``. Its URL stays the same over restarts.

    An object is only a handle: the server belongs to the directory, and another process can adopt, repair or stop it.
    """

    def __init__(
        self, directory: Path, *, log: Path | None = None, settings: Mapping[str, str] = SERVER_SETTINGS
    ) -> None:
        self.directory = directory.absolute()
        self._settings = settings
        self.log = log or self.directory.parent / "postgres.log"
        self._socket_directory = _socket_directory(self.directory)

    def url(self, database: str = SUPERUSER) -> str:
        """SQLAlchemy URL of a database: ``postgresql+psycopg://postgres@/<database>?host=<socket directory>``."""
        return f"{DATABASE_DRIVER}://{self._location(database)}"

    def _location(self, database: str) -> str:
        return f"{SUPERUSER}@/{quote(database, safe='')}?host={quote(str(self._socket_directory))}"

    def process(self) -> ProcessId | None:
        """The live server of this directory, whoever started it; None when there is none."""
        recorded = self._recorded_pid()
        identity = None if recorded is None else identify(recorded)
        return identity if identity is not None and self._works_here(identity.pid) else None

    def start(self) -> ProcessId:
        """Makes sure the server accepts connections: creates the cluster, adopts a live server, repairs after a crash.

        Raises ``Unavailable`` (``POSTGRES_NOT_STARTED``, with the log's end in details) and ``Conflict``
        (``POSTGRES_DATA_VERSION``) for data of another major version.
        """
        self._create_cluster()
        running = self.process()
        if running is not None:
            if self._wait_until_ready(running, patience=ADOPT_SECONDS):
                return running
            # It lives but is deaf: stopped by a signal, or its socket was cleaned away.
            stop(running, grace=2, first=signal.SIGQUIT)
        process = self._launch()
        if not self._wait_until_ready(process, patience=START_SECONDS):
            stop(process, grace=2, first=signal.SIGQUIT)
            raise Unavailable(
                "POSTGRES_NOT_STARTED",
                f"The development Postgres in {self.directory} does not start.",
                f"Read {self.log}; if the data is of no value, remove the directory.",
                {"log": last_lines(self.log)},
            )
        return process

    def _wait_until_ready(self, process: ProcessId, *, patience: float) -> bool:
        """Waits for a server that starts or recovers as long as it says so, for a silent one ``patience`` seconds."""
        started = time.monotonic()
        while is_alive(process):
            answer, elapsed = self._ping(), time.monotonic() - started
            if answer == Ping.OK:
                return True
            if elapsed > (START_SECONDS if answer == Ping.REJECT else patience):
                return False
            time.sleep(0.02)
        return False

    def stop(self) -> None:
        """Stops the server in good order (open connections are closed, nothing committed is lost). Stopped is fine too."""
        process = self.process()
        if process is not None:
            # SIGINT is Postgres' fast shutdown, SIGQUIT the immediate one that recovers at the next start.
            send(process, signal.SIGINT)
            if not wait_gone(process, STOP_SECONDS):
                stop(process, grace=5, first=signal.SIGQUIT)
        self._end_leftovers()
        shutil.rmtree(self._socket_directory, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL, as the machine would do it without warning. For tests of what survives."""
        process = self.process()
        if process is not None:
            stop(process, grace=0, first=signal.SIGKILL)

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """Creates a database from a template (which nobody may be connected to) and returns its URL."""
        # The other strategy writes the whole copy into the write-ahead log first, which takes twice the processor time.
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self._execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def ensure_database(self, name: str) -> str:
        """The URL of the database, created when it is missing."""
        with self._connect() as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        return self.url(name) if known else self.create_database(name)

    def drop_database(self, name: str) -> None:
        """Drops a database, ending whatever is still connected to it. Missing is fine."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with self._connect() as connection:
            connection.execute(statement)

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(f"postgresql://{self._location(SUPERUSER)}", autocommit=True, connect_timeout=5)

    def answers(self) -> bool:
        """Whether the server accepts connections now."""
        return self._ping() == Ping.OK

    def _ping(self) -> Ping:
        conninfo = f"postgresql://{self._location(SUPERUSER)}&connect_timeout=2"
        return Ping(PGconn.ping(conninfo.encode()))

    def _create_cluster(self) -> None:
        version_file = self.directory / "PG_VERSION"
        if version_file.exists():
            found = version_file.read_text().strip()
            if found != str(POSTGRES_MAJOR):
                raise Conflict(
                    "POSTGRES_DATA_VERSION",
                    f"{self.directory} holds data of Postgres {found}; this Run Studio brings Postgres {POSTGRES_MAJOR}.",
                    "Choose another data directory with RUNSTUDIO_DATA_DIR, or remove this one to start empty.",
                )
            return
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        owner = account()
        # Made beside its place and moved there complete: an interrupted start leaves no half cluster behind.
        scratch = Path(tempfile.mkdtemp(prefix=".postgres-", dir=self.directory.parent))
        try:
            give(scratch, owner)
            command = [program("initdb"), "--pgdata", str(scratch), "--username", SUPERUSER, "--auth", "trust"]
            # The built-in C.UTF-8 sorts the same on every machine; an operating system's locale does not.
            command += ["--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
            result = subprocess.run(  # noqa: S603 (our own program and arguments)
                [*command, "--locale", "C"],
                user=owner,
                group=owner,
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
            )
            if result.returncode != 0:
                raise Unavailable(
                    "POSTGRES_NOT_CREATED",
                    f"The development database cannot be created in {self.directory}.",
                    "Choose another data directory with RUNSTUDIO_DATA_DIR, or set DATABASE_URL.",
                    {"log": result.stderr.strip()},
                )
            scratch.replace(self.directory)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _launch(self) -> ProcessId:
        self._end_leftovers()
        # Left by a crash. Postgres would refuse to start if its pid were some other process' by now.
        (self.directory / "postmaster.pid").unlink(missing_ok=True)
        owner = account()
        give(self.directory, owner)
        self._socket_directory.mkdir(mode=0o700, exist_ok=True)
        self._refuse_foreign_socket_directory(owner)
        give(self._socket_directory, owner)
        command = [program("postgres"), "-D", str(self.directory), "-k", str(self._socket_directory)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        return start_detached(command, log=self.log, user=owner, directory=self.directory)

    def _refuse_foreign_socket_directory(self, owner: str | None) -> None:
        """A directory of a shared place that somebody else made in advance must not get our socket."""
        info = self._socket_directory.lstat()
        if info.st_uid != os.geteuid() and self._socket_directory.owner() != owner:
            raise Unavailable(
                "POSTGRES_NOT_STARTED",
                f"{self._socket_directory} belongs to another user.",
                "Set RUNSTUDIO_DATA_DIR to a shorter path, so that the socket fits into it.",
            )

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.directory / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def _works_here(self, pid: int) -> bool:
        """Whether the process is a Postgres process of this directory; each of them has it as working directory."""
        try:
            process = psutil.Process(pid)
            return process.name() == "postgres" and Path(process.cwd()) == self.directory.resolve()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def _end_leftovers(self) -> None:
        """Backends of a killed server finish their statement first; no new server can start until they are gone."""
        for candidate in psutil.process_iter(["name"]):
            if candidate.info["name"] == "postgres" and self._works_here(candidate.pid):
                leftover = identify(candidate.pid)
                if leftover is not None:
                    stop(leftover, grace=2, first=signal.SIGQUIT)


def _socket_directory(directory: Path) -> Path:
    """Beside the data, or, where that path is too long for a socket, a short one that is always the same for this data."""
    beside = directory.with_name(f"{directory.name}-socket")
    if len(os.fsencode(beside / ".s.PGSQL.5432")) <= SOCKET_PATH_LIMIT:
        return beside
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"runstudio-{digest}"
