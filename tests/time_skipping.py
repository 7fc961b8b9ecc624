"""The time-skipping test server: Temporal whose clock jumps to the next timer, so that thirty days pass in a second.

It is Temporal's own test server: a native program where the SDK can download it, else its jars on a Java runtime. Its clock is
one for the whole server, it knows no schedules and no visibility queries, and it proves nothing about races.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from temporalio.api.testservice.v1 import LockTimeSkippingRequest, SleepRequest, UnlockTimeSkippingRequest
from temporalio.client import Client

from engine.devstack.fetching import (
    Progress,
    exclusive,
    run_visibly,
    scratch_directory,
    tool_environment,
)
from engine.devstack.processes import ProcessId, free_port, is_alive, last_lines, start_detached, stop
from engine.devstack.sdk_download import DOWNLOAD_SECONDS, download, reason
from engine.devstack.temporal_server import wait_until_answers
from engine.errors import Unavailable
from engine.settings import cache_dir

VERSION: Final = "1.32.0"
ARTIFACT: Final = f"io.temporal:temporal-test-server:{VERSION}"
MAIN_CLASS: Final = "io.temporal.testserver.TestServer"
JARS_SECONDS: Final = 600.0

POM: Final = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>runstudio</groupId><artifactId>time-skipping</artifactId><version>1</version>
<packaging>pom</packaging><dependencies><dependency><groupId>{0}</groupId><artifactId>{1}</artifactId><version>{2}</version>
</dependency></dependencies></project>
"""

Source = Literal["cache", "download", "Maven"]


@dataclass(frozen=True, slots=True)
class TimeSkippingProgram:
    """How to run the server: ``command`` and then a port."""

    command: tuple[str, ...]
    path: Path
    """The program, or the directory of its jars."""
    source: Source


def find_program() -> TimeSkippingProgram | None:
    """The server if the cache has it; None if it must be obtained."""
    native = _cached_native()
    if os.access(native, os.X_OK):
        return TimeSkippingProgram((str(native),), native, "cache")
    java = shutil.which("java")
    if java is not None and _cached_jars().is_dir():
        return TimeSkippingProgram(_java_command(java), _cached_jars(), "cache")
    return None


def obtain_program(progress: Progress) -> TimeSkippingProgram:
    """The server, obtained if the cache does not have it. A second process that wants it waits for the first.

    Raises ``Unavailable`` (``TIME_SKIPPING_NOT_OBTAINED``) with the reason of each way in details.
    """
    found = find_program()
    if found is not None:
        return found
    with exclusive(
        cache_dir() / "bin" / ".time-skipping.lock",
        seconds=DOWNLOAD_SECONDS + JARS_SECONDS,
        waiting=lambda elapsed: progress(f"another process is obtaining the time-skipping server: {elapsed:.0f} s"),
    ):
        return find_program() or _obtain(progress)


def _cached_native() -> Path:
    return cache_dir() / "bin" / "temporal-test-server"


def _cached_jars() -> Path:
    return cache_dir() / f"temporal-test-server-{VERSION}"


def _java_command(java: str) -> tuple[str, ...]:
    # The quick compiler only and a small heap: it lives for the length of a test session.
    return (java, "-XX:TieredStopAtLevel=1", "-Xmx512m", "-cp", f"{_cached_jars()}{os.sep}*", MAIN_CLASS)


def _obtain(progress: Progress) -> TimeSkippingProgram:
    reasons: dict[str, str] = {}
    native = _cached_native()
    with scratch_directory(native) as scratch:
        try:
            download("start_time_skipping", scratch, progress, "the time-skipping test server").replace(native)
            return TimeSkippingProgram((str(native),), native, "download")
        except Unavailable as error:
            reasons["download"] = reason(error)
    with scratch_directory(_cached_jars()) as scratch:
        try:
            java = _resolve_jars(scratch, progress)
            return TimeSkippingProgram(_java_command(java), _cached_jars(), "Maven")
        except Unavailable as error:
            reasons["Maven"] = reason(error)
    raise Unavailable(
        "TIME_SKIPPING_NOT_OBTAINED",
        "The time-skipping test server can neither be downloaded nor resolved with Maven."
        f" Download: {reasons['download']}. Maven: {reasons['Maven']}",
        "Install Java 11 or newer and Maven, or give this machine access to temporal.download.",
        {"reasons": reasons},
    )


def _resolve_jars(scratch: Path, progress: Progress) -> str:
    java, maven = shutil.which("java"), shutil.which("mvn")
    if java is None or maven is None:
        missing = "java" if java is None else "mvn"
        raise Unavailable("JAVA_MISSING", f"There is no `{missing}` program on the PATH.")
    project, jars = scratch / "pom.xml", scratch / "jars"
    project.write_text(POM.format(*ARTIFACT.split(":")))
    run_visibly(
        [maven, "-B", "-q", "-f", str(project), "dependency:copy-dependencies", f"-DoutputDirectory={jars}"],
        progress=progress,
        text="obtaining the time-skipping test server with Maven",
        seconds=JARS_SECONDS,
        environment=tool_environment(),
    )
    jars.replace(_cached_jars())
    return java


@dataclass(frozen=True, slots=True)
class TimeSkipping:
    """A running time-skipping server. Time stands as in the real world until a test lets it skip."""

    address: str
    client: Client

    @asynccontextmanager
    async def skipping(self) -> AsyncIterator[None]:
        """Inside, time jumps to the next timer whenever no activity runs."""
        await self.client.test_service.unlock_time_skipping(UnlockTimeSkippingRequest())
        try:
            yield
        finally:
            await self.client.test_service.lock_time_skipping(LockTimeSkippingRequest())

    async def skip(self, duration: timedelta) -> None:
        """Moves the server's clock forward, firing what falls due on the way."""
        request = SleepRequest(duration=Duration())
        request.duration.FromTimedelta(duration)
        await self.client.test_service.unlock_time_skipping_with_sleep(request)

    async def now(self) -> datetime:
        """The server's clock, aware UTC."""
        response = await self.client.test_service.get_current_time(Empty())
        return response.time.ToDatetime(tzinfo=UTC)


class TimeSkippingServer:
    """The process of a time-skipping server."""

    def __init__(self, program: TimeSkippingProgram, *, log: Path) -> None:
        self._program = program
        self._log = log
        self._process: ProcessId | None = None

    async def start(self) -> TimeSkipping:
        """Starts the server. Raises ``Unavailable`` (``TIME_SKIPPING_NOT_STARTED``, with the log's end in details)."""
        port = free_port()
        address = f"127.0.0.1:{port}"
        self._process = start_detached([*self._program.command, str(port)], log=self._log)
        if not await asyncio.to_thread(wait_until_answers, address, self._process):
            raise Unavailable(
                "TIME_SKIPPING_NOT_STARTED",
                "The time-skipping test server does not start.",
                f"Read {self._log}.",
                {"log": last_lines(self._log)},
            )
        return TimeSkipping(address, await Client.connect(address))

    def stop(self) -> None:
        """Ends the server; it has nothing to lose."""
        if self._process is not None and is_alive(self._process):
            stop(self._process, grace=2)
