"""Runs, and what operations on runs return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from engine.records.stored_word import StoredWord
from engine.records.values import ErrorInfo, Json

if TYPE_CHECKING:
    from engine.errors import EngineError
    from engine.records.filters import RunFilter

STUCK_AFTER: Final = timedelta(seconds=60)
"""How long a run may be RUNNING without a step before it counts as stuck."""


class RunStatus(StoredWord):
    """Stored status of a run."""

    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def ended(self) -> bool:
        """True once the run can change no more."""
        return self in ENDED


ENDED: Final = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELED})


class WaitKind(StoredWord):
    """What a run or step waits for. TIMEOUT exists in history from before the cutover only."""

    EVENT = "event"
    TIME = "time"
    HUMAN = "human"
    QUOTA = "quota"
    RETRY = "retry"
    CHILD = "child"
    TIMEOUT = "timeout"


_TIMED: Final = frozenset({WaitKind.EVENT, WaitKind.TIME, WaitKind.RETRY})
"""What ends by itself at its time."""


@dataclass(frozen=True, slots=True)
class OpenWait:
    """What a waiting run waits for."""

    kind: WaitKind
    since: datetime | None
    event_name: str | None = None
    key: str | None = None
    until: datetime | None = None
    """Deadline of an event wait, due time of a time wait or retry, end of the period of a quota pause."""
    who: str | None = None
    """Title of a human task; run id of a child."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as a list shows it."""

    run_id: str
    workflow_id: str
    workflow_name: str
    version: int
    status: RunStatus
    started_at: datetime
    updated_at: datetime
    completed_at: datetime | None = None
    engine: str | None = "temporal"
    """``temporal``; anything else is from before the cutover, and read-only."""
    trigger: str | None = None
    """``event``, ``schedule``, ``recurring`` or ``child``; None for a start by hand."""
    trigger_event: str | None = None
    node_path: str | None = None
    """Step it is at; of a failed run, the one that failed it."""
    step: str | None = None
    """The author's id of that step."""
    iteration: str = ""
    """Loop indexes of that step from the outside in, ``0.3``; empty outside loops."""
    step_count: int = 0
    attempt: int | None = None
    """Attempt of the current step; None before the first step."""
    step_due_at: datetime | None = None
    """When the action of the current step must have ended; None where it has none, or waits."""
    wait: OpenWait | None = None
    error_code: str | None = None
    error_message: str | None = None
    """Why it failed, or while its launch is pending why Temporal has not been told. At most 500 characters."""
    replay_of: str | None = None
    parent: str | None = None
    launch_state: str = "started"
    """``pending`` (row written, Temporal not yet told), ``queued`` (it waits for its turn), ``started`` or ``failed``."""
    cancel_requested_at: datetime | None = None

    @property
    def read_only(self) -> bool:
        """True for a run from before the cutover: it can be shown, replayed and exported, never written."""
        return self.engine != "temporal"

    @property
    def waits_for_quota(self) -> bool:
        """True while the run may start no step until there is quota again."""
        return self.wait is not None and self.wait.kind is WaitKind.QUOTA

    def stuck_at(self, now: datetime) -> bool:
        """RUNNING, not queued, no step, and started more than ``STUCK_AFTER`` before ``now`` (the server's clock)."""
        begun = self.status is RunStatus.RUNNING and self.launch_state != "queued"
        waiting_for_a_step = begun and self.step_count == 0 and not self.read_only
        return waiting_for_a_step and now - self.started_at > STUCK_AFTER

    def stalled_at(self, now: datetime) -> bool:
        """Past its first step, and more than ``STUCK_AFTER`` later than it should have moved on: its action must have ended, what
        it waits for was due, or it is between two steps. By the server's clock, as ``stuck_at``."""
        due = self._moves_on_by
        return due is not None and now - due > STUCK_AFTER

    @property
    def _moves_on_by(self) -> datetime | None:
        """When something should happen at the latest; None where nobody can know."""
        if self.read_only or self.step_count == 0:
            return None
        if self.status is RunStatus.RUNNING:
            return max(self.updated_at, self.step_due_at or self.updated_at)
        timed = self.status is RunStatus.WAITING and self.wait is not None and self.wait.kind in _TIMED
        return self.wait.until if timed and self.wait is not None else None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run as its own screen shows it, without bodies."""

    row: RunRow
    tenant: str
    server_now: datetime
    """Postgres's clock when it was read."""
    root: str | None = None
    replayed_by: tuple[str, ...] = ()
    """Newest first, at most 20."""
    children: tuple[str, ...] = ()
    """Newest first, at most 20."""
    temporal_workflow_id: str | None = None
    temporal_run_id: str | None = None
    definition_hash: str | None = None
    semantics_version: str | None = None
    trigger_event_id: str | None = None
    trigger_metadata: Json = None
    payload_schema_ref: str | None = None
    error: ErrorInfo | None = None
    has_input: bool = False
    has_output: bool = False
    has_snapshots: bool = False
    launch_attempts: int = 0
    launch_error: str | None = None
    bodies_deleted_at: datetime | None = None
    """Since when its inputs and outputs are no longer kept."""

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.row.run_id

    @property
    def status(self) -> RunStatus:
        """The run's status."""
        return self.row.status


@dataclass(frozen=True, slots=True)
class RelatedRuns:
    """Where a run belongs."""

    parent: RunRow | None
    root: RunRow | None
    replay_of: RunRow | None
    replays: tuple[RunRow, ...]
    """Newest first, at most 100."""
    children: tuple[RunRow, ...]
    """Newest first, at most 100."""


@dataclass(frozen=True, slots=True)
class Count:
    """A number of rows, counted up to a cap."""

    value: int
    capped: bool = False
    """True when there are at least ``value`` rows."""


@dataclass(frozen=True, slots=True)
class RunCounts:
    """Runs of a filter by status, its own status condition left out."""

    server_now: datetime
    """Postgres's clock when it was read."""
    by_status: Mapping[RunStatus, Count] = field(default_factory=dict)
    """All five statuses."""
    stuck: Count = Count(0)

    def of(self, status: RunStatus) -> Count:
        """The count of one status; zero where there is none."""
        return self.by_status.get(status, Count(0))

    def matching(self, wanted: RunFilter) -> Count:
        """Runs of the filter these counts were made for, its ``statuses`` and ``stuck`` taken into account."""
        if wanted.stuck:
            return self.stuck
        counts = [self.of(status) for status in wanted.statuses or RunStatus]
        return Count(sum(count.value for count in counts), any(count.capped for count in counts))


@dataclass(frozen=True, slots=True)
class Started:
    """The run that answers a request to start one."""

    run_id: str
    version: int
    created: bool = True
    """False: the same key had started it before."""
    pending: bool = False
    """True: accepted, and handed to Temporal as soon as that is possible."""
    message: str = ""
    """Why it is pending, one sentence."""


@dataclass(frozen=True, slots=True)
class Canceled:
    """What became of one target of a cancel."""

    run_id: str
    outcome: Literal["canceled", "requested", "ended", "refused"]
    """``requested``: Temporal was asked, the run is still cleaning up. ``ended``: it finished otherwise just before."""
    status: RunStatus | None = None
    """The run's status now; None when it was refused."""
    error: EngineError | None = None
    """Why it was refused."""
