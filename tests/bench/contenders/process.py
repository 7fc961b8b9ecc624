"""A contender in a process of its own, as it would run in production, told what to do by one line of JSON at a time.

Processes, so that no contender shares an interpreter lock, an event loop or a garbage collector with another one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

REPOSITORY = Path(__file__).parents[3]
LINE_BYTES = 64 * 1024 * 1024


class Contender(Protocol):
    """Something that runs workflows. Every public method but these two can be called from the measuring process."""

    async def open(self, database_url: str, temporal_address: str) -> None:
        """Get ready: connect, poll, publish."""

    async def close(self) -> None:
        """Let go of everything."""


class ContenderProcess:
    """The measuring side."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Of the contender."""
        return self._process.pid

    async def call(self, method: str, **arguments: Any) -> Any:
        """Call a method there and give what it returned. Raises RuntimeError with the other side's words when it failed."""
        writer, reader = self._process.stdin, self._process.stdout
        assert writer is not None
        assert reader is not None
        writer.write(json.dumps([method, arguments]).encode() + b"\n")
        await writer.drain()
        line = await reader.readline()
        if not line:
            raise RuntimeError(f"The contender ended while it did {method}.")
        answer = json.loads(line)
        if "failed" in answer:
            raise RuntimeError(f"{method}: {answer['failed']}")
        return answer["value"]


@asynccontextmanager
async def contender(
    name: str, database_url: str, temporal_address: str, *, core: int | None = None, packages: Path | None = None
) -> AsyncIterator[ContenderProcess]:
    """Start ``tests.bench.contenders.<name>`` and wait until it is ready; ended in good order with the block.

    ``core``: the only one it runs on. ``packages``: a directory whose packages go before the installed ones.
    """
    environment = {**os.environ, "PYTHONPATH": str(packages)} if packages else None
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"tests.bench.contenders.{name}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
        cwd=REPOSITORY,
        env=environment,
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        running = ContenderProcess(process)
        await running.call("open", database_url=database_url, temporal_address=temporal_address)
        yield running
        await running.call("close")
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.kill()
            await process.wait()


def serve(made: Contender) -> None:
    """The contender's side: obey until the other side closes the line."""
    # Answers go where standard output went; what anybody prints goes to standard error.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    asyncio.run(_obey(made, answers))


async def _obey(made: Contender, answers: Any) -> None:
    loop = asyncio.get_running_loop()
    # A thread of its own: DBOS replaces the loop's and ends it.
    reader = ThreadPoolExecutor(1)
    while line := await loop.run_in_executor(reader, sys.stdin.readline):
        method, arguments = json.loads(line)
        try:
            answer = {"value": await getattr(made, method)(**arguments)}
        except Exception as error:  # noqa: BLE001 - told to the other side, which stops
            traceback.print_exc()
            answer = {"failed": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
