"""The development stack of one data directory: Postgres, Temporal and a worker, started together and shared.

Whatever state the last user left it in, ``up`` ends with a stack that works or with an error that says what to do: it takes
over what still works, replaces what does not, and leaves nothing half started behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from engine.devstack.fetching import Progress, exclusive
from engine.devstack.info import StackInfo
from engine.devstack.moving import move_to_its_temporal
from engine.devstack.postgres import DATABASE, EmbeddedPostgres
from engine.devstack.processes import ProcessId, current_process, is_alive, stop
from engine.devstack.schema import prepare_schema
from engine.devstack.signals import leaves_on_signals
from engine.devstack.state import PARTS, Part, RunningPart, StackState, StateFile, mark, marked_processes
from engine.devstack.status import StackStatus, stack_status
from engine.devstack.temporal_cli import obtain_cli
from engine.devstack.temporal_server import STOP_SECONDS, TemporalServer, answers
from engine.devstack.worker_actions import WorkerActions, actions_to_start, found_actions
from engine.devstack.worker_process import COMMAND, WorkerProcess, wait_until_ready
from engine.devstack.worker_process import STOP_SECONDS as WORKER_STOP_SECONDS
from engine.errors import Conflict
from engine.settings import Settings

LOCK_SECONDS: Final = 300.0
DEAF_SECONDS: Final = 2.0
"""For a Temporal that does not answer or whose record is lost; its history file survives the SIGKILL that follows."""
ADOPT_SECONDS: Final = 20.0
"""How long a worker that already runs may take to find its repaired servers again."""

PrepareSchema = Callable[[str, bool, Progress], None]
"""Called with the database URL, whether the database is the stack's own, and where to tell progress."""


class DevStack:
    """The stack of ``data_dir``. Every method may be called from any process, at any time; only one changes it at a time.

    The methods block: in a program with an event loop, call them in a thread.
    """

    def __init__(
        self,
        data_dir: Path,
        settings: Settings,
        *,
        worker_command: Sequence[str] = COMMAND,
        prepare_schema: PrepareSchema = prepare_schema,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self._settings = settings
        self._worker_command = worker_command
        self._prepare_schema = prepare_schema
        self._file = StateFile(self.data_dir)

    def up(self, progress: Progress, *, move: bool = False) -> StackInfo:
        """Brings the stack up, to stay until ``down``; quick when it is up already.

        ``move``: the database then belongs to this Temporal, also when it belonged to another one.

        Raises ``EngineError``: what could not be started, with the end of its log in details (what was started for nothing is
        stopped again), and before anything is started ``Conflict`` (``STACK_HAS_OTHER_ACTIONS``).
        """
        return self._bring_up(progress, lambda state: state.model_copy(update={"kept": True}), move=move)

    @contextmanager
    def session(self, progress: Progress) -> Iterator[StackInfo]:
        """The stack for as long as the context is open. The last one to leave stops it, unless ``up`` asked it to stay.

        SIGTERM and SIGHUP (a closed terminal) leave the context in good order too. Raises as ``up``.
        """
        me = current_process()
        with leaves_on_signals():
            try:
                yield self._bring_up(
                    progress, lambda state: state.model_copy(update={"holders": (*state.living_holders(), me)})
                )
            finally:
                self._leave(me, progress)

    def down(self, progress: Progress, *, force: bool = False) -> tuple[Part, ...]:
        """Stops what runs and tells which parts those were. Data and logs stay.

        Raises ``Conflict`` (``STACK_IN_USE``) while studios use it, unless ``force``.
        """
        with self._locked(progress):
            state = self._file.read()
            holders = tuple(holder for holder in state.living_holders() if holder != current_process())
            if holders and not force:
                pids = ", ".join(str(holder.pid) for holder in holders)
                raise Conflict(
                    "STACK_IN_USE",
                    f"A studio still uses the stack (process {pids}).",
                    "Close it, or stop the stack under it with --force.",
                    {"holders": [holder.pid for holder in holders]},
                )
            return self._stop_all(state, progress)

    def status(self) -> StackStatus:
        """The parts as they are now; asks each of them. Changes nothing and waits for nobody."""
        return stack_status(
            data_dir=self.data_dir,
            state=self._file.read(),
            postgres=self._postgres(),
            database_url=self._foreign_database(),
            temporal_address=self._foreign_temporal(),
            log_of=self.logs,
        )

    def logs(self, part: Part) -> Path:
        """The log file of a part, there or not."""
        return self.data_dir / "logs" / f"{part}.log"

    def running_environment(self) -> Mapping[str, str]:
        """Variables that make a program use the running stack; empty when it does not run. Asks nobody, so it is quick."""
        state, postgres, temporal = self._file.read(), self._foreign_database(), self._foreign_temporal()
        if state.uses != _digest(postgres, temporal):
            # A stack on other servers than those our variables name: mixing the two would start runs nobody executes.
            return {}
        if postgres is None and state.living("postgres") is not None:
            postgres = self._postgres().url(DATABASE)
        own = state.living("temporal") if temporal is None else None
        address = temporal if own is None else own.address
        if postgres is None or address is None:
            return {}
        return StackInfo(self.data_dir, postgres, address, owns_temporal=own is not None).environment()

    # Up

    def _bring_up(
        self, progress: Progress, claim: Callable[[StackState], StackState], *, move: bool = False
    ) -> StackInfo:
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._foreign_temporal() is None:
            # Before the lock: it can take minutes, and nobody must have to wait for that to stop the stack.
            obtain_cli(self._settings, progress)
        with self._locked(progress):
            before = self._file.read()
            asked = found_actions(self._settings.action_modules)
            known = None if before.worker is None else before.worker.actions
            actions = actions_to_start(asked, known, running=before.living("worker") is not None)
            try:
                info = self._start_all(actions, progress, move=move)
            except BaseException:
                # Also on ctrl+c. Whoever used the stack before keeps what still runs.
                if not before.kept and not before.living_holders():
                    self._stop_all(self._file.read(), progress)
                raise
            uses = _digest(self._foreign_database(), self._foreign_temporal())
            self._file.write(claim(self._file.read()).model_copy(update={"uses": uses}))
            return info

    def _start_all(self, actions: WorkerActions, progress: Progress, *, move: bool) -> StackInfo:
        started: list[Part] = []
        foreign = self._foreign_database()
        url = foreign or self._start_postgres(started, progress)
        past_a_pooler = None if foreign is None else self._settings.direct_database_url
        self._prepare_schema(past_a_pooler or url, foreign is None, progress)
        address = self._foreign_temporal()
        if address is not None:
            info = StackInfo(self.data_dir, url, address, owns_temporal=False)
        else:
            temporal = self._start_temporal(started, progress)
            info = StackInfo(self.data_dir, url, temporal.address, owns_temporal=True, ui_url=temporal.ui_url)
        if move:
            progress("moving the database to this Temporal")
            move_to_its_temporal(info, self._settings)
        self._start_worker(info, actions, started, progress)
        return replace(info, started=tuple(started), actions=tuple(actions.files))

    def _start_postgres(self, started: list[Part], progress: Progress) -> str:
        server = self._postgres()
        known = server.process()
        if known is None:
            progress("starting Postgres")
        process = server.start()
        if process != known:
            started.append("postgres")
        self._record("postgres", process)
        return server.ensure_database(DATABASE)

    def _start_temporal(self, started: list[Part], progress: Progress) -> RunningPart:
        known = self._file.read().part("temporal")
        server = TemporalServer(
            obtain_cli(self._settings, progress).path,
            self.data_dir / "temporal.db",
            log=self.logs("temporal"),
            # The port is kept if it can be: programs that were connected find the repaired server by themselves.
            port=None if known is None else known.port,
            ui_port=0 if known is None else known.ui_port,
            variables=mark(self.data_dir, "temporal"),
        )
        if known is not None and is_alive(known.process) and answers(server.address):
            self._stop_strays("temporal", keep=known.process, grace=DEAF_SECONDS)
            return known
        # Two servers on one history file would damage it, so whatever still has it open goes first.
        self._stop_strays("temporal", keep=None, grace=DEAF_SECONDS)
        progress("starting Temporal")
        started.append("temporal")
        process = server.start()
        return self._record("temporal", process, port=server.port, ui_port=server.ui_port)

    def _start_worker(self, info: StackInfo, actions: WorkerActions, started: list[Part], progress: Progress) -> None:
        variables = {**info.environment(), **mark(self.data_dir, "worker")}
        if self._foreign_database() is None:
            variables["RUNSTUDIO_DIRECT_DATABASE_URL"] = ""
        if not info.owns_temporal and self._settings.temporal_namespace is not None:
            variables["TEMPORAL_NAMESPACE"] = self._settings.temporal_namespace
        worker = WorkerProcess(self._worker_command, variables, actions, log=self.logs("worker"))
        known = self._file.read().living("worker")
        if known is not None and known.environment == worker.digest() and known.port is not None:
            progress("waiting for the worker")
            if wait_until_ready(known.process, known.port, ADOPT_SECONDS):
                self._stop_strays("worker", keep=known.process, grace=WORKER_STOP_SECONDS)
                return
        self._stop_strays("worker", keep=None, grace=WORKER_STOP_SECONDS)
        progress("starting the worker")
        started.append("worker")
        process, port = worker.start()
        self._record("worker", process, port=port, environment=worker.digest(), actions=actions)

    def _record(
        self,
        part: Part,
        process: ProcessId,
        *,
        port: int | None = None,
        ui_port: int | None = None,
        environment: str = "",
        actions: WorkerActions | None = None,
    ) -> RunningPart:
        state = self._file.read()
        known = state.part(part)
        if known is not None and known.process == process:
            return known
        value = RunningPart(
            process=process,
            started_at=datetime.now(UTC),
            port=port,
            ui_port=ui_port,
            environment=environment,
            actions=actions,
        )
        self._file.write(state.with_part(part, value))
        return value

    # Down

    def _leave(self, holder: ProcessId, progress: Progress) -> None:
        if holder not in self._file.read().holders:
            # It never came up, and cleaned up after itself.
            return
        with self._locked(progress):
            state = self._file.read()
            remaining = tuple(other for other in state.living_holders() if other != holder)
            if remaining or state.kept:
                self._file.write(state.model_copy(update={"holders": remaining}))
            else:
                self._stop_all(state, progress)

    def _stop_all(self, state: StackState, progress: Progress) -> tuple[Part, ...]:
        stopped: list[Part] = []
        for part in reversed(PARTS):
            running = state.living(part) is not None or any(marked_processes(self.data_dir, part))
            if part == "postgres":
                running = self._postgres().process() is not None
                self._postgres().stop()
            else:
                self._stop_strays(part, keep=None, grace=WORKER_STOP_SECONDS if part == "worker" else STOP_SECONDS)
            if running:
                progress(f"stopped {part}")
                stopped.append(part)
        # Temporal's ports are remembered, so that variables somebody exported stay right over a restart.
        self._file.write(StackState(temporal=state.temporal))
        return tuple(reversed(stopped))

    def _stop_strays(self, part: Part, *, keep: ProcessId | None, grace: float) -> None:
        """Stops every process of the part, recorded or not, except ``keep``."""
        recorded = self._file.read().living(part)
        found = set(marked_processes(self.data_dir, part)) | ({recorded.process} if recorded else set())
        for process in found - {keep}:
            stop(process, grace=grace)

    # Whose servers

    def _foreign_database(self) -> str | None:
        """The database DATABASE_URL names, unless that is the stack's own, as a terminal has it that exported our URL."""
        named = self._settings.database_url
        return None if named == self._postgres().url(DATABASE) else named

    def _foreign_temporal(self) -> str | None:
        """The server TEMPORAL_ADDRESS names, unless that is the stack's own."""
        own, named = self._file.read().temporal, self._settings.temporal_address
        return None if own is not None and named == own.address else named

    def _postgres(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.data_dir / "postgres", log=self.logs("postgres"))

    def _locked(self, progress: Progress) -> AbstractContextManager[None]:
        return exclusive(
            self.data_dir / "stack.lock",
            seconds=LOCK_SECONDS,
            waiting=lambda elapsed: progress(
                f"waiting for another program that starts or stops the stack: {elapsed:.0f} s"
            ),
        )


def _digest(database_url: str | None, temporal_address: str | None) -> str:
    """Names a choice of servers without a password in it."""
    return hashlib.sha256(f"{database_url}\n{temporal_address}".encode()).hexdigest()[:16]


def running_environment(settings: Settings) -> Mapping[str, str]:
    """Variables of the running stack of the settings' data directory; empty when none runs."""
    return DevStack(settings.data_dir, settings).running_environment()
