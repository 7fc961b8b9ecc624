"""Two workers of different releases, each of which may be killed, stopped and started again."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack, suppress

from tests.faults.installation import Installation, WorkerUnderTest

_SHORT_TASKS = (
    "from datetime import timedelta; import engine.operations.runs.starting as s;"
    " s.TASK_TIMEOUT = timedelta(seconds=10)"
)
RELEASES = (
    f"{_SHORT_TASKS}; import engine.workflow.continuation as c; c.MAX_EVENTS = 40",
    f"{_SHORT_TASKS}; import engine; engine.__version__ = '9.9.9'; import engine.actions.declaration as d;"
    " import tests.faults.ledger as l; setattr(l.quick, d._MARK, ());"
    " d.action('ledger.quick', input=l.Given, output=l.Answer)(l.quick)",
)
"""One whose runs go on in new executions all the time, and one to which ``ledger.quick`` is no quick action. Of both, a task that
was lost with its worker is given to the other after ten seconds instead of a minute."""

STARTING_SECONDS = 30.0
LEAVING_SECONDS = 120.0
"""For a worker to end in good order while servers stand still."""


class Workforce:
    """One worker of each release. Use it as a context manager."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._starts = 0
        self._stacks: list[AsyncExitStack] = []
        self._workers: list[WorkerUnderTest] = []

    async def __aenter__(self) -> Workforce:
        for which in range(len(RELEASES)):
            stack = AsyncExitStack()
            self._stacks.append(stack)
            self._workers.append(await self._start(stack, which))
        for worker in self._workers:
            await self._installation.ready(worker)
        return self

    async def __aexit__(self, *_: object) -> None:
        for stack in self._stacks:
            await stack.aclose()

    def send(self, which: int, number: signal.Signals) -> None:
        """Signal one of them."""
        self._workers[which].send(number)

    async def kill(self, which: int) -> None:
        """SIGKILL one, and start another of its release."""
        await self._stacks[which].aclose()
        self._workers[which] = await self._start(self._stacks[which], which)
        await self._given_time(which)

    async def end(self, which: int) -> None:
        """Ask one to end in good order, and start another of its release while it does."""
        old = self._stacks[which]
        self.send(which, signal.SIGTERM)
        leaving, self._stacks[which] = self._workers[which], AsyncExitStack()
        self._workers[which] = await self._start(self._stacks[which], which)
        try:
            await leaving.ended(LEAVING_SECONDS)
        finally:
            await old.aclose()
        await self._given_time(which)

    async def ready(self) -> None:
        """Wait until both work again, starting those that have ended."""
        for which, worker in enumerate(self._workers):
            if worker.process.returncode is not None:
                await self.kill(which)
            await self._installation.ready(self._workers[which], 180)

    async def _given_time(self, which: int) -> None:
        """Let a new one become ready, as it can while the servers are there: else it would only be killed while it starts."""
        with suppress(AssertionError):
            await self._installation.ready(self._workers[which], STARTING_SECONDS)

    async def _start(self, stack: AsyncExitStack, which: int) -> WorkerUnderTest:
        self._starts += 1
        name = f"release-{which}-start-{self._starts}"
        return await stack.enter_async_context(self._installation.worker(name, before=RELEASES[which], ready=False))
