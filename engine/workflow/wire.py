"""The wire format between the workflow and its activities: the names of the activities, what each is given and what it answers.

Both sides import this module and ``encoding``, and nothing of each other. Histories outlive deployments: a field is only ever
added, as one that may be absent.
"""

from __future__ import annotations

from typing import Any, Final, NotRequired, TypedDict, final

LOAD_RUN: Final = "load_run"
ACTION_NOT_HERE: Final = "ACTION_NOT_REGISTERED"
"""What the failure of an attempt begins with whose worker lacks the action: another worker is asked, with back-off."""
STEPS_NOT_HERE: Final = "STEP_TYPE_UNKNOWN"
"""What the failure of an activity begins with whose worker is of a release that does not know all steps of the run."""
RUN_STEP: Final = "run_step"
RUN_CHAIN: Final = "run_chain"
OPEN_WAIT: Final = "open_wait"
LOOK_BACK: Final = "look_back"
END_WAIT: Final = "end_wait"
OPEN_CHILD: Final = "open_child"
CALL_HELD: Final = "WORKFLOW_PAUSED"
"""What the failure of ``open_child`` begins with while the called workflow is paused: it is repeated until it is not."""
RESERVE_QUOTA: Final = "reserve_quota"
FLUSH_TRACE: Final = "flush_trace"
NEXT_TASK: Final = "next_task"
FINISH_RUN: Final = "finish_run"

Wire = list[Any]
"""One record or reference as a JSON list."""


class Progress(TypedDict):
    """What every projecting activity is told. Keys are short because they are in every history."""

    run: str
    tenant: str
    trace: list[Wire]
    seq: int
    """Sequence number of the last record the run has made, in ``trace`` or before it."""
    steps: int
    """Steps started by the run so far."""


class LoadRunInput(TypedDict):
    """Which run to load; ``resumed`` when it goes on from a checkpoint and needs no payload."""

    run: str
    resumed: bool
    place: NotRequired[str | None]
    """Mark of the database that has its row."""
    to_cancel: NotRequired[bool]
    """Only to end it: a definition that this release cannot read is refused, and not left to a worker that can."""


@final
class EarlierEnd(TypedDict):
    """How the run's row was closed, which stands: by an earlier attempt of this workflow task, or from outside."""

    status: str
    error: dict[str, Any] | None
    scopes: dict[str, Any]


class LoadRunOutput(TypedDict, total=False):
    """One of ``closed`` and ``refused``, or all of the others."""

    closed: EarlierEnd
    refused: dict[str, Any]
    """Why the run can never run: category, code, message, details."""
    definition: str
    """JSON text, which keeps the order of keys."""
    hash: str
    workflow: str
    version: int
    tenant: str
    root: str | None
    child: bool
    limited: bool
    traits: dict[str, dict[str, Any]]
    published: bool
    """Only steps were published that are known; absent where that was not asked, from before this engine published."""
    payload: Any
    meta: dict[str, Any]


class RunStepInput(Progress):
    """One attempt of an action."""

    workflow: str
    workflow_version: int
    step: Wire
    attempt: int
    action: str
    version: int
    input: Any
    secrets: list[str]
    """JSON pointers of the secret markers in ``input``."""
    key: str | None
    """The author's idempotency key."""
    now: NotRequired[int]
    """The run's time, milliseconds since 1970: no fact is put on record before it. Absent from runs on Temporal's clock."""
    seconds: NotRequired[float]
    """How long the action may take, as it was published; absent from earlier runs."""


class RunStepOutput(TypedDict, total=False):
    """``ok`` or ``error``, never both; the outcome is a value, so that a business failure is no activity failure."""

    ok: Any
    error: dict[str, Any]
    at: float
    """Unix seconds, whole milliseconds: when the outcome was put on record."""
    size: int
    """Bytes of an output that goes by reference, which a replay reads."""


class RunChainInput(Progress):
    """Quick steps that follow each other, from the one that the machine has asked for."""

    workflow: str
    workflow_version: int
    hash: str
    semantics: str
    root: str | None
    machine: dict[str, Any]
    """``Machine.snapshot``, without the buffered events, which no action sees."""
    traits: dict[str, dict[str, Any]]
    child: bool
    """Whether somebody will want all final scopes: a parent."""
    tell: bool
    """Only tell what is on record; do nothing."""


class ChainOutcome(TypedDict, total=False):
    """``ok`` or ``error``, as in ``RunStepOutput``."""

    ok: Any
    error: dict[str, Any]
    at: int
    """When it was put on record, milliseconds since 1970."""


class RunChainOutput(TypedDict):
    """The outcomes of a chain, in order."""

    outcomes: list[ChainOutcome]
    seq: int
    digest: str
    """Of the machine's state after the last outcome: that of the workflow's own machine is the same, or one of them is wrong."""
    ended: bool
    """The end of the run is written."""
    long: bool
    """The chain has lasted as long as one may, or has much to tell: the workflow task should end now."""
    size: NotRequired[int]
    """Bytes that a replay works through beside those in the history: the state, and outcomes that go by reference."""


class EventSubscription(TypedDict):
    """Which events a look-back returns: in order of arrival, after ``after``, as many as the bytes allow."""

    name: str
    key: str | None
    after: int
    recent: bool
    """Those too that are not routed yet, so have no number of arrival."""
    filters: NotRequired[list[Any]]
    """Of the wait; what they refuse is not returned. Absent from earlier runs, which choose themselves."""


class TaskForm(TypedDict):
    """The human task to create."""

    id: str
    type: str
    title: str
    description: str | None
    context: Any


class OpenWaitInput(Progress):
    """A wait, and what the run row says while it lasts."""

    step: Wire
    attempt: int
    waiting_on: str
    """event, time, human or retry."""
    since: str
    """ISO-8601, the workflow's time."""
    event: EventSubscription | None
    task: TaskForm | None


class LookBackInput(TypedDict):
    """A further page of early events."""

    run: str
    event: EventSubscription


class EarlyEvents(TypedDict):
    """Early events, oldest first: ``[event_id, event_name, key, payload, received_at]``."""

    events: list[Wire]
    last: int | None
    """Arrival number of the last of them; None when there is none."""
    more: bool
    """Whether there may be more after it."""


class EndWaitInput(TypedDict):
    """How a wait has ended, as far as the run knows; what is on record already stands."""

    run: str
    step: Wire
    attempt: int
    type: str
    """event, time, human or child."""
    status: str | None
    """RESOLVED, TIMED_OUT or CANCELED. None: only tell what is on record."""
    seq: int
    """Sequence number of the record of its end."""
    event: Wire | None
    """The event that resolved it: ``[event_id, event_name, key, payload, received_at, stored]``."""


class EndWaitOutput(TypedDict, total=False):
    """How the wait has ended; empty when that is not on record."""

    status: str
    at: int
    """When that was put on record: milliseconds since 1970, on Postgres's clock."""
    event: Wire
    """The event that resolved it, where that is another than the one in the request."""


class OpenChildInput(Progress):
    """A child run to create."""

    step: Wire
    attempt: int
    since: str
    child: str
    workflow: str
    version: int
    input: dict[str, Any]


class OpenChildOutput(TypedDict, total=False):
    """Empty, or why the child may not start."""

    refused: dict[str, Any]


class ReserveQuotaInput(Progress):
    """A run wants to start ``step`` and has no unit left."""

    step: Wire
    since: str


class ReserveQuotaOutput(TypedDict):
    """``granted`` with ``units`` (None: no limit), or denied."""

    granted: bool
    units: int | None
    at: NotRequired[int | None]
    """When the wait for them ended, milliseconds since 1970; None when the run did not have to wait."""


class WaitRequest(TypedDict):
    """The call that has put a wait on record: done again, it puts it there again."""

    activity: str
    """OPEN_WAIT, OPEN_CHILD or RESERVE_QUOTA."""
    request: dict[str, Any]


class Whereabouts(TypedDict):
    """Where a run is, as it answers a query."""

    seq: int
    """Sequence number of the last record it has made."""
    canceled: bool
    """It knows that somebody has asked to cancel it."""
    waiting: WaitRequest | None
    """None: it does not wait, or its wait is not on record yet."""
    noted: int
    """The highest number of arrival up to which it has looked for events."""


class FlushTraceInput(Progress):
    """A trace that nothing else carries; ``step`` is where the run is, None to leave that as it is."""

    step: Wire | None


class FinishRunInput(Progress):
    """How the run ended."""

    status: str
    error: dict[str, Any] | None
    scopes: dict[str, Any]
    keep_scopes: bool
    """Whether somebody will want all final scopes: a parent."""
    known: NotRequired[int | None]
    """The last record the run knows of: when its rows are further, it is told so and nothing is written."""


@final
class Behind(TypedDict):
    """The rows of a run tell more than it knows."""

    reached: int
    """The last record they have."""
