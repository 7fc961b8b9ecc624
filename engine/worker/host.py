"""A worker process: its parts, started together, supervised, and stopped in order.

Nothing can be turned off: each part runs in every worker, and those that must not run twice take turns by leases.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import structlog

from engine import __version__
from engine.actions.builtin.catalog import network_of
from engine.actions.registry import load_actions
from engine.activities.dependencies import ActivityDependencies
from engine.activities.memory_ceiling import MemoryCeiling
from engine.activities.rewriting import Rewriting
from engine.contract import TASK_QUEUE
from engine.errors import Conflict, Unavailable
from engine.ids import new_id
from engine.operations.actor import Actor
from engine.operations.alerts.sending import Sender
from engine.operations.context import OperationContext
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.store.database.schema_version import require_current_schema
from engine.store.database.transactions import Store
from engine.store.tenant.duties import DutyRecord
from engine.store.tenant.workers import WorkerProcess
from engine.temporal.client import connect_config, connect_temporal
from engine.temporal.connection import TemporalConnection, WrongTemporal
from engine.temporal.installation import remembered_installation
from engine.values.timestamps import iso_milliseconds
from engine.worker import alerts, job_loop, quota_scan, retention, sweep
from engine.worker.alerts import Alerts
from engine.worker.event_stream import EventStream
from engine.worker.health import METRICS_TYPE, Answer, HealthServer, json_answer
from engine.worker.heartbeat import Heartbeat
from engine.worker.job_loop import JobLoop
from engine.worker.launches import Launches
from engine.worker.leftovers import ignored_variables
from engine.worker.log_lines import describe_failure, log_as_json
from engine.worker.metrics import SdkRuntime, exposition, sdk_runtime
from engine.worker.parts import Part, PartReport, Parts
from engine.worker.polling import Polling
from engine.worker.quota_scan import QuotaScan
from engine.worker.reconcile import Reconciler
from engine.worker.retention import Retention
from engine.worker.run_cache import RunCache
from engine.worker.sweep import Sweep
from engine.worker.temporal_worker import GRACE

_LOG: Final = structlog.get_logger("runstudio.worker")

STOP_SECONDS: Final = GRACE.total_seconds() + 3.0
"""How long the parts get to stop; a little more than the actions that are under way."""
GOODBYE_SECONDS: Final = 3.0
DATABASE_CONNECTIONS: Final = 30
TEMPORAL_PAUSE_SECONDS: Final = 1.0
CUT_OFF: Final = 1
"""Exit code when something was still under way: after a second signal, or when the grace was over."""


class WorkerHost:
    """One worker process, without its signals."""

    def __init__(self, settings: Settings, action_modules: Sequence[str] = (), *, sandboxed: bool = False) -> None:
        """Loads the actions. Raises ``Invalid`` for a module or a setting that cannot be used; nothing is started yet."""
        self.started_at = datetime.now(UTC)
        host, suffix = socket.gethostname(), new_id()[-6:]
        # A restarted container has the host name and process id of the one before it.
        actions = load_actions(action_modules, settings)
        self.process = WorkerProcess(
            f"{os.getpid()}@{host}-{suffix}",
            host,
            os.getpid(),
            __version__,
            TASK_QUEUE,
            tuple(f"{action.id}@{action.version}" for action in actions),
        )
        connect_config(settings)
        self._sdk = sdk_runtime()
        self._store = create_store_engine(
            settings.required_database_url(), pool_size=DATABASE_CONNECTIONS, application_name="runstudio worker"
        )
        self._temporal = _connection(settings, self.process.identity, self._sdk, self._store)
        dependencies = ActivityDependencies(
            self._store,
            actions,
            actions.secrets(settings),
            self.process.identity,
            memory=MemoryCeiling(settings.memory_megabytes),
        )
        self._parts = Parts(
            worker_parts(
                self._store,
                self._temporal,
                dependencies,
                self.process,
                listen_url=settings.session_database_url,
                sandboxed=sandboxed,
                cache=RunCache(settings.cache_megabytes),
                sender=Sender(network_of(settings), actions.secrets(settings), settings.alert_commands_dir),
            )
        )
        self._beats = Heartbeat(self._store, self.process, self._parts.to_json)
        self._heartbeat = Parts((Part("heartbeat", self._beats.run, fresh_seconds=30.0),))
        self._before_parts: tuple[PartReport, ...] = ()
        """What the start still waits for, so that the health server says why no part has begun."""
        self._waiting: asyncio.Task[None] | None = None
        self.refusal: WrongTemporal | None = None
        """Why the worker stopped by itself: a Temporal that answered late was another one."""
        self.health = HealthServer(
            settings.health_host,
            settings.health_port,
            {
                "/livez": self._live,
                "/readyz": self._ready,
                "/health": self._health,
                "/metrics": self._metrics,
            },
        )

    @property
    def ready(self) -> bool:
        """Whether every part works."""
        return self._parts.ready and self._heartbeat.ready

    async def start(self, stop: asyncio.Event) -> None:
        """Listen first, then wait for Postgres if need be, check it and Temporal, and start every part.

        A Temporal that is away is waited for in the background, and the parts start when it answers; see ``refusal``. Returns
        early when ``stop`` is set. Raises ``SchemaOutdated``, ``WrongTemporal`` (INSTALLATION_OTHER,
        INSTALLATION_UNPROVEN, DATABASE_COPIED), and ``Conflict`` (HEALTH_ADDRESS_TAKEN).
        """
        try:
            await self.health.start()
        except OSError as error:
            raise Conflict(
                "HEALTH_ADDRESS_TAKEN",
                f"The health server cannot listen: {error.strerror or error}.",
                "Choose another RUNSTUDIO_HEALTH_HOST or RUNSTUDIO_HEALTH_PORT; port 0 is any free one.",
            ) from error
        _LOG.info("health server listens", port=self.health.port)
        await self._schema(stop)
        if not stop.is_set() and not await self._temporal_is_ours():
            self._waiting = asyncio.create_task(self._wait_for_temporal(stop))

    def _start_parts(self) -> None:
        self._before_parts = ()
        self._parts.start()
        self._heartbeat.start()
        _LOG.info("worker started", identity=self.process.identity, build=self.process.build, queue=TASK_QUEUE)

    async def stop(self) -> list[str]:
        """Stop polling, let what is under way end, say goodbye. Takes at most ``STOP_SECONDS`` and a little.

        The parts that were not done by then.
        """
        if self._waiting is not None:
            self._waiting.cancel()
        late = await self._parts.stop(STOP_SECONDS)
        late += await self._heartbeat.stop(GOODBYE_SECONDS)
        await self.health.close()
        await self._store.dispose()
        await self._temporal.close()
        _LOG.info("worker stopped", identity=self.process.identity, late=late)
        return late

    async def _schema(self, stop: asyncio.Event) -> None:
        waiting = PartReport("postgres", 0.0, stop)
        self._before_parts = (waiting,)
        while not stop.is_set():
            try:
                await require_current_schema(self._store)
            except Unavailable as error:
                waiting.failed(error.message)
                await waiting.pause(1.0)
            else:
                self._before_parts = ()
                return

    async def _temporal_is_ours(self) -> bool:
        """Start the parts if it is; False: it does not tell yet. Nothing is written before, as it may be another one."""
        try:
            await self._temporal.client()
        except WrongTemporal:
            raise
        except Unavailable as error:
            if not self._before_parts:
                self._before_parts = (PartReport("temporal", 0.0, asyncio.Event()),)
            self._before_parts[0].failed(error.message)
            return False
        self._start_parts()
        return True

    async def _wait_for_temporal(self, stop: asyncio.Event) -> None:
        ours = False
        while not ours:
            await asyncio.sleep(TEMPORAL_PAUSE_SECONDS)
            try:
                ours = await self._temporal_is_ours()
            except WrongTemporal as error:
                self.refusal = error
                stop.set()
                return
            except Exception as error:  # noqa: BLE001 - nobody else would begin the parts, nor be told why none has begun
                _LOG.error("Temporal cannot be asked", **describe_failure(error))
                self._before_parts[0].failed(f"Asking Temporal broke with {type(error).__name__}; the log says where.")

    @property
    def _reports(self) -> tuple[PartReport, ...]:
        waiting = {report.name for report in self._before_parts}
        parts = (report for report in self._parts.reports if report.name not in waiting)
        return (*self._before_parts, *parts, *self._heartbeat.reports)

    async def _live(self) -> Answer:
        return json_answer({"live": True}, well=True)

    async def _ready(self) -> Answer:
        not_ready = [report.name for report in self._reports if not report.ready]
        duties = {record.name: _duty_json(record) for record in self._beats.duties}
        return json_answer({"ready": self.ready, "notReady": not_ready, "duties": duties}, well=self.ready)

    async def _health(self) -> Answer:
        started = iso_milliseconds(self.started_at)
        value = {
            "ready": self.ready,
            "startedAt": started,
            "identity": self.process.identity,
            "build": self.process.build,
            "workers": {report.name: report.to_json() for report in self._reports},
        }
        return json_answer(value, well=self.ready)

    async def _metrics(self) -> Answer:
        return Answer(HTTPStatus.OK, await exposition(self._parts, self._sdk.metrics_port), METRICS_TYPE)


def _duty_json(record: DutyRecord) -> dict[str, Any]:
    done_at = record.done_at and iso_milliseconds(record.done_at)
    return {"lastDone": done_at, "doneBy": record.done_by, "overdue": record.overdue}


def worker_parts(
    store: Store,
    temporal: TemporalConnection,
    dependencies: ActivityDependencies,
    process: WorkerProcess,
    *,
    listen_url: str,
    sandboxed: bool,
    cache: RunCache,
    sender: Sender,
) -> tuple[Part, ...]:
    """Everything a worker process does, besides saying that it lives."""
    context = OperationContext(store, temporal, Actor(process.identity, process.host, "reconciler", "service"))
    return (
        Part("temporal", Polling(temporal, dependencies, sandboxed=sandboxed, cache=cache).run, fresh_seconds=20.0),
        Part("eventStream", EventStream(context, listen_url).run, fresh_seconds=20.0),
        Part("launches", Launches(context, listen_url).run, fresh_seconds=20.0),
        Part("dataStoreSweep", Sweep(store, process.identity).run, fresh_seconds=sweep.FRESH_SECONDS),
        Part("quotaScan", QuotaScan(context).run, fresh_seconds=quota_scan.FRESH_SECONDS),
        Part("reconciler", Reconciler(context, Rewriting(dependencies)).run, fresh_seconds=90.0),
        Part("jobs", JobLoop(context).run, fresh_seconds=job_loop.FRESH_SECONDS),
        Part("alerts", Alerts(context, sender).run, fresh_seconds=alerts.FRESH_SECONDS),
        Part("retention", Retention(context).run, fresh_seconds=retention.FRESH_SECONDS),
    )


async def run_worker(settings: Settings, action_modules: Sequence[str] = ()) -> int:
    """Run a worker until SIGTERM or SIGINT, drain it, and return the exit code 0. A second signal ends the process at once.

    Raises ``EngineError`` when it cannot start: SCHEMA_OLD, DATABASE_URL_MISSING, ACTION_MODULE_UNAVAILABLE,
    TEMPORAL_ADDRESS_MISSING, HEALTH_ADDRESS_TAKEN, INSTALLATION_OTHER, INSTALLATION_UNPROVEN, DATABASE_COPIED.
    An unreachable Postgres or Temporal is waited for.
    """
    log_as_json(settings.log_level)
    for name in ignored_variables():
        _LOG.warning("variable is ignored: nothing selects an engine or a queue", variable=name)
    stop = asyncio.Event()
    # Until then a signal ends the process: a module that hangs when it is imported would let no handler run.
    host = WorkerHost(settings, action_modules)
    _stop_on_signals(stop)
    try:
        await host.start(stop)
        await stop.wait()
        if host.refusal is not None:
            raise host.refusal
    finally:
        late = await host.stop()
    if late:
        # A thread in which an action is stuck would keep the process alive for ever.
        os._exit(CUT_OFF)
    return 0


def _stop_on_signals(stop: asyncio.Event) -> None:
    def received(name: str) -> None:
        if stop.is_set():
            _LOG.warning("second signal, ending at once", signal=name)
            os._exit(CUT_OFF)
        _LOG.info("draining", signal=name, seconds=GRACE.total_seconds())
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number.name)


def _connection(settings: Settings, identity: str, sdk: SdkRuntime, store: Store) -> TemporalConnection:
    return TemporalConnection(
        lambda: connect_temporal(settings, identity=identity, runtime=sdk.runtime),
        check=remembered_installation(store, identity),
    )
