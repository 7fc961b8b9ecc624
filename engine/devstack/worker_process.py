"""The stack's worker: a child process in its own session, with its health server on a port the stack chose."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from engine.devstack.processes import ProcessId, free_port, is_alive, last_lines, listens, start_detached, stop
from engine.devstack.worker_actions import WorkerActions
from engine.errors import Unavailable

# -P: a folder of the user's that is called like one of ours must not be taken for it.
COMMAND: Final[tuple[str, ...]] = (sys.executable, "-P", "-m", "runstudio_tui.cli", "worker")
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
"""Above what a worker takes at most: 20 seconds for its activities, and a few for what they leave."""


class WorkerProcess:
    """A worker with these actions, started with ``variables`` on top of our environment."""

    def __init__(
        self, command: Sequence[str], variables: Mapping[str, str], actions: WorkerActions, *, log: Path
    ) -> None:
        self._command = (*command, "--actions", actions.modules) if actions.files else tuple(command)
        # The option names all of them; what the terminal has set is among them already, or was not asked for.
        self._variables = {**variables, "RUNSTUDIO_ACTIONS": ""}
        self._directory = actions.directory
        self._log = log

    def digest(self) -> str:
        """Names what the worker was started with: a worker with another digest is not the one we would start."""
        # An empty value only hides what one terminal happens to have set; it makes no other worker.
        variables = sorted((name, value) for name, value in self._variables.items() if value)
        text = json.dumps([self._command, variables])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def start(self) -> tuple[ProcessId, int]:
        """Starts it and waits until it is ready; its identity and health port.

        Raises ``Unavailable`` (``WORKER_NOT_STARTED``, with the log's end in details).
        """
        port = free_port()
        health = {"RUNSTUDIO_HEALTH_HOST": "127.0.0.1", "RUNSTUDIO_HEALTH_PORT": str(port)}
        environment = {**os.environ, **self._variables, **health}
        process = start_detached(self._command, log=self._log, environment=environment, directory=self._directory)
        if not wait_until_ready(process, port, START_SECONDS):
            ended = not is_alive(process)
            late = f"The worker was not ready after {START_SECONDS:.0f} s."
            stop(process, grace=STOP_SECONDS)
            raise Unavailable(
                "WORKER_NOT_STARTED",
                f"The worker ended at its start{_reason(self._log)}." if ended else late,
                f"Read {self._log}.",
                {"log": last_lines(self._log)},
            )
        return process, port


def _reason(log: Path) -> str:
    """What it said for people, which follows its log lines; empty when it said nothing."""
    said = " ".join(line.strip() for line in last_lines(log).splitlines() if not line.startswith("{"))
    return f": {said.rstrip('.')}" if said else ""


def wait_until_ready(process: ProcessId, port: int, seconds: float) -> bool:
    """Waits until every part of the worker reports success; False when it ended or the time is over."""
    deadline = time.monotonic() + seconds
    while is_alive(process):
        if is_ready(port) and listens(process, port):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return False


def is_ready(port: int, seconds: float = 2.0) -> bool:
    """Whether the health server on this port answers ``/readyz`` with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
