"""A Temporal server on this machine: the CLI's development server, with its history in a file.

The file is what makes it useful beyond a demo: workflows go on where they were after the server was stopped or killed.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from engine.devstack.processes import (
    ProcessId,
    free_port,
    is_alive,
    last_lines,
    listens,
    port_is_free,
    start_detached,
    stop,
)
from engine.errors import Unavailable
from engine.settings import DEFAULT_NAMESPACE

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0
START_ATTEMPTS: Final = 3

SERVER_SETTINGS: Final = ("system.enableActivityEagerExecution=true",)
"""Off by default; without it every ordinary step costs one more round trip. compose.yaml sets the same."""
SQLITE_SETTINGS: Final = ("journal_mode=WAL",)
"""One write to the disk per transaction instead of several, and as durable: what was committed survives any crash."""


class TemporalServer:
    """The server of one history file. ``port`` is kept over restarts as long as nobody else takes it."""

    def __init__(
        self,
        program: Path,
        database: Path,
        *,
        log: Path,
        port: int | None = None,
        ui_port: int | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """``port`` None: any free one. ``ui_port`` None: without Temporal's web interface, 0: on any free port."""
        self.program = program
        self.database = database
        self.log = log
        self.port = port
        self.ui_port = ui_port
        self._variables = dict(variables or {})
        self.process: ProcessId | None = None

    @property
    def address(self) -> str:
        """``host:port`` of a server that was started."""
        if self.port is None:
            raise RuntimeError("the server was never started")
        return f"127.0.0.1:{self.port}"

    def start(self) -> ProcessId:
        """Starts the server and waits until it answers; does nothing when it already runs.

        Raises ``Unavailable`` (``TEMPORAL_NOT_STARTED``, with the log's end in details).
        """
        if self.process is not None and is_alive(self.process):
            return self.process
        self.database.parent.mkdir(parents=True, exist_ok=True)
        for _attempt in range(START_ATTEMPTS):
            if self.port is None or not port_is_free(self.port):
                self.port = free_port()
            if self.ui_port is not None and (self.ui_port == 0 or not port_is_free(self.ui_port)):
                self.ui_port = free_port()
            self.process = start_detached(self._command(), log=self.log, environment=self._environment())
            if wait_until_answers(self.address, self.process):
                return self.process
            if is_alive(self.process):
                stop(self.process, grace=STOP_SECONDS)
                break
            # It ended at once. It needs a dozen ports more, which it picks itself and may lose to another program.
        raise Unavailable(
            "TEMPORAL_NOT_STARTED",
            "The development Temporal server does not start.",
            f"Read {self.log}, or set TEMPORAL_ADDRESS to a server of your own.",
            {"log": last_lines(self.log)},
        )

    def stop(self) -> None:
        """Stops the server in good order; stopped is fine too."""
        if self.process is not None:
            stop(self.process, grace=STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL, as the machine would do it without warning. For tests of what survives."""
        if self.process is not None:
            stop(self.process, grace=0)

    def _command(self) -> list[str]:
        command = [str(self.program), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.port)]
        command += ["--db-filename", str(self.database), "--log-format", "json"]
        for setting in SERVER_SETTINGS:
            command += ["--dynamic-config-value", setting]
        for setting in SQLITE_SETTINGS:
            command += ["--sqlite-pragma", setting]
        return [*command, "--headless"] if self.ui_port is None else [*command, "--ui-port", str(self.ui_port)]

    def _environment(self) -> dict[str, str]:
        # What configures the user's own Temporal client must not reach our server.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
        return {**inherited, "TEMPORAL_CONFIG_FILE": os.devnull, **self._variables}


def wait_until_answers(address: str, process: ProcessId, *, seconds: float = START_SECONDS) -> bool:
    """Waits until the server at ``address`` serves the default namespace; False when it ended or the time is over."""
    deadline = time.monotonic() + seconds
    while is_alive(process) and time.monotonic() < deadline:
        # Its own answer, not that of a stranger who took the port in the same moment.
        if answers(address) and listens(process, int(address.rpartition(":")[2])):
            return True
        time.sleep(0.05)
    return False


def answers(address: str, *, seconds: float = 2.0) -> bool:
    """Whether a Temporal server answers at ``address`` and has its default namespace."""
    # In a thread of its own, so that it can be called with and without a running event loop.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, _answers(address, seconds)).result()


async def _answers(address: str, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            client = await Client.connect(address)
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=DEFAULT_NAMESPACE), timeout=timedelta(seconds=seconds)
            )
    except (RuntimeError, RPCError, TimeoutError):
        return False
    return True
