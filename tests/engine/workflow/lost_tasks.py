"""A run whose every workflow task is lost, again and again, and done once more at another time by another worker.

The real workflow and the real activities on a real database. Only Temporal is played: what the workflow asks of it is answered
here, so that a task can be lost at any point of any activity. As with Temporal, what local activities answered is in the history
only when their task has ended.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from temporalio import workflow
from temporalio.testing import ActivityEnvironment

from engine import fault_points
from engine.activities import attempt
from engine.activities.catalog import all_activities
from engine.activities.dependencies import ActivityDependencies
from engine.contract import RunInput, workflow_id_for
from engine.workflow.run_workflow import RunWorkflow

HOUR_MS = 3_600_000


class Lost(BaseException):
    """The worker died."""


@dataclass
class Entry:
    """Something in the history."""

    kind: str
    """local, activity or wait."""
    answer: Any = None
    signals: list[tuple[str, Any]] = field(default_factory=list)
    """Of a wait: what came before the task after it."""


class PlayedTemporal:
    """One execution. ``signals_of`` tells what comes while the run waits for something; what never comes is waited for."""

    def __init__(
        self, dependencies: ActivityDependencies, run: RunInput, chance: Random, signals_of: Callable[[Any], list[Any]]
    ) -> None:
        self.tasks_lost = 0
        self.canceled = False
        """Somebody has asked to cancel the run; the next task is told so first."""
        self.takes_in = True
        """Whether the run began when an outcome that comes together with a cancel was taken in."""
        self.commands = 0
        # Each has the name of its method.
        self._activities = {activity.__name__: activity for activity in all_activities(dependencies)}
        self._run = run
        self._chance = chance
        self._signals_of = signals_of
        self._began_ms = attempt.worker_ms()
        self._history: list[Entry] = []
        self._task: list[Entry] = []
        self._read = 0
        self._now_ms = 0
        self._times: list[int] = []
        """Temporal's time in every task that is done."""
        self._tasks = 0
        """How many tasks of the present try are behind it."""
        self._due_ms = self._began_ms
        self._workflow: RunWorkflow | None = None
        self._running: asyncio.Task[Any] | None = None
        self._to_cancel = False
        """The run is told of the cancel where its history ends."""
        self._told = False
        """It is told in the present try: before, a task that is done once more knows nothing of it."""

    async def to_the_end(
        self, deaths: Iterator[int], late_signals: Callable[[], list[Any]] = list, *, then_cancel: bool = False
    ) -> Any:
        """Try until the run has ended; each try dies at the point whose number comes next, while there is one.

        ``late_signals``: what comes between two tries of a task. ``then_cancel``: after the first that was lost, the run is
        canceled.
        """
        while True:
            offset = self._chance.randrange(-HOUR_MS, HOUR_MS)
            try:
                with _worker_clock(offset), fault_points.installed(_dying(next(deaths, None))), self._played():
                    return await self._try()
            except Lost:
                self.tasks_lost += 1
                self.canceled = then_cancel
                self._task.clear()
                if self._history and self._history[-1].kind == "wait":
                    self._history[-1].signals += late_signals()

    async def _try(self) -> Any:
        self._read = self._tasks = 0
        self._told = False
        self._workflow, self._running = RunWorkflow(self._run), None
        self._enter_task()
        self._running = running = asyncio.create_task(self._workflow.run(self._run))
        self._to_cancel = self.canceled and bool(self._history)
        if self.canceled and not self._history:
            await asyncio.sleep(0)
            self._tell(running)
        return await running

    def _enter_task(self) -> None:
        """A task that is done has the time it had; one that is not is another one at each try."""
        if self._tasks < len(self._times):
            self._now_ms = self._times[self._tasks]
        else:
            self._now_ms = self._due_ms + self._chance.randrange(HOUR_MS)
        if self._to_cancel and self._running is not None and self._read == len(self._history):
            # The cancel came after all that is in the history.
            self._to_cancel = False
            self._tell(self._running)

    def _tell(self, running: asyncio.Task[Any]) -> None:
        self._told = True
        running.cancel()

    # --- what the workflow asks -------------------------------------------------------------------------------------

    async def _local(self, name: str, argument: Any, **_: Any) -> Any:
        if self._read < len(self._history):
            return self._next("local").answer
        answer = await self._execute(name, argument)
        self._task.append(Entry("local", answer))
        return answer

    async def _activity(self, name: str, argument: Any, **_: Any) -> Any:
        if self._read == len(self._history):
            self._commit()
            answer = await self._execute(name, argument)
            self._history.append(Entry("activity", answer))
        entry = self._next("activity")
        self._tasks += 1
        self._enter_task()
        return entry.answer

    async def _wait(self, condition: Callable[[], bool], *, timeout: float | None = None, **_: Any) -> None:
        if condition():
            return
        assert self._workflow is not None
        if self._read == len(self._history):
            self._commit()
            running = self._workflow._running
            assert running is not None
            signals = self._signals_of(running.position.machine.pending)
            assert timeout is not None or signals, "nobody will ever come"
            self._due_ms = self._now_ms + (0 if signals else round((timeout or 0) * 1000) + 1)
            self._history.append(Entry("wait", signals=signals))
        entry = self._next("wait")
        for name, signal in entry.signals:
            getattr(self._workflow, name)(signal)
        self._tasks += 1
        self._enter_task()
        if not condition():
            raise TimeoutError

    async def _execute(self, name: str, argument: Any) -> Any:
        self.commands += 1
        given = json.loads(json.dumps(argument, allow_nan=False))
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, workflow_id=workflow_id_for(self._run["run_id"]))
        return json.loads(json.dumps(await environment.run(self._activities[name], given), allow_nan=False))

    def _commit(self) -> None:
        """The task is done, unless it was before the worker died in the activity after it: its local activities are in the
        history."""
        if self._tasks == len(self._times):
            self._times.append(self._now_ms)
        self._history += self._task
        self._task.clear()
        self._read = len(self._history)

    def _next(self, kind: str) -> Entry:
        entry = self._history[self._read]
        self._read += 1
        assert entry.kind == kind, f"asked for {kind}, the history has {entry}"
        return entry

    @contextmanager
    def _played(self) -> Iterator[None]:
        info = SimpleNamespace(
            workflow_start_time=datetime.fromtimestamp(self._began_ms / 1000, UTC),
            is_continue_as_new_suggested=lambda: False,
            get_current_history_length=lambda: 0,
        )
        with patch.multiple(
            workflow,
            now=lambda: datetime.fromtimestamp(self._now_ms / 1000, UTC),
            time=lambda: self._now_ms / 1000,
            info=lambda: info,
            patched=lambda _patch: self.takes_in,
            cancellation_reason=lambda: "stop" if self._told else None,
            wait_condition=self._wait,
            execute_local_activity=self._local,
            execute_activity=self._activity,
        ):
            yield


def _dying(deadly: int | None) -> Callable[[str], None]:
    """A worker that dies at the point of this number."""
    reached = 0

    def reach(_point: str) -> None:
        nonlocal reached
        reached += 1
        if reached == deadly:
            raise Lost

    return reach


@contextmanager
def _worker_clock(offset_ms: int) -> Iterator[None]:
    """The clock of another worker."""
    true = attempt.worker_ms
    with patch.object(attempt, "worker_ms", lambda: true() + offset_ms):
        yield
