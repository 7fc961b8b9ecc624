"""One open run: its summary, steps and waits kept current; bodies fetched when somebody looks at them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from engine.errors import EngineError, NotFound
from engine.records import Json, RunSummary, Step, StepsPage, Wait, WaitStatus
from runstudio_tui.clock import Clock, ServerTime
from runstudio_tui.domain.definition import definition_tree
from runstudio_tui.domain.executions import Executions
from runstudio_tui.domain.step_tree import StepTree
from runstudio_tui.ports import Backend

T = TypeVar("T")

_STEP_PAGE: Final = 1000
_PAGES_AT_ONCE: Final = 5
SETTLE: Final = 0.15
"""Seconds the cursor must rest on something before it is read: a held key reads once, for where it stops."""
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

    def __init__(self, backend: Backend, time: ServerTime, run_id: str) -> None:
        self._backend = backend
        self._time = time
        self.run_id = run_id
        self.summary: RunSummary | None = None
        self.waits: tuple[Wait, ...] = ()
        self.executions = Executions()
        self.tree = StepTree((), self.executions)
        self.complete = False
        """True once all step rows written so far are loaded."""
        self._cursor: str | None = None
        self.definition: Json = None
        """The document; None before the first answer, and when there is none."""
        self._definition_asked = False

    async def fetch(self) -> RunAnswer:
        """Ask the backend. Raises EngineError."""
        summary = await self._backend.runs.get(self.run_id)
        self._time.observe(summary.server_now)
        row = summary.row
        definition: Json = None
        if not self._definition_asked:
            try:
                definition = await self._backend.workflows.definition(row.workflow_id, row.version)
            except NotFound:
                definition = None
        pages: list[StepsPage] = []
        cursor = self._cursor
        for _ in range(_PAGES_AT_ONCE):
            page = await self._backend.runs.steps(self.run_id, after=cursor, limit=_STEP_PAGE)
            pages.append(page)
            cursor = page.cursor
            if not page.more:
                break
        waits = await self._backend.runs.waits(self.run_id)
        return RunAnswer(summary, tuple(pages), waits, definition)

    def apply(self, answer: RunAnswer) -> None:
        """Take over one poll."""
        self.summary = answer.summary
        self.waits = answer.waits
        for page in answer.pages:
            self.executions.apply(page.rows)
            self._cursor = page.cursor
        self.complete = not answer.pages[-1].more
        row = answer.summary.row
        self.executions.run_is_at(None if row.status.ended else row.node_path, row.iteration)
        if not self._definition_asked:
            self._definition_asked = True
            self.definition = answer.definition
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
        return dataclasses.replace(row, step_count=len(self.executions)).stuck_at(self._time.now())

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
    error: EngineError | None = None

    @property
    def loading(self) -> bool:
        """True until an answer came."""
        return self.value is None and self.error is None


class OnDemand(Generic[T]):
    """Fetches the body of what is looked at now. An answer for something no longer looked at is dropped."""

    def __init__(
        self,
        fetch: Callable[[object], Awaitable[T]],
        changed: Callable[[], None],
        *,
        clock: Clock,
        keep: float = 0.0,
        settle: float = 0.0,
    ) -> None:
        """``keep``: seconds for which an answer is good enough, also when it is asked for again. ``settle``: seconds that
        something must be looked at before it is fetched, so that a held key fetches once."""
        self._fetch = fetch
        self._changed = changed
        self._clock = clock
        self._keep = keep
        self._settle = settle
        self._asked_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self.body: Body[T] | None = None
        self.settling = False
        """What is looked at has not been looked at for long enough."""

    def look_at(self, key: object, *, again: bool = False, at_once: bool = False) -> None:
        """Show the body of ``key``: fetched when it is another one than before, or when asked for again; ``at_once``: without
        waiting whether it is still looked at a moment later."""
        same = self.body is not None and self.body.key == key and (self._task is not None or not self.body.loading)
        if same and self.settling and not at_once:
            return
        good_enough = not again or self._clock.monotonic() - self._asked_at < self._keep
        if same and good_enough and not self.settling:
            return
        self._asked_at = self._clock.monotonic()
        if not same:
            self.body = Body(key)
        self.stop()
        self.settling = not same and not at_once and self._settle > 0
        self._task = asyncio.create_task(self._load(key))

    def stop(self) -> None:
        """Give up the fetch on its way."""
        self.settling = False
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _load(self, key: object) -> None:
        if self.settling:
            await self._clock.wait(asyncio.Event(), self._settle)
            self.settling = False
            self._changed()
        known = self.body
        try:
            body: Body[T] = Body(key, await self._fetch(key))
        except EngineError as error:
            body = Body(key, known.value if known is not None and known.key == key else None, error)
        self.body = body
        if body != known:
            self._changed()
