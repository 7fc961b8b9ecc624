"""Starting a run of a published workflow: the row first, then Temporal, and nothing in between can be lost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from engine import advice
from engine.contract import SEMANTICS_VERSION
from engine.errors import Conflict, EngineError, Invalid, Unavailable
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.runs.admission import (
    Admission,
    Payload,
    admit,
    hash_of,
    payload_issues,
    storable_payload,
    take_slot,
)
from engine.operations.runs.launch_keys import check_keys, other_fire_key
from engine.operations.runs.run_access import run_not_found
from engine.operations.runs.starting import RETRY_SECONDS, PendingRun, StartOutcome, hand_to_temporal, launch_error
from engine.records import Level, SchemaIssue, Started
from engine.store.database.callers_connection import CallersConnection
from engine.store.database.callers_transaction import writing_in
from engine.store.database.notifications import LAUNCHES, notify
from engine.store.database.transactions import Connection, writing
from engine.store.runs import runs
from engine.store.runs.run_log import NewLogLine
from engine.store.runs.runs import KeptRun, NewRun
from engine.store.tenant.audit import AuditEntry

Json = Any

QUEUED: Final = "queued"
_QUEUED: Final = "Queued: it starts when its turn comes. Its workflow is paused, or has as many active runs as it may."
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """What to start, and why."""

    workflow_id: str
    payload: Json = field(default_factory=dict)
    version: int | None = None
    """None: the latest published one."""
    idempotency_key: str | None = None
    """The caller's key for this request: repeating it with the same key returns the same run."""
    fire_key: str | None = None
    """Names one occurrence of a trigger, which starts at most one run."""
    trigger_type: Literal["event", "schedule", "recurring"] | None = None
    """None: by hand, or a replay."""
    trigger_metadata: dict[str, Json] | None = None
    event_type: str | None = None
    source_payload_schema_ref: str | None = None
    trigger_mapping_applied: bool = False
    replay_of: str | None = None
    operation: str = "workflow_run_start"
    """What the audit log calls it."""
    reason: str | None = None
    audit_details: dict[str, Json] = field(default_factory=dict)
    may_wait: bool = False
    """Whether it is queued when it meets a pause or a full limit, where its workflow does not skip such; else it is refused."""
    arrival: int | None = None
    """Arrival of the event that starts it: from there its waits look back, and it is its place in line, should it be queued."""
    keep_refused: bool = True
    """Whether a payload that its schema refuses leaves a FAILED run behind, so that it can be looked at."""


@dataclass(frozen=True, slots=True)
class _Refused:
    run_id: str | None
    issues: tuple[SchemaIssue, ...]


async def launch_published_run(context: OperationContext, request: LaunchRequest) -> Started:
    """Start a run. Needs the level operate.

    An unreachable Temporal is no failure: the result says ``pending``, and a worker starts the run as soon as it can. A run of
    a trigger that meets a pause or a full limit is ``pending`` too: it is queued, and starts when its turn comes.
    Raises, with nothing started: ``Invalid`` (PAYLOAD_REJECTED with ``details.issues`` and ``details.runId`` of the FAILED run
    that keeps it; PAYLOAD_NOT_OBJECT, PAYLOAD_TOO_LARGE, JSON_*, KEY_INVALID, KEY_RESERVED), ``NotFound`` (WORKFLOW_NOT_FOUND,
    VERSION_NOT_FOUND; RUN_NOT_FOUND of ``replay_of``), ``Conflict`` (WORKFLOW_PAUSED, CONCURRENCY_LIMIT, NOT_PUBLISHED,
    IDEMPOTENCY_KEY_REUSED), ``EngineError`` (LAUNCH_REFUSED, with ``details.runId``) when Temporal said no, ``Forbidden``,
    ``Unavailable``.
    """
    await context.require(Level.OPERATE)
    check_keys(context.actor, request.fire_key, request.idempotency_key)
    payload = storable_payload(request.payload)
    async with writing(context.store) as connection:
        answer = await _accept(context, connection, request, payload)
    if isinstance(answer, _Refused):
        raise _rejected(request, answer)
    kept, created = answer
    if kept.launch_state == QUEUED and kept.status == "RUNNING":
        return Started(kept.run_id, kept.workflow_version, created, pending=True, message=_QUEUED)
    if kept.launch_state != "pending" or kept.status not in {"RUNNING", "WAITING"}:
        return Started(kept.run_id, kept.workflow_version, created)
    outcome = await _hand_over(context, kept)
    if outcome.state == "failed":
        raise EngineError(
            "LAUNCH_REFUSED",
            outcome.reason,
            "The run is kept as FAILED. " + advice.REPLAY.to("Correct the cause, and replay it", run=kept.run_id),
            {"runId": kept.run_id},
        )
    pending = outcome.state == "pending"
    message = f"Accepted, not started yet: {outcome.reason}" if pending else ""
    return Started(kept.run_id, kept.workflow_version, created, pending, message)


async def launch_in_transaction(
    context: OperationContext, request: LaunchRequest, connection: CallersConnection
) -> Started:
    """As ``launch_published_run``, in the caller's transaction: the run exists when that commits, and only then.

    A worker starts it right after the commit, so a new run is ``pending``. Other launches of a workflow with a concurrency
    limit, or with the same key, wait for the end of the caller's transaction, or give up (POSTGRES_LOCKED). With
    ``keep_refused`` the FAILED run is part of the transaction too. Raises as ``launch_published_run`` (never LAUNCH_REFUSED)
    and as ``writing_in``; the caller's own rows are left as they are.
    """
    await context.require(Level.OPERATE, tells_temporal=False)
    check_keys(context.actor, request.fire_key, request.idempotency_key)
    payload = storable_payload(request.payload)
    async with writing_in(context.store, connection, context.tenant) as rows:
        answer = await _accept(context, rows, request, payload, launch_seconds=0.0)
        if not isinstance(answer, _Refused) and answer[1]:
            await notify(rows, LAUNCHES, f"{context.tenant}:{answer[0].run_id}")
    if isinstance(answer, _Refused):
        raise _rejected(request, answer)
    kept, created = answer
    message = "It starts when the transaction is committed." if created else ""
    return Started(kept.run_id, kept.workflow_version, created, kept.launch_state in {"pending", QUEUED}, message)


async def _accept(
    context: OperationContext,
    connection: Connection,
    request: LaunchRequest,
    payload: Payload,
    *,
    launch_seconds: float = RETRY_SECONDS,
) -> tuple[KeptRun, bool] | _Refused:
    """In one transaction: the run that holds a key, or a new one that passed all checks.

    ``launch_seconds``: after how many seconds somebody else may start it.
    """
    tenant = context.tenant
    may_wait = request.may_wait
    for _ in range(_TRIES):
        kept = await _keeper(connection, tenant, request, payload)
        if kept is not None and kept.workflow_id != request.workflow_id:
            request = replace(request, fire_key=other_fire_key(kept.fire_key, request.workflow_id))
            continue
        if kept is not None:
            return kept, False
        if request.replay_of is not None and not await runs.keep_run(connection, tenant, request.replay_of):
            raise run_not_found(request.replay_of)
        admission = await admit(connection, tenant, request.workflow_id, request.version, may_wait=may_wait)
        run = await _new_run(connection, tenant, request, payload, admission)
        run = replace(run, next_launch_seconds=launch_seconds, committed_later=launch_seconds == 0.0)
        issues = await payload_issues(admission, payload)
        if issues:
            if request.keep_refused:
                await _keep_refused(context, connection, request, run, issues)
            return _Refused(run.run_id if request.keep_refused else None, issues)
        if admission.workflow.concurrency_limit:
            admission = await take_slot(connection, tenant, admission, may_wait=may_wait)
        if admission.busy is not None or (may_wait and admission.workflow.has_queue):
            run = replace(run, launch_state=QUEUED, queue_place=request.arrival)
        if await runs.insert_run(connection, run):
            await _record(context, connection, request, run, payload, admission.busy)
            return _as_kept(run), True
        # Somebody else took a key between the question and the insert; now it can be read.
    raise Conflict("LAUNCH_RACED", "Other launches with the same key came and went.", "Send the request again.")


async def _keeper(connection: Connection, tenant: str, request: LaunchRequest, payload: Payload) -> KeptRun | None:
    held = await runs.runs_holding_keys(connection, tenant, request.fire_key, request.idempotency_key, payload.value)
    for kept in held:
        if request.fire_key is not None and kept.fire_key == request.fire_key:
            return kept
    for kept in held:
        same = kept.workflow_id == request.workflow_id and kept.same_payload and kept.replay_of == request.replay_of
        if not same or request.version not in {None, kept.workflow_version}:
            raise Conflict(
                "IDEMPOTENCY_KEY_REUSED",
                f"The key belongs to another request, which started run {kept.run_id}.",
                "Use a new key for a new request.",
                {"runId": kept.run_id},
            )
        return kept
    return None


async def _new_run(
    connection: Connection, tenant: str, request: LaunchRequest, payload: Payload, admission: Admission
) -> NewRun:
    return NewRun(
        run_id=new_id(),
        tenant=tenant,
        workflow_id=request.workflow_id,
        workflow_version=admission.version.version,
        definition_hash=await hash_of(connection, tenant, admission),
        payload=payload.value,
        fire_key=request.fire_key,
        idempotency_key=request.idempotency_key,
        trigger_type=request.trigger_type,
        trigger_metadata=request.trigger_metadata,
        event_type=request.event_type,
        source_payload_schema_ref=request.source_payload_schema_ref,
        trigger_mapping_applied=request.trigger_mapping_applied,
        replay_of=request.replay_of,
        events_after=request.arrival,
        semantics_version=SEMANTICS_VERSION,
    )


async def _record(  # noqa: PLR0917  # one call, above
    context: OperationContext,
    connection: Connection,
    request: LaunchRequest,
    run: NewRun,
    payload: Payload,
    busy: Conflict | None,
) -> None:
    facts = {
        "workflowId": run.workflow_id,
        "workflowVersion": run.workflow_version,
        "payloadSizeBytes": payload.size_bytes,
        "triggerType": run.trigger_type,
        "triggerFireKey": run.fire_key,
        "eventType": run.event_type,
        "sourcePayloadSchemaRef": run.source_payload_schema_ref,
        "triggerMappingApplied": run.trigger_mapping_applied,
        "replayOfRunId": run.replay_of,
        "replacedAt": list(payload.replaced),
    }
    known = {name: value for name, value in facts.items() if value not in (None, [])}
    said = "Run started" if run.launch_state != QUEUED else "Run queued"
    if busy is not None:
        known["waitsFor"] = busy.message
    await context.log(connection, run.run_id, NewLogLine("INFO", said, known))
    if run.replay_of is not None:
        reason = {"reason": request.reason}
        of = {"sourceRunId": run.replay_of, **reason}
        await context.log(connection, run.run_id, NewLogLine("INFO", "This run replays another", of))
        by = {"newRunId": run.run_id, **reason}
        await context.log(connection, run.replay_of, NewLogLine("INFO", "Run was replayed", by))
    await context.audit(connection, _audit_entry(request, run, {"payloadSizeBytes": payload.size_bytes}))


async def _keep_refused(
    context: OperationContext,
    connection: Connection,
    request: LaunchRequest,
    run: NewRun,
    issues: tuple[SchemaIssue, ...],
) -> None:
    details = {"issues": [issue.to_json() for issue in issues]}
    await runs.insert_refused_run(connection, run, launch_error("PAYLOAD_REJECTED", _first(issues), details))
    await context.log(
        connection, run.run_id, NewLogLine("ERROR", "Launch refused: payload does not fit its schema", details)
    )
    await context.audit(connection, _audit_entry(request, run, {"refused": "PAYLOAD_REJECTED"}))


def _audit_entry(request: LaunchRequest, run: NewRun, details: dict[str, Json]) -> AuditEntry:
    # A replay is about the run it repeats; that is where one looks for it.
    target = run.replay_of or run.run_id
    details = {"workflowVersion": run.workflow_version, "newRunId": run.run_id, **request.audit_details, **details}
    return AuditEntry(
        request.operation,
        "run",
        target,
        run_id=target,
        workflow_id=run.workflow_id,
        reason=request.reason,
        details=details,
    )


async def _hand_over(context: OperationContext, kept: KeptRun) -> StartOutcome:
    run = PendingRun(
        kept.run_id, context.tenant, kept.workflow_id, kept.workflow_version, kept.runtime_semantics_version
    )
    try:
        return await hand_to_temporal(context, run)
    except Unavailable as error:
        # The row is committed, so the request was accepted; what is missing is only the record of its start.
        return StartOutcome("pending", error.message)


def _as_kept(run: NewRun) -> KeptRun:
    return KeptRun(
        run.run_id,
        run.workflow_id,
        run.workflow_version,
        run.semantics_version,
        "RUNNING",
        run.launch_state,
        run.fire_key,
        run.idempotency_key,
        same_payload=True,
        replay_of=run.replay_of,
    )


def _rejected(request: LaunchRequest, refused: _Refused) -> Invalid:
    details: dict[str, Json] = {"issues": [issue.to_json() for issue in refused.issues]}
    if refused.run_id is not None:
        details["runId"] = refused.run_id
    return Invalid(
        "PAYLOAD_REJECTED",
        _first(refused.issues),
        f"Correct the payload; the schema is that of the workflow {request.workflow_id}.",
        details,
    )


def _first(issues: tuple[SchemaIssue, ...]) -> str:
    more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
    return f"The payload does not fit its schema: {issues[0].pointer or '/'} {issues[0].message}{more}."
