"""The state of the fake world, and the script that moves it on as its clock does."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runstudio_tui.backend.fake_run import FakeRun
from runstudio_tui.backend.fake_script import Script, play
from runstudio_tui.clock import Clock
from runstudio_tui.domain.catalog import Example, HealthPart, Level, PartState, Session, WorkflowInfo
from runstudio_tui.domain.effective import stuck_row
from runstudio_tui.domain.models import Json, RunId, RunRow
from runstudio_tui.domain.query import RunQuery, Sort


@dataclass(frozen=True, slots=True)
class FakeWorkflow:
    """One workflow of the world."""

    info: WorkflowInfo
    definitions: dict[int, Json]
    schema: Json = None
    examples: tuple[Example, ...] = ()
    script: Script = field(default_factory=Script)
    """How runs go that are started in the world."""


class World:
    """Everything there is. Times are the server's: the clock's, moved by ``skew``."""

    def __init__(self, clock: Clock, skew: timedelta = timedelta(0)) -> None:
        self._clock = clock
        self._skew = skew
        self._due: list[tuple[datetime, int, RunId | None, Callable[[], None]]] = []
        self._order = itertools.count()
        self._made = itertools.count(1)
        self.runs: dict[RunId, FakeRun] = {}
        self.workflows: dict[str, FakeWorkflow] = {}
        self.session = Session("admin", Level.ADMIN, "00000000-0000-0000-0000-000000000001", "local")
        self.health: tuple[HealthPart, ...] = (
            HealthPart("postgres", PartState.OK),
            HealthPart("temporal", PartState.OK),
            HealthPart("workers", PartState.OK, "1 polling"),
        )

    def now(self) -> datetime:
        """The server's clock."""
        return self._clock.now() + self._skew

    def at(self, due: datetime, happening: Callable[[], None], run_id: RunId | None = None) -> None:
        """Let something happen at a time."""
        heapq.heappush(self._due, (due, next(self._order), run_id, happening))

    def catch_up(self) -> set[RunId]:
        """Let everything happen whose time has come; returns the runs it happened to."""
        touched: set[RunId] = set()
        now = self.now()
        while self._due and self._due[0][0] <= now:
            _, _, run_id, happening = heapq.heappop(self._due)
            happening()
            if run_id is not None:
                touched.add(run_id)
        return touched

    def next_due(self) -> float | None:
        """Seconds until something happens; None when nothing will."""
        return max((self._due[0][0] - self.now()).total_seconds(), 0.0) if self._due else None

    def fresh_id(self, at: datetime) -> str:
        """A run id that sorts by time, the same in every start of the world."""
        milliseconds = int(at.timestamp() * 1000)
        number = next(self._made)
        mixed = (number * 0x9E3779B97F4A7C15) & 0x3FFFFFFFFFFFFFFF
        text = f"{milliseconds:012x}7{number & 0xFFF:03x}{0x8000000000000000 | mixed:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"

    def add(self, run: FakeRun, script: Script) -> RunId:
        """Put a run into the world, its script beginning when it was started."""
        self.runs[run.row.run_id] = run
        self.play(run, script, run.row.started_at or self.now())
        return run.row.run_id

    def play(self, run: FakeRun, script: Script, begin: datetime) -> None:
        """Let a script happen to a run: what of it is past has happened, the rest will."""
        row, now = run.row, self.now()
        for offset, happening in play(self.workflows[row.workflow_id].definitions[row.version], script):
            due = begin + timedelta(seconds=offset)
            if due <= now:
                happening(run, due)
            else:
                self.at(due, _happen(run, happening, due), row.run_id)

    def select(self, query: RunQuery) -> list[RunRow]:
        """Rows a query matches, in its order."""
        rows = [run.row for run in self.runs.values() if matches(run, query, self.now())]
        rows.sort(key=lambda row: list_place(row, query.sort), reverse=query.sort.descending)
        return rows


def list_place(row: RunRow, sort: Sort) -> tuple[str, str]:
    """What a list is ordered by: a time, and the run id where times are equal."""
    return (str(row.updated_at if sort.by_update else row.started_at), row.run_id)


def _happen(run: FakeRun, happening: Callable[[FakeRun, datetime], None], due: datetime) -> Callable[[], None]:
    def happen() -> None:
        if not run.row.status.ended:
            happening(run, due)

    return happen


def matches(run: FakeRun, query: RunQuery, now: datetime) -> bool:
    """Whether a run meets every condition of a query."""
    row = run.row
    checks = (
        not query.statuses or row.status in query.statuses,
        not query.stuck or stuck_row(row, now),
        _is_workflow(row, query.workflow),
        query.version is None or row.version == query.version,
        query.trigger is None or (row.trigger or "manual") == query.trigger,
        query.started_from is None or (row.started_at is not None and row.started_at >= query.started_from),
        query.started_before is None or (row.started_at is not None and row.started_at < query.started_before),
        not query.waiting_on or (row.wait is not None and row.wait.kind in query.waiting_on),
        query.min_attempt is None or (row.attempt or 0) >= query.min_attempt,
        query.error_code is None or row.error_code == query.error_code,
        row.run_id.startswith(query.run_id_prefix),
        query.wait_key is None or any(wait.key == query.wait_key for wait in run.waits.values()),
        query.event_id is None or query.event_id in _events(run),
        query.replay_of is None or row.replay_of == query.replay_of,
        query.parent is None or row.parent == query.parent,
        query.root is None or run.details.root == query.root,
        query.text.casefold() in row.workflow_name.casefold(),
    )
    return all(checks)


def _is_workflow(row: RunRow, wanted: str) -> bool:
    start = wanted.casefold()
    return row.workflow_id.casefold().startswith(start) or row.workflow_name.casefold().startswith(start)


def _events(run: FakeRun) -> set[str | None]:
    return {run.details.trigger_event_id, *(wait.matched_event_id for wait in run.waits.values())}
