"""A backend without an engine: a deterministic world behind the ports, for the demo, the pictures and every UI test.

Tests can make the next calls fail (``fail_next``), hold them (``hold``), and read what was asked (``calls``).
"""

from __future__ import annotations

import asyncio

from runstudio_tui.backend.fake.calls import Call, Calls
from runstudio_tui.backend.fake.events import FakeEvents
from runstudio_tui.backend.fake.jobs import FakeAlerts, FakeJobs
from runstudio_tui.backend.fake.launching import Launches
from runstudio_tui.backend.fake.quota import FakeQuota
from runstudio_tui.backend.fake.runs import FakeRuns
from runstudio_tui.backend.fake.schedules import FakeSchedules
from runstudio_tui.backend.fake.system import FakeSystem
from runstudio_tui.backend.fake.tasks import FakeTasks
from runstudio_tui.backend.fake.workflows import FakeWorkflows
from runstudio_tui.backend.fake.world import World
from runstudio_tui.clock import Clock


class FakeBackend:
    """All groups over one world."""

    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self._calls = Calls(world, clock)
        self.workflows = FakeWorkflows(self._calls)
        launches = Launches(self._calls, self.workflows)
        self.runs = FakeRuns(self._calls, self.workflows, launches)
        self.events = FakeEvents(self._calls)
        self.tasks = FakeTasks(self._calls)
        self.schedules = FakeSchedules(self._calls, launches)
        self.quota = FakeQuota(self._calls)
        self.jobs = FakeJobs(self._calls)
        self.alerts = FakeAlerts(self._calls)
        self.system = FakeSystem(self._calls)

    async def open(self) -> None:
        """See Backend."""
        await self._calls.enter("open")

    async def close(self) -> None:
        """See Backend."""
        self._calls.log.append(Call("close", ()))

    @property
    def calls(self) -> list[Call]:
        """Every call so far."""
        return self._calls.log

    def called(self, name: str) -> list[Call]:
        """The calls of one method so far; ``name`` as ``runs.list``."""
        return [call for call in self.calls if call.name == name]

    def fail_next(self, name: str, error: Exception, times: int = 1) -> None:
        """Let the next ``times`` calls of a method raise."""
        self._calls.fail_next(name, error, times)

    def heal(self, name: str) -> None:
        """Let no call of a method raise any more."""
        self._calls.heal(name)

    def hold(self, name: str) -> asyncio.Event:
        """Let calls of a method wait until the event returned is set."""
        return self._calls.hold(name)
