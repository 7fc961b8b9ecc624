"""The health of the parts of the system, asked now: for the studio's System line and for ``runstudio doctor``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError

from engine import advice
from engine.contract import TASK_QUEUE
from engine.errors import EngineError, Unavailable
from engine.operations.context import OperationContext
from engine.operations.duties import duty_parts
from engine.records import HealthPart, Level, PartState, Schedule
from engine.store.alerts.outbox import given_up
from engine.store.database.engine import is_read_only
from engine.store.database.question import ask
from engine.store.database.reader import open_reader
from engine.store.database.schema_version import head_revision, require_current_schema
from engine.store.database.transactions import goes_through_a_pooler, writing
from engine.store.events.reading import FAILED_CAP, Failed, count_failed
from engine.store.jobs.jobs import troubled_jobs
from engine.store.runs.reconciling import Gaps, count_gaps
from engine.store.schedules.reading import troubled_schedules
from engine.store.tenant.disagreements import Disagreement, disagreements
from engine.store.tenant.workers import SeenWorker, load_workers
from engine.temporal.connection import RPC_TIMEOUT, WrongTemporal, unavailable
from engine.wording import counted

_SCHEDULES_COUNTED: Final = 100
_ENDS_COUNTED: Final = 200
"""Of disagreements, jobs and messages each."""
_ENDED_WITHIN: Final = timedelta(days=1)
NO_DIRECT_URL: Final = "set RUNSTUDIO_DIRECT_DATABASE_URL to hear of them at once, and to migrate"


async def system_health(context: OperationContext, *, listens_directly: bool = False) -> tuple[HealthPart, ...]:
    """The parts, what is left undone of runs, events, schedules, jobs and alerts, and duties. Never raises for what is down.

    ``listens_directly``: there is a URL of its own for what needs a session.
    """
    postgres, temporal = await asyncio.gather(_postgres(context, listens_directly), _temporal(context))
    if postgres.state is PartState.DOWN:
        schema = HealthPart("schema", PartState.UNKNOWN, "Postgres cannot be asked.")
        return (postgres, schema, temporal, *_unknown("Postgres cannot be asked."))
    schema = await _schema(context)
    if schema.state is not PartState.OK:
        return (postgres, schema, temporal, *_unknown("The schema is not this program's."))
    return (postgres, schema, temporal, *await _rows(context))


async def _postgres(context: OperationContext, listens_directly: bool) -> HealthPart:
    begun = time.monotonic()
    try:
        # Asked for this: what the actor may do can be known from before.
        async with open_reader(context.store, context.tenant) as reader:
            pooled = await goes_through_a_pooler(reader.connection)
            level = await context.level()
        async with writing(context.store) as connection:
            read_only = await is_read_only(connection)
    except Unavailable as error:
        return HealthPart("postgres", PartState.DOWN, error.message, error.hint)
    if read_only:
        return HealthPart(
            "postgres",
            PartState.DEGRADED,
            "it answers, but takes no writes: nothing is started, and no run goes on",
            "It is a standby, or default_transaction_read_only is on: connect to the primary, or turn that off.",
        )
    told = f"answered in {_ms(begun)}{' through a pooler' if pooled else ''}; level {level.word}"
    if pooled and not listens_directly:
        told += f"; changes are polled for: {NO_DIRECT_URL}"
    return HealthPart("postgres", PartState.OK, told)


async def _schema(context: OperationContext) -> HealthPart:
    try:
        await require_current_schema(context.store)
    except EngineError as error:
        return HealthPart("schema", PartState.DOWN, error.message, error.hint)
    return HealthPart("schema", PartState.OK, f"revision {head_revision()}")


async def _temporal(context: OperationContext) -> HealthPart:
    begun = time.monotonic()
    try:
        client = await context.temporal.any_client()
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace), timeout=RPC_TIMEOUT
        )
        await _require_ours(context)
    except RPCError as error:
        refusal = unavailable(error, "describe the namespace")
        return HealthPart("temporal", PartState.DOWN, refusal.message, refusal.hint)
    except EngineError as error:
        return HealthPart("temporal", PartState.DOWN, error.message, error.hint)
    return HealthPart("temporal", PartState.OK, f"namespace {client.namespace} answered in {_ms(begun)}")


async def _require_ours(context: OperationContext) -> None:
    """Raises ``WrongTemporal``. A Postgres that cannot tell which one is right is told of otherwise."""
    try:
        await context.temporal.confirm()
    except WrongTemporal:
        raise
    except EngineError:
        return


_OF_TENANT: Final = ("runs", "stores", "events", "schedules", "jobs", "messages")
_ROWS: Final = ("workers", *_OF_TENANT)


def _unknown(why: str) -> tuple[HealthPart, ...]:
    return tuple(HealthPart(name, PartState.UNKNOWN, why) for name in _ROWS)


async def _rows(context: OperationContext) -> tuple[HealthPart, ...]:
    try:
        async with writing(context.store) as connection:
            seen = await load_workers(connection)
            duties = await duty_parts(connection)
        of_tenant = await _of_tenant(context)
    except Unavailable as error:
        return _unknown(error.message)
    return (_workers(seen), *of_tenant, *duties)


async def _of_tenant(context: OperationContext) -> tuple[HealthPart, ...]:
    """What is left undone in the tenant: for whoever may read in it."""
    if await context.level() < Level.READ:
        return tuple(HealthPart(name, PartState.UNKNOWN, "This needs the level read.") for name in _OF_TENANT)
    async with writing(context.store) as connection:
        gaps = await count_gaps(connection)
        dead = await count_failed(connection, context.tenant)
        disagreed = await disagreements(connection, context.tenant, _ENDED_WITHIN, _ENDS_COUNTED)
    troubled = await troubled_schedules(context.store, context.tenant, _SCHEDULES_COUNTED)
    of_tenant = context.tenant, _ENDED_WITHIN, _ENDS_COUNTED
    _, [jobs, messages] = await ask(context.store, context.tenant, troubled_jobs(*of_tenant), given_up(*of_tenant))
    return (
        *(_runs(gaps), _stores(disagreed), _events(dead), _schedules(troubled)),
        *(_jobs(len(jobs)), _messages(len(messages))),
    )


def _stores(found: Sequence[Disagreement]) -> HealthPart:
    if not found:
        return HealthPart("stores", PartState.OK, "Postgres and Temporal agree about all runs that were compared")
    told = f"Postgres and Temporal disagreed about {_at_least(len(found), 'run')} within a day"
    return HealthPart(
        "stores",
        PartState.DEGRADED,
        told,
        "Was one of them restored? Attention and the log of each run say what was done; see what it had done, and replay it.",
    )


def _events(failed: Failed) -> HealthPart:
    dead = failed.deliveries
    if not dead:
        return HealthPart("events", PartState.OK, "no delivery was given up")
    told = f"{dead}{' or more' if dead >= FAILED_CAP else ''} {'delivery was' if dead == 1 else 'deliveries were'} given up"
    if failed.unrouted:
        told += f"; of these {counted(failed.unrouted, 'event')} that could not be routed"
    helps = f"{advice.DEAD.to('See why')} {advice.REDELIVER.to('Deliver them again')}"
    return HealthPart("events", PartState.DEGRADED, told, helps)


def _schedules(troubled: Sequence[Schedule]) -> HealthPart:
    if not troubled:
        return HealthPart("schedules", PartState.OK, "none is failed or overdue")
    more = " or more" if len(troubled) >= _SCHEDULES_COUNTED else ""
    first = troubled[0]
    state = "overdue" if first.overdue else first.last_outcome or first.status
    why = f": {first.last_error}" if first.last_error else ""
    told = f"{counted(len(troubled), 'schedule')}{more} in trouble; {first.workflow_id} is {state}{why}"
    return HealthPart("schedules", PartState.DEGRADED, told, advice.SCHEDULES.to("See each"))


def _jobs(troubled: int) -> HealthPart:
    if not troubled:
        return HealthPart("jobs", PartState.OK, "none is in trouble")
    told = f"{_at_least(troubled, 'job')} within a day did not get on, or had targets that failed"
    return HealthPart("jobs", PartState.DEGRADED, told, advice.JOBS.to("See each"))


def _messages(given_up: int) -> HealthPart:
    if not given_up:
        return HealthPart("messages", PartState.OK, "no message of an alert was given up")
    told = f"{_at_least(given_up, 'message')} of alerts within a day could not be sent"
    return HealthPart("messages", PartState.DEGRADED, told, advice.MESSAGES.to("See why"))


def _at_least(found: int, thing: str) -> str:
    return f"{counted(found, thing)}{' or more' if found >= _ENDS_COUNTED else ''}"


def _workers(seen: Sequence[SeenWorker]) -> HealthPart:
    alive = [worker for worker in seen if worker.alive]
    failing, starting = _parts_in("failing", alive), _parts_in("starting", alive)
    if not alive:
        last = f"; last seen {seen[0].identity}" if seen else ""
        return HealthPart("workers", PartState.DOWN, f"none alive on {TASK_QUEUE}{last}", advice.WORKER.to("Start one"))
    if failing:
        return HealthPart(
            "workers", PartState.DEGRADED, f"{len(alive)} alive; failing: {', '.join(failing)}", "Read their logs."
        )
    if all(_parts_in("starting", [worker]) for worker in alive):
        return HealthPart(
            "workers",
            PartState.DEGRADED,
            f"{len(alive)} alive; starting: {', '.join(starting)}",
            "Wait: a part that does not start in its time is failing then.",
        )
    return HealthPart("workers", PartState.OK, f"{len(alive)} alive on {TASK_QUEUE}{_caches(alive)}")


def _runs(gaps: Gaps) -> HealthPart:
    gaps_told = (
        f"{counted(gaps.pending_launches, 'launch', 'launches')} pending; open in ended runs: "
        f"{counted(gaps.leftover_waits, 'wait')}, {counted(gaps.leftover_tasks, 'task')},"
        f" {counted(gaps.leftover_attempts, 'attempt')}"
    )
    clean = not (gaps.pending_launches or gaps.leftover_waits or gaps.leftover_tasks or gaps.leftover_attempts)
    return HealthPart(
        "runs",
        PartState.OK if clean else PartState.DEGRADED,
        gaps_told,
        "" if clean else "A running worker closes these gaps.",
    )


def _parts_in(state: str, workers: list[SeenWorker]) -> list[str]:
    """Names of the parts that are in this state in one of the workers, sorted."""
    return sorted({name for worker in workers for name, part in worker.parts.items() if part.get("state") == state})


def _caches(workers: list[SeenWorker]) -> str:
    """How many runs they keep in how much memory; nothing of workers of a release that does not tell."""
    told = [worker.parts.get("temporal", {}).get("cache") for worker in workers]
    caches = [cache for cache in told if cache]
    if not caches:
        return ""
    runs, megabytes = (sum(int(cache[name]) for cache in caches) for name in ("runs", "megabytes"))
    return f"; up to {counted(runs, 'run')} in {megabytes:,} MB of memory"


def _ms(begun: float) -> str:
    return f"{(time.monotonic() - begun) * 1000:.0f} ms"
