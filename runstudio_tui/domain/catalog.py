"""Records about workflows, about the system, and about what an operator asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from runstudio_tui.domain.models import Document, Json, RunId


class Level(IntEnum):
    """What the viewer may do; each level includes those below it."""

    NONE = 0
    READ = 1
    OPERATE = 2
    """Start runs, submit events, complete tasks."""
    ADMIN = 3
    """Cancel, replay, resume quota pauses, redeliver."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who is looking at what."""

    actor: str
    level: Level
    tenant: str
    place: str
    """Short name of the deployment shown in the top line, ``local``."""


@dataclass(frozen=True, slots=True)
class WorkflowInfo:
    """One workflow of the catalog."""

    workflow_id: str
    name: str
    published_version: int | None
    description: str = ""
    paused: bool = False
    trigger: str | None = None
    """``event order.placed``, ``recurring 0 9 * * *`` ...; None for a manual one."""


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One immutable version of a workflow."""

    version: int
    published_at: datetime | None
    definition_hash: str


@dataclass(frozen=True, slots=True)
class Example:
    """A payload an author supplied to start from."""

    name: str
    value: Json


@dataclass(frozen=True, slots=True)
class LatestInput:
    """The redacted input of the newest run of a workflow."""

    run_id: RunId
    document: Document


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong with a payload."""

    pointer: str
    """JSON pointer of the value, empty for the whole."""
    message: str


@dataclass(frozen=True, slots=True)
class StartRequest:
    """Start a run."""

    workflow_id: str
    version: int
    payload: Json
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Started:
    """A run exists."""

    run_id: RunId
    created: bool = True
    """False when the same idempotency key had already started it."""
    pending: bool = False
    """True when Temporal could not be reached: accepted, and started as soon as it can be."""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Cancel one run."""

    run_id: RunId
    reason: str
    """At least 3 characters after trimming."""
    idempotency_key: str


class CancelResult(StrEnum):
    """How a cancel ended for one run."""

    CANCELED = "canceled"
    REQUESTED = "requested"
    """Temporal was asked; the run is still cleaning up."""
    ALREADY_ENDED = "already ended"


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer to "why is this run not moving"."""

    code: str
    """Stable: NO_POLLER, BACKLOG, TASK_FAILING, LAUNCH_PENDING, TEMPORAL_UNREACHABLE, WAITING_EVENT, ..."""
    sentence: str
    """What is the case, one sentence."""
    evidence: tuple[str, ...] = ()
    """Figures behind it, one line each."""
    advice: str = ""
    """What helps, or why nothing needs doing."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Findings about one run, the most important first."""

    run_id: RunId
    findings: tuple[Finding, ...]
    temporal_reachable: bool | None = None
    """None when Temporal was not asked."""

    @property
    def causes(self) -> tuple[Finding, ...]:
        """The findings without the mere statement that the run is stuck, unless that is all there is."""
        return tuple(finding for finding in self.findings if finding.code != "STUCK") or self.findings


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


@dataclass(frozen=True, slots=True)
class Health:
    """All parts of the system."""

    parts: tuple[HealthPart, ...]


class ChangeKind(StrEnum):
    """What a change notice is about."""

    RUN = "run"
    CATALOG = "catalog"


@dataclass(frozen=True, slots=True)
class Change:
    """Something was written. Only a hint to look again: the truth is what the next read returns."""

    kind: ChangeKind
    run_id: RunId | None = None
    """None: any run."""
