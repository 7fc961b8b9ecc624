"""The session, the health of the parts, diagnoses of runs, and change notices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from engine.records.runs import RunStatus


class Level(IntEnum):
    """What an actor may do; each level includes those below it."""

    NONE = 0
    READ = 1
    OPERATE = 2
    """Start runs, submit events, complete tasks."""
    ADMIN = 3
    """Publish, pause, cancel, replay, resume quota pauses, redeliver, reveal."""

    @property
    def word(self) -> str:
        """``read``, ``operate``, ``admin`` or ``none``."""
        return self.name.lower()

    @classmethod
    def stored(cls, word: str) -> Level:
        """The level of a stored word. For that of a later release: an object with that ``word`` which is none of the levels and
        allows nothing.
        """
        for level in cls:
            if level.word == word:
                return level
        later = int.__new__(cls, 0)
        later._name_, later._value_ = word, 0
        return later


@dataclass(frozen=True, slots=True)
class Session:
    """The actor, its level, its tenant, and the host of the database."""

    actor: str
    level: Level
    tenant: str
    place: str
    """The database's host; ``local`` for this machine."""
    server_now: datetime
    """Postgres's clock when it was read."""


class PartState(StrEnum):
    """State of one part of the system."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HealthPart:
    """One part of the system: postgres, temporal, workers, ..."""

    name: str
    state: PartState
    detail: str = ""
    """Figures, or what is wrong."""
    advice: str = ""
    """What helps, when something is wrong."""


@dataclass(frozen=True, slots=True)
class Health:
    """All parts of the system."""

    parts: tuple[HealthPart, ...]
    server_now: datetime | None
    """Postgres's clock; None when Postgres cannot be asked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer to "why is this run not moving"."""

    code: str
    """Stable: NO_POLLER, BACKLOG, TASK_FAILING, WORKFLOW_TASK_TIMING_OUT, LAUNCH_PENDING, WAITING_EVENT, ..."""
    sentence: str
    """What is the case, one sentence."""
    evidence: tuple[str, ...] = ()
    """Figures behind it, one line each."""
    advice: str = ""
    """What helps, or why nothing needs doing."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Findings about one run, the most important first."""

    run_id: str
    status: RunStatus
    findings: tuple[Finding, ...]
    """Never empty."""
    temporal_reachable: bool | None
    """None when Temporal was not asked, because the run is over."""
    server_now: datetime

    @property
    def causes(self) -> tuple[Finding, ...]:
        """The findings without the mere statement that the run does not move, unless that is all there is."""
        return tuple(finding for finding in self.findings if finding.code not in {"STUCK", "STALLED"}) or self.findings


@dataclass(frozen=True, slots=True)
class BoundTemporal:
    """The Temporal that the database belongs to."""

    namespace: str
    namespace_id: str
    cluster_id: str | None
    """None: this Temporal does not tell it."""
    recorded_at: datetime
    recorded_by: str
    """The worker that started first, or who moved it there."""


class ChangeKind(StrEnum):
    """What a change notice is about."""

    RUN = "run"
    CATALOG = "catalog"


@dataclass(frozen=True, slots=True)
class Change:
    """Something was written. Only a hint to look again: the truth is what the next read returns."""

    kind: ChangeKind
    run_id: str | None = None
    """None: any run."""
