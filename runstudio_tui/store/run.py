"""One open run: its summary, steps and waits kept current; bodies fetched when somebody looks at them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from runstudio_tui.clock import Clock, ServerTime
from runstudio_tui.domain.definition import definition_tree
from runstudio_tui.domain.effective import is_stuck
from runstudio_tui.domain.executions import Executions
from runstudio_tui.domain.models import Json, RunId, RunSummary, Step, Wait, WaitStatus
from runstudio_tui.domain.step_tree import StepTree
from runstudio_tui.ports import NotFound, PortError, RunsPort, StepsPage

T = TypeVar("T")

_STEP_PAGE: Final = 1000
_PAGES_AT_ONCE: Final = 5
WHY_KEPT: Final = 15.0
"""Seconds a diagnosis is good for: it asks Temporal, and changes slowly."""


@dataclass(frozen=True, slots=True)
class RunAnswer:
    """One poll of a run."""

    summary: RunSummary
    pages: tuple[StepsPage, ...]
    waits: tuple[Wait, ...]
    definition: Json
    """The document, or None when it was fetched before or does not exist."""


class RunStore:
    """What is known about one run. Made anew for every run that is opened, so nothing of another one can show through."""

    def __init__(self, port: RunsPort, time: ServerTime, run_id: RunId) -> None:
        self._port = port
        self._time = time
        self.run_id = run_id
        self.summary: RunSummary | None = None
        self.waits: tuple[Wait, ...] = ()
        self.executions = Executions()
        self.tree = StepTree((), self.executions)
        self.complete = False
        """True once all step rows written so far are loaded."""
        self._cursor: str | None = None
        self._definition_asked = False

    async def fetch(self) -> RunAnswer:
        """Ask the backend. Raises PortError."""
        reply = await self._port.summary(self.run_id)
        self._time.observe(reply.server_now)
        row = reply.value.row
        definition: Json = None
        if not self._definition_asked:
            try:
                definition = (await self._port.definition(row.workflow_id, row.version)).value
            except NotFound:
                definition = None
        pages: list[StepsPage] = []
        cursor = self._cursor
        for _ in range(_PAGES_AT_ONCE):
            page = await self._port.steps(self.run_id, cursor, _STEP_PAGE)
            pages.append(page)
            cursor = page.cursor
            if not page.more:
                break
        waits = await self._port.waits(self.run_id)
        return RunAnswer(reply.value, tuple(pages), waits.value, definition)

    def apply(self, answer: RunAnswer) -> None:
        """Take over one poll."""
        self.summary = answer.summary
        self.waits = answer.waits
        for page in answer.pages:
            self.executions.apply(page.rows)
            self._cursor = page.cursor
        self.complete = not answer.pages[-1].more
        if not self._definition_asked:
            self._definition_asked = True
            self.tree = StepTree(definition_tree(answer.definition), self.executions)

    @property
    def live(self) -> bool:
        """True while the run can still change (also before the first answer)."""
        return self.summary is None or not self.summary.row.status.ended

    @property
    def stuck(self) -> bool:
        """RUNNING, no step row, and more than 60 s since the start by the server's clock."""
        if self.summary is None or not self.complete:
            return False
        row = self.summary.row
        return is_stuck(row.status, len(self.executions), row.started_at, self._time.now())

    def open_wait_of(self, step: Step) -> Wait | None:
        """The wait a step is in, if it is in one."""
        for wait in self.waits:
            if wait.status is WaitStatus.WAITING and (wait.path, wait.iteration) == (step.path, step.iteration):
                return wait
        return None

    @property
    def open_wait(self) -> Wait | None:
        """The wait the run is in, if it is in one."""
        return next((wait for wait in self.waits if wait.status is WaitStatus.WAITING), None)


@dataclass(frozen=True, slots=True)
class Body(Generic[T]):
    """Something fetched on demand: not there yet, there, or failed. ``key`` says of what."""

    key: object
    value: T | None = None
    error: PortError | None = None

    @property
    def loading(self) -> bool:
        """True until an answer came."""
        return self.value is None and self.error is None


class OnDemand(Generic[T]):
    """Fetches the body of what is looked at now. An answer for something no longer looked at is dropped."""

    def __init__(
        self, fetch: Callable[[object], Awaitable[T]], changed: Callable[[], None], *, clock: Clock, keep: float = 0.0
    ) -> None:
        """``keep``: seconds for which an answer is good enough, also when it is asked for again."""
        self._fetch = fetch
        self._changed = changed
        self._clock = clock
        self._keep = keep
        self._asked_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self.body: Body[T] | None = None

    def look_at(self, key: object, *, again: bool = False) -> None:
        """Show the body of ``key``: fetched when it is another one than before, or when asked for again."""
        same = self.body is not None and self.body.key == key
        if same and (not again or self._clock.monotonic() - self._asked_at < self._keep):
            return
        self._asked_at = self._clock.monotonic()
        if self.body is None or self.body.key != key:
            self.body = Body(key)
        self.stop()
        self._task = asyncio.create_task(self._load(key))

    def stop(self) -> None:
        """Give up the fetch on its way."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _load(self, key: object) -> None:
        known = self.body
        try:
            body: Body[T] = Body(key, await self._fetch(key))
        except PortError as error:
            body = Body(key, known.value if known is not None and known.key == key else None, error)
        self.body = body
        if body != known:
            self._changed()
