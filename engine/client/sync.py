"""The front door for programs that are not async: the same groups, the same names, plain calls."""

from __future__ import annotations

import atexit
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from functools import wraps
from inspect import signature
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast

from engine.client.alerts import Alerts
from engine.client.background import BackgroundLoop
from engine.client.events import Events
from engine.client.jobs import Jobs
from engine.client.members import Members
from engine.client.quota import Quota
from engine.client.redaction import Redaction
from engine.client.retention import Retention
from engine.client.runs import Runs
from engine.client.schedules import Schedules
from engine.client.system import System
from engine.client.tasks import Tasks
from engine.client.tenant import Tenant
from engine.client.workflows import Workflows
from engine.errors import EngineError
from engine.records import EventReceipt, Json, Started
from engine.store.database.callers_connection import OfThread, ThreadConnection

if TYPE_CHECKING:
    from engine.client.engine import Engine

P = ParamSpec("P")
R = TypeVar("R")
Group = TypeVar("Group")


class SyncGroup(Generic[Group]):
    """A group of methods that wait for their answers."""

    def __init__(self, group: Group, loop: BackgroundLoop) -> None:
        self._group = group
        self._loop = loop


def plain(
    method: Callable[Concatenate[Group, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[SyncGroup[Group], P], R]:
    """The method of a group, with the same arguments, as one that waits for its answer."""

    @wraps(method)
    def call(group: SyncGroup[Group], /, *args: P.args, **arguments: P.kwargs) -> R:
        return group._loop.call(lambda _: method(group._group, *args, **arguments))

    return call


def streamed(
    method: Callable[Concatenate[Group, P], AsyncIterator[R]],
) -> Callable[Concatenate[SyncGroup[Group], P], Iterator[R]]:
    """The iterating method of a group, with the same arguments, as one that waits for each thing it gives."""

    @wraps(method)
    def iterate(group: SyncGroup[Group], /, *args: P.args, **arguments: P.kwargs) -> Iterator[R]:
        told = method(group._group, *args, **arguments)
        nothing_more = object()

        async def following() -> R | object:
            return await anext(told, nothing_more)

        async def ended() -> None:
            if isinstance(told, AsyncGenerator):
                await told.aclose()

        try:
            while (one := group._loop.call(lambda _: following())) is not nothing_more:
                yield cast("R", one)
        finally:
            # Closing the engine has ended it already.
            with suppress(EngineError):
                group._loop.call(lambda _: ended())

    told_of = signature(method)
    # What it gives is no AsyncIterator.
    iterate.__signature__ = told_of.replace(  # type: ignore[attr-defined] # inspect and help() look for it
        return_annotation=str(told_of.return_annotation).removeprefix("Async")
    )
    return iterate


class SyncRuns(SyncGroup[Runs]):
    """``engine.runs``."""

    def start(
        self,
        workflow_id: str,
        payload: Json = None,
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
        keep_refused: bool | None = None,
        connection: ThreadConnection | None = None,
    ) -> Started:
        """As ``Runs.start``. The statements on ``connection`` are made in the calling thread."""
        return self._loop.call(
            lambda thread: self._group.start(
                workflow_id,
                payload,
                version=version,
                idempotency_key=idempotency_key,
                keep_refused=keep_refused,
                connection=None if connection is None else OfThread(connection, thread),
            )
        )

    get = plain(Runs.get)
    list = plain(Runs.list)
    rows = plain(Runs.rows)
    matching = plain(Runs.matching)
    counts = plain(Runs.counts)
    wait = plain(Runs.wait)
    steps = plain(Runs.steps)
    step_body = plain(Runs.step_body)
    attempts = plain(Runs.attempts)
    attempt_body = plain(Runs.attempt_body)
    waits = plain(Runs.waits)
    logs = plain(Runs.logs)
    payload = plain(Runs.payload)
    output = plain(Runs.output)
    related = plain(Runs.related)
    snapshots = plain(Runs.snapshots)
    snapshot_body = plain(Runs.snapshot_body)
    audit = plain(Runs.audit)
    why = plain(Runs.why)
    state = plain(Runs.state)
    export = streamed(Runs.export)
    export_list = streamed(Runs.export_list)
    cancel = plain(Runs.cancel)
    cancel_many = plain(Runs.cancel_many)
    delete = plain(Runs.delete)
    replay_base = plain(Runs.replay_base)
    replay = plain(Runs.replay)
    replay_many = plain(Runs.replay_many)
    preview = plain(Runs.preview)


class SyncWorkflows(SyncGroup[Workflows]):
    """``engine.workflows``."""

    list = plain(Workflows.list)
    get = plain(Workflows.get)
    callers = plain(Workflows.callers)
    versions = plain(Workflows.versions)
    definition = plain(Workflows.definition)
    payload_schema = plain(Workflows.payload_schema)
    examples = plain(Workflows.examples)
    latest_input = plain(Workflows.latest_input)
    check_payload = plain(Workflows.check_payload)
    publish = plain(Workflows.publish)
    pause = plain(Workflows.pause)
    unpause = plain(Workflows.unpause)
    limit = plain(Workflows.limit)
    export_bundle = plain(Workflows.export_bundle)
    import_bundle = plain(Workflows.import_bundle)


class SyncEvents(SyncGroup[Events]):
    """``engine.events``."""

    def submit(
        self,
        name: str,
        payload: Json = None,
        *,
        key: str | None = None,
        event_id: str | None = None,
        schema_ref: str | None = None,
        connection: ThreadConnection | None = None,
    ) -> EventReceipt:
        """As ``Events.submit``. The statements on ``connection`` are made in the calling thread."""
        return self._loop.call(
            lambda thread: self._group.submit(
                name,
                payload,
                key=key,
                event_id=event_id,
                schema_ref=schema_ref,
                connection=None if connection is None else OfThread(connection, thread),
            )
        )

    list = plain(Events.list)
    get = plain(Events.get)
    deliveries = plain(Events.deliveries)
    redeliver = plain(Events.redeliver)
    correlation_paths = plain(Events.correlation_paths)
    set_correlation_paths = plain(Events.set_correlation_paths)


class SyncTasks(SyncGroup[Tasks]):
    """``engine.tasks``."""

    list = plain(Tasks.list)
    get = plain(Tasks.get)
    claim = plain(Tasks.claim)
    release = plain(Tasks.release)
    assign = plain(Tasks.assign)
    complete = plain(Tasks.complete)
    cancel = plain(Tasks.cancel)
    form = plain(Tasks.form)
    set_form = plain(Tasks.set_form)


class SyncSchedules(SyncGroup[Schedules]):
    """``engine.schedules``."""

    list = plain(Schedules.list)
    get = plain(Schedules.get)
    fires = plain(Schedules.fires)
    next_times = plain(Schedules.next_times)
    fire = plain(Schedules.fire)
    set_payload = plain(Schedules.set_payload)


class SyncQuota(SyncGroup[Quota]):
    """``engine.quota``."""

    usage = plain(Quota.usage)
    set_limit = plain(Quota.set_limit)
    resume = plain(Quota.resume)


class SyncRedaction(SyncGroup[Redaction]):
    """``engine.redaction``."""

    rules = plain(Redaction.rules)
    marked = plain(Redaction.marked)
    set_rules = plain(Redaction.set_rules)
    test = plain(Redaction.test)


class SyncMembers(SyncGroup[Members]):
    """``engine.members``."""

    list = plain(Members.list)
    set = plain(Members.set)
    remove = plain(Members.remove)


class SyncJobs(SyncGroup[Jobs]):
    """``engine.jobs``."""

    submit = plain(Jobs.submit)
    list = plain(Jobs.list)
    get = plain(Jobs.get)
    items = plain(Jobs.items)
    files = streamed(Jobs.files)
    pause = plain(Jobs.pause)
    resume = plain(Jobs.resume)
    cancel = plain(Jobs.cancel)


class SyncRetention(SyncGroup[Retention]):
    """``engine.retention``."""

    rules = plain(Retention.rules)
    set = plain(Retention.set)
    remove = plain(Retention.remove)


class SyncTenant(SyncGroup[Tenant]):
    """``engine.tenant``."""

    delete = plain(Tenant.delete)


class SyncAlerts(SyncGroup[Alerts]):
    """``engine.alerts``."""

    list = plain(Alerts.list)
    set = plain(Alerts.set)
    remove = plain(Alerts.remove)
    test = plain(Alerts.test)
    messages = plain(Alerts.messages)


class SyncSystem(SyncGroup[System]):
    """``engine.system``."""

    session = plain(System.session)
    health = plain(System.health)
    attention = plain(System.attention)
    installation = plain(System.installation)
    bound_temporal = plain(System.bound_temporal)
    move_to_this_temporal = plain(System.move_to_this_temporal)
    reveal = plain(System.reveal)
    changes = streamed(System.changes)


class SyncEngine:
    """An ``Engine`` behind one event loop in a thread of its own. Made by ``Engine.sync()``.

    Make one per process, open it, and share it: any number of threads may call it at once. A process that was forked from the one
    that opened it has neither its thread nor its connections, so there every call is refused (ENGINE_FORKED): open an engine in
    each process, after the fork. Closing ends the calls that are under way (ENGINE_CLOSED) and the thread.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = BackgroundLoop()
        self.runs = SyncRuns(engine.runs, self._loop)
        self.workflows = SyncWorkflows(engine.workflows, self._loop)
        self.events = SyncEvents(engine.events, self._loop)
        self.tasks = SyncTasks(engine.tasks, self._loop)
        self.schedules = SyncSchedules(engine.schedules, self._loop)
        self.quota = SyncQuota(engine.quota, self._loop)
        self.redaction = SyncRedaction(engine.redaction, self._loop)
        self.members = SyncMembers(engine.members, self._loop)
        self.jobs = SyncJobs(engine.jobs, self._loop)
        self.retention = SyncRetention(engine.retention, self._loop)
        self.tenant = SyncTenant(engine.tenant, self._loop)
        self.alerts = SyncAlerts(engine.alerts, self._loop)
        self.system = SyncSystem(engine.system, self._loop)

    @property
    def database_url(self) -> str:
        """As ``Engine.database_url``."""
        return self._engine.database_url

    def open(self) -> None:
        """Start the thread and connect to Postgres. Raises as ``Engine.open``; then nothing is left running."""
        self._loop.start()
        # What a program forgets at its end is closed with it.
        atexit.register(self.close)
        try:
            self._loop.call(lambda _: self._engine.open())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of every connection and end the thread. Harmless when not open."""
        atexit.unregister(self.close)
        self._loop.stop(self._engine.close)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
