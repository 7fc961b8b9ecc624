"""What the studio may ask of the world. The contract between the screens and whatever serves them.

Rules every backend keeps (``tests/tui/contract`` checks them on all backends):

* Every answer carries ``server_now``; ages, countdowns and the stuck rule use it, never the viewer's clock.
* Bodies arrive redacted, with the pointers of what was masked.
* A refusal or a failure is a ``PortError``; anything else that escapes is a bug.
* The caller may cancel its await at any time. A control call that was cancelled either happened or did not: repeating it
  with the same idempotency key is harmless.
* Cursors are opaque text, valid for the query they came from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from runstudio_tui.domain.catalog import (
    CancelRequest,
    CancelResult,
    Change,
    Diagnosis,
    Example,
    Health,
    Issue,
    LatestInput,
    Session,
    Started,
    StartRequest,
    VersionInfo,
    WorkflowInfo,
)
from runstudio_tui.domain.models import (
    Document,
    Invocation,
    InvocationBody,
    InvocationId,
    Json,
    LogLine,
    LogQuery,
    RunCounts,
    RunId,
    RunRow,
    RunSummary,
    Step,
    StepRowId,
    Wait,
)
from runstudio_tui.domain.query import RunQuery

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """One answer."""

    value: T
    server_now: datetime


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of many."""

    rows: tuple[T, ...]
    next: str | None
    """Cursor of the rows that follow; None when these were the last."""
    server_now: datetime


@dataclass(frozen=True, slots=True)
class StepsPage:
    """Step rows written since a cursor."""

    rows: tuple[Step, ...]
    """A row may come again when it changed; the later one replaces the earlier by ``row_id``."""
    cursor: str
    """Hand it back to get what was written after this page."""
    more: bool
    """True when there is more to read right now."""
    server_now: datetime


@dataclass(frozen=True, slots=True)
class LogPage:
    """Log lines, oldest first."""

    rows: tuple[LogLine, ...]
    older: str | None
    """Cursor for the lines before these; None when there are none."""
    newer: str
    """Cursor for the lines after these, also of those not yet written."""
    server_now: datetime


class RunsPort(Protocol):
    """Reading runs."""

    async def page(self, query: RunQuery, after: str | None, limit: int) -> Page[RunRow]:
        """The rows of ``query`` in its order, after a cursor; at most ``limit`` (1..500). Raises Invalid for a bad cursor."""
        ...

    async def matching(self, query: RunQuery, run_ids: Sequence[RunId]) -> Reply[tuple[RunRow, ...]]:
        """Those of ``run_ids`` (at most 500) that match ``query`` now, in any order: refreshes rows already shown."""
        ...

    async def rows(self, run_ids: Sequence[RunId]) -> Reply[tuple[RunRow, ...]]:
        """Those of ``run_ids`` (at most 500) that exist, whatever their state: re-reads the targets of an action."""
        ...

    async def counts(self, query: RunQuery) -> Reply[RunCounts]:
        """Runs by status under ``query`` without its ``statuses`` and ``stuck`` conditions, each counted up to a cap."""
        ...

    async def summary(self, run_id: RunId) -> Reply[RunSummary]:
        """One run. Raises NotFound."""
        ...

    async def steps(self, run_id: RunId, after: str | None, limit: int) -> StepsPage:
        """Step rows in the order they were written or changed, after a cursor (None: from the start); limit 1..1000."""
        ...

    async def step_body(self, run_id: RunId, row_id: StepRowId) -> Reply[Document]:
        """Outcome and full error of one step: ``{"outcome": ..., "error": ...}``. Raises NotFound."""
        ...

    async def invocations(self, run_id: RunId, row_id: StepRowId | None) -> Reply[tuple[Invocation, ...]]:
        """Tries of one step, or of the whole run, oldest first; the newest 500."""
        ...

    async def invocation_body(self, run_id: RunId, invocation_id: InvocationId) -> Reply[InvocationBody]:
        """Input and output of one try. Raises NotFound."""
        ...

    async def waits(self, run_id: RunId) -> Reply[tuple[Wait, ...]]:
        """Waits of a run: the open ones first, then the newest; at most 500."""
        ...

    async def logs(self, run_id: RunId, query: LogQuery, cursor: str | None, older: bool, limit: int) -> LogPage:
        """Log lines before (``older``) or after ``cursor``; without a cursor the newest ``limit`` (1..500)."""
        ...

    async def payload(self, run_id: RunId) -> Reply[Document]:
        """The run's input. Raises NotFound when it was never stored."""
        ...

    async def output(self, run_id: RunId) -> Reply[Document]:
        """The run's final vars. Raises NotFound when there are none."""
        ...

    async def definition(self, workflow_id: str, version: int) -> Reply[Json]:
        """The definition as published: a JSON object with ``steps``. Immutable. Raises NotFound."""
        ...


class ControlPort(Protocol):
    """Changing something. Called by flows only, never by a screen."""

    async def start(self, request: StartRequest) -> Reply[Started]:
        """Start a run. Raises Invalid (with issues), Conflict (paused, no such version), TooLarge, RateLimited, Forbidden."""
        ...

    async def cancel(self, request: CancelRequest) -> Reply[CancelResult]:
        """Cancel a run. Raises NotFound, Forbidden, Conflict (read-only run), Unavailable (then nothing was changed)."""
        ...


class CatalogPort(Protocol):
    """Reading workflows and what is needed to start one."""

    async def workflows(self) -> Reply[tuple[WorkflowInfo, ...]]:
        """All workflows of the tenant, by name."""
        ...

    async def versions(self, workflow_id: str) -> Reply[tuple[VersionInfo, ...]]:
        """Published versions, newest first. Raises NotFound."""
        ...

    async def payload_schema(self, workflow_id: str, version: int) -> Reply[Json]:
        """JSON schema of the payload; None when any object is accepted. Raises NotFound."""
        ...

    async def examples(self, workflow_id: str, version: int) -> Reply[tuple[Example, ...]]:
        """Payloads to start from, the author's first; empty when there are none."""
        ...

    async def latest_input(self, workflow_id: str) -> Reply[LatestInput | None]:
        """Input of the newest run that has one, redacted; None when there is none."""
        ...

    async def check_payload(self, workflow_id: str, version: int, payload: Json) -> Reply[tuple[Issue, ...]]:
        """What the server would refuse in ``payload``; empty when it would be accepted."""
        ...


class SystemPort(Protocol):
    """Who we are and how the parts are."""

    async def session(self) -> Reply[Session]:
        """The viewer and what they may do."""
        ...

    async def health(self) -> Reply[Health]:
        """State of the parts. Never raises Unavailable for a part that is down: that is its answer."""
        ...

    async def diagnose(self, run_id: RunId) -> Reply[Diagnosis]:
        """Why this run is not moving. An unreachable Temporal is a finding, not an error. Raises NotFound."""
        ...


class ChangePort(Protocol):
    """Being told that something was written, to look sooner than the next poll."""

    def changes(self) -> AsyncIterator[Change]:
        """Endless notices. May raise Unavailable at any time or be silent for ever: polling goes on regardless."""
        ...


class Backend(Protocol):
    """Everything at once; what a backend factory returns."""

    @property
    def runs(self) -> RunsPort: ...

    @property
    def control(self) -> ControlPort: ...

    @property
    def catalog(self) -> CatalogPort: ...

    @property
    def system(self) -> SystemPort: ...

    @property
    def feed(self) -> ChangePort: ...

    async def open(self) -> None:
        """Connect. Raises Unavailable with what was tried; may be called again after that."""
        ...

    async def close(self) -> None:
        """Let go of every connection. Harmless when not open."""
        ...


class PortError(Exception):
    """An operation was refused or failed. ``title`` is a few words, ``detail`` a sentence with what to do."""

    retryable = False
    """True when the same call can succeed later without anything being changed."""

    def __init__(self, title: str, detail: str = "", *, code: str = "", created_run_id: RunId | None = None) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.title = title
        self.detail = detail
        self.code = code
        """Stable, upper snake case, of the operation that refused; may be empty."""
        self.created_run_id = created_run_id
        """A run row that exists although the operation failed."""


class Unavailable(PortError):
    """Postgres or Temporal cannot be reached now."""

    retryable = True


class Forbidden(PortError):
    """The viewer's level does not allow it."""


class NotFound(PortError):
    """The thing named does not exist."""


class Conflict(PortError):
    """The thing is in a state that does not allow it."""


class Invalid(PortError):
    """The input is wrong."""

    def __init__(
        self,
        title: str,
        detail: str = "",
        *,
        code: str = "",
        issues: tuple[Issue, ...] = (),
        created_run_id: RunId | None = None,
    ) -> None:
        super().__init__(title, detail, code=code, created_run_id=created_run_id)
        self.issues = issues


class TooLarge(PortError):
    """The input is larger than ``limit_bytes``."""

    def __init__(self, title: str, detail: str = "", *, code: str = "", limit_bytes: int) -> None:
        super().__init__(title, detail, code=code)
        self.limit_bytes = limit_bytes


class RateLimited(PortError):
    """Too many at once; ``retry_after`` seconds, where known."""

    retryable = True

    def __init__(self, title: str, detail: str = "", *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(title, detail, code=code)
        self.retry_after = retry_after


class Internal(PortError):
    """A bug behind the port; ``code`` is the reference to find it in the log file."""
