"""The state of the fake world, and the script that moves it on as its clock does."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from engine.errors import Conflict
from engine.records import (
    AlertMessage,
    Count,
    Document,
    Event,
    EventDetail,
    EventReceipt,
    Example,
    Fire,
    HealthPart,
    Job,
    Json,
    Level,
    LogLevel,
    PartState,
    RunCounts,
    RunFilter,
    RunOrder,
    RunRow,
    RunStatus,
    Schedule,
    ScheduleDetail,
    Session,
    Task,
    TaskDetail,
    Version,
    Workflow,
)
from engine.values.event_key import normal_key
from runstudio_tui.backend.fake.run import FakeRun
from runstudio_tui.backend.fake.script import Script, play
from runstudio_tui.clock import Clock

COUNT_CAP: Final = 10_000


@dataclass(frozen=True, slots=True)
class FakeWorkflow:
    """One workflow of the world."""

    info: Workflow
    definitions: dict[int, Json]
    schema: Json = None
    examples: tuple[Example, ...] = ()
    script: Script = field(default_factory=Script)
    """How runs go that are started in the world."""
    published: dict[int, Version] = field(default_factory=dict)
    """What is told of single versions; of any other one nobody knows when it was published."""
    schemas: dict[int, Json] = field(default_factory=dict)
    """Payload schemas of single versions; any other one has ``schema``."""

    def schema_of(self, version: int) -> Json:
        """The payload schema frozen with a version."""
        return self.schemas.get(version, self.schema)


class World:
    """Everything there is. Times are the server's: the clock's, moved by ``skew``."""

    def __init__(self, clock: Clock, skew: timedelta = timedelta(0)) -> None:
        self._clock = clock
        self._skew = skew
        self._due: list[tuple[datetime, int, str | None, Callable[[], None]]] = []
        self._order = itertools.count()
        self._made = itertools.count(1)
        self.runs: dict[str, FakeRun] = {}
        self.workflows: dict[str, FakeWorkflow] = {}
        self.events: dict[str, EventDetail] = {}
        self.tasks: dict[str, TaskDetail] = {}
        self.schedules: dict[str, ScheduleDetail] = {}
        self.fires: dict[str, list[Fire]] = {}
        """Occurrences by schedule id, the latest decision first."""
        self.every: dict[str, timedelta] = {}
        """Between the occurrences of a recurring schedule, by its id."""
        self.jobs: dict[str, Job] = {}
        self.messages: tuple[AlertMessage, ...] = ()
        self.quota: tuple[int | None, int] = (None, 0)
        """Limit and use of the current period."""
        self.session = Session("admin", Level.ADMIN, "00000000-0000-0000-0000-000000000001", "local", self.now())
        self.health: tuple[HealthPart, ...] = (
            HealthPart("postgres", PartState.OK),
            HealthPart("temporal", PartState.OK),
            HealthPart("workers", PartState.OK, "1 polling"),
        )

    def now(self) -> datetime:
        """The server's clock."""
        return self._clock.now() + self._skew

    def at(self, due: datetime, happening: Callable[[], None], run_id: str | None = None) -> None:
        """Let something happen at a time."""
        heapq.heappush(self._due, (due, next(self._order), run_id, happening))

    def catch_up(self) -> set[str]:
        """Let everything happen whose time has come; returns the runs it happened to."""
        touched: set[str] = set()
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

    def add(self, run: FakeRun, script: Script) -> str:
        """Put a run into the world, its script beginning when it was started."""
        self.runs[run.row.run_id] = run
        self.play(run, script, run.row.started_at or self.now())
        return run.row.run_id

    def take(self, run: FakeRun) -> None:
        """Put a run into the world to which nothing more will happen."""
        self.runs[run.row.run_id] = run
        next(self._made)

    def play(self, run: FakeRun, script: Script, begin: datetime) -> None:
        """Let a script happen to a run: what of it is past has happened, the rest will."""
        row, now = run.row, self.now()
        for offset, happening in play(self.workflows[row.workflow_id].definitions[row.version], script):
            due = begin + timedelta(seconds=offset)
            if due <= now:
                happening(run, due)
            else:
                self.at(due, _happen(run, happening, due), row.run_id)

    def receive_event(
        self, name: str, payload: Json, key: str | None, event_id: str | None, schema_ref: str | None
    ) -> EventReceipt:
        """Take an event, once by its id; nothing in the world waits for it. Raises ``Conflict`` (EVENT_ID_REUSED)."""
        chosen = event_id or self.fresh_id(self.now())
        keys = () if key is None else (key,)
        known = self.events.get(chosen)
        if known is not None:
            before = known.row
            if (before.name, before.key, before.schema_ref, known.payload) != (
                name,
                key,
                schema_ref,
                Document(payload),
            ):
                raise Conflict(
                    "EVENT_ID_REUSED",
                    f"The event id {chosen!r} belongs to another event.",
                    "Use a new id for a new event.",
                )
            return EventReceipt(chosen, False, keys)
        row = Event(chosen, name, key, keys, self.now(), None, "received", None, None, schema_ref)
        self.events[chosen] = EventDetail(row, Document(payload), ())
        return EventReceipt(chosen, True, keys)

    def task_closed(self, row: Task, status: str, value: Json) -> None:
        """A task was answered or canceled: its run goes on, and is over."""
        run = self.runs.get(row.run_id)
        if run is not None and not run.row.status.ended:
            run.log(self.now(), LogLevel.INFO, f"task {status}", row.path, {"response": value})
            run.finish(self.now(), RunStatus.SUCCEEDED if status == "completed" else RunStatus.FAILED)

    def resume_from_quota(self, run: FakeRun) -> None:
        """A run that waited for quota goes on."""
        run.change(self.now(), status=RunStatus.RUNNING, wait=None)

    def schedule_of(self, workflow_id: str) -> Schedule | None:
        """The schedule of a workflow; None when it is not started by time."""
        found = (detail.row for detail in self.schedules.values() if detail.row.workflow_id == workflow_id)
        return next(found, None)

    def change_schedule(self, workflow_id: str, **changes: object) -> None:
        """Set fields of a workflow's schedule, if it has one."""
        for key, detail in self.schedules.items():
            if detail.row.workflow_id == workflow_id:
                self.schedules[key] = replace(detail, row=replace(detail.row, **changes))  # type: ignore[arg-type]

    def active_runs(self) -> Counter[str]:
        """Runs that are RUNNING or WAITING, by workflow id."""
        return Counter(run.row.workflow_id for run in self.runs.values() if not run.row.status.ended)

    def select(self, query: RunFilter) -> list[RunRow]:
        """Rows a query matches, in its order."""
        rows = [run.row for run in self.runs.values() if matches(run, query, self.now())]
        rows.sort(key=lambda row: list_place(row, query.order), reverse=query.order.descending)
        return rows

    def counts(self, query: RunFilter) -> RunCounts:
        """Rows by status under a query without its statuses and ``stuck``."""
        rows = self.select(replace(query, statuses=frozenset(), stuck=False))
        found = Counter(row.status for row in rows)
        by_status = {status: Count(min(found[status], COUNT_CAP), found[status] > COUNT_CAP) for status in RunStatus}
        now = self.now()
        return RunCounts(now, by_status, Count(sum(1 for row in rows if row.stuck_at(now))))

    def newest(self, condition: Callable[[RunRow], bool]) -> list[RunRow]:
        """Rows that meet a condition, the newest first. Ids of hostile worlds are such as no query can hold."""
        rows = [run.row for run in self.runs.values() if condition(run.row)]
        rows.sort(key=lambda row: list_place(row, RunOrder.STARTED_DESC), reverse=True)
        return rows


def list_place(row: RunRow, sort: RunOrder) -> tuple[str, str]:
    """What a list is ordered by: a time, and the run id where times are equal."""
    return (str(row.started_at if sort.by_start else row.updated_at), row.run_id)


def _happen(run: FakeRun, happening: Callable[[FakeRun, datetime], None], due: datetime) -> Callable[[], None]:
    def happen() -> None:
        if not run.row.status.ended:
            happening(run, due)

    return happen


def matches(run: FakeRun, query: RunFilter, now: datetime) -> bool:
    """Whether a run meets every condition of a query."""
    row = run.row
    checks = (
        not query.statuses or row.status in query.statuses,
        not query.stuck or row.stuck_at(now),
        _is_workflow(row, query.workflow),
        query.version is None or row.version == query.version,
        query.trigger is None or (row.trigger or "manual") == query.trigger,
        query.started_from is None or (row.started_at is not None and row.started_at >= query.started_from),
        query.started_before is None or (row.started_at is not None and row.started_at < query.started_before),
        not query.waiting_on or (row.wait is not None and row.wait.kind in query.waiting_on),
        query.min_attempt is None or (row.attempt or 0) >= query.min_attempt,
        query.error_code is None or row.error_code == query.error_code,
        row.run_id.startswith(query.run_id_prefix),
        query.wait_key is None
        or any(wait.key in (query.wait_key, normal_key(query.wait_key)) for wait in run.waits.values()),
        query.event_id is None or query.event_id in _events(run),
        query.replay_of is None or row.replay_of == query.replay_of,
        query.parent is None or row.parent == query.parent,
        query.root is None or run.details.root == query.root,
        query.launch is None or row.launch_state == query.launch,
        query.text.casefold() in row.workflow_name.casefold(),
    )
    return all(checks)


def _is_workflow(row: RunRow, wanted: str) -> bool:
    start = wanted.casefold()
    return row.workflow_id.casefold().startswith(start) or row.workflow_name.casefold().startswith(start)


def _events(run: FakeRun) -> set[str | None]:
    return {run.details.trigger_event_id, *(wait.matched_event_id for wait in run.waits.values())}
