"""The engine's records as the studio's."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from engine.store import views
from engine.store.run_filter import RunFilter, RunOrder
from runstudio_tui.domain.models import (
    Count,
    Document,
    ErrorInfo,
    Invocation,
    InvocationBody,
    InvocationId,
    InvocationStatus,
    LogId,
    LogLevel,
    LogLine,
    OpenWait,
    RunCounts,
    RunId,
    RunRow,
    RunStatus,
    RunSummary,
    Step,
    StepRowId,
    StepStatus,
    Wait,
    WaitId,
    WaitKind,
    WaitStatus,
)
from runstudio_tui.domain.query import RunQuery

Member = TypeVar("Member", bound=StrEnum)


def run_filter(query: RunQuery, tenant: str) -> RunFilter:
    """The studio's question as the engine's. Raises ``engine.errors.Invalid`` for a condition that cannot be."""
    same = {field.name: getattr(query, field.name) for field in fields(query)}
    same.pop("sort")
    return RunFilter(
        tenant=tenant,
        **same | {"statuses": _values(query.statuses), "waiting_on": _values(query.waiting_on)},
        order=RunOrder(query.sort.value),
    )


def _values(members: frozenset[Member]) -> frozenset[str]:
    return frozenset(member.value for member in members)


def run_row(view: views.RunView) -> RunRow:
    """One line of the list."""
    return RunRow(
        run_id=RunId(view.run_id),
        workflow_id=view.workflow_id,
        workflow_name=view.workflow_name,
        version=view.version,
        status=RunStatus(view.status),
        started_at=view.started_at,
        updated_at=view.updated_at,
        completed_at=view.completed_at,
        engine=view.engine,
        trigger=view.trigger,
        trigger_event=view.trigger_event,
        node_path=view.node_path,
        step=view.step,
        iteration=view.iteration,
        step_count=view.step_count,
        attempt=view.attempt,
        wait=None if view.wait is None else _open_wait(view.wait),
        error_code=view.error_code,
        error_message=view.error_message,
        replay_of=_run_id(view.replay_of),
        parent=_run_id(view.parent),
        launch_state=view.launch_state,
        cancel_requested_at=view.cancel_requested_at,
    )


def _run_id(value: str | None) -> RunId | None:
    return None if value is None else RunId(value)


def _open_wait(view: views.OpenWait) -> OpenWait:
    return OpenWait(
        kind=WaitKind(view.kind),
        since=view.since,
        event_name=view.event_name,
        key=view.key,
        until=view.until,
        who=view.who,
    )


def run_summary(view: views.RunSummary) -> RunSummary:
    """One run without bodies."""
    return RunSummary(
        row=run_row(view.row),
        tenant=view.tenant,
        root=_run_id(view.root),
        replayed_by=tuple(RunId(run_id) for run_id in view.replayed_by),
        children=tuple(RunId(run_id) for run_id in view.children),
        temporal_workflow_id=view.temporal_workflow_id,
        temporal_run_id=view.temporal_run_id,
        definition_hash=view.definition_hash,
        semantics_version=view.semantics_version,
        trigger_event_id=view.trigger_event_id,
        trigger_metadata=view.trigger_metadata,
        payload_schema_ref=view.payload_schema_ref,
        error=error_info(view.error),
        has_output=view.has_output,
    )


def run_counts(view: views.RunCounts) -> RunCounts:
    """Capped counters by status."""
    by_status = {RunStatus(status): _count(count) for status, count in view.by_status.items()}
    return RunCounts(by_status, _count(view.stuck))


def _count(view: views.Count) -> Count:
    return Count(view.value, view.capped)


def error_info(view: views.ErrorView | None) -> ErrorInfo | None:
    """Why something failed."""
    if view is None:
        return None
    return ErrorInfo(
        category=view.category,
        message=view.message,
        code=view.code,
        path=view.path,
        at=_instant(view.at),
        stage=view.stage,
        details=view.details,
    )


def _instant(text: str | None) -> datetime | None:
    """Errors keep their time as the text that was stored; history has texts that are no times."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def step(view: views.StepView) -> Step:
    """One execution of one step."""
    return Step(
        row_id=StepRowId(view.row_id),
        path=view.path,
        step_id=view.step_id,
        step_type=view.step_type or "",
        status=StepStatus(view.status),
        started_at=view.started_at,
        completed_at=view.completed_at,
        iteration=view.iteration,
        visit=view.visit,
        attempt=view.attempt,
        tries=view.tries,
        outcome=view.outcome,
        error=error_info(view.error),
        handled_by=view.handled_by,
    )


def invocation(view: views.TryView) -> Invocation:
    """One try of an action, without its bodies."""
    return Invocation(
        invocation_id=InvocationId(view.invocation_id),
        path=view.path,
        iteration=view.iteration,
        action=view.action,
        attempt=view.attempt,
        status=InvocationStatus(view.status),
        started_at=view.started_at,
        completed_at=view.completed_at,
        error=error_info(view.error),
        worker=view.worker,
        idempotency_key=view.idempotency_key,
        input_bytes=view.input_bytes,
        output_bytes=view.output_bytes,
    )


def invocation_body(view: views.TryBody) -> InvocationBody:
    """What a try was given and what it answered."""
    return InvocationBody(
        input=None if view.input is None else document(view.input),
        output=None if view.output is None else document(view.output),
    )


def wait(view: views.WaitView) -> Wait:
    """One wait of a run."""
    return Wait(
        wait_id=WaitId(view.wait_id),
        path=view.path,
        iteration=view.iteration,
        kind=WaitKind(view.kind),
        status=WaitStatus(view.status),
        created_at=view.created_at,
        event_name=view.event_name,
        key=view.key,
        until=view.until,
        resolved_at=view.resolved_at,
        matched_event_id=view.matched_event_id,
        payload=view.payload,
    )


def log_line(view: views.LogView) -> LogLine:
    """One line of a run's log."""
    return LogLine(
        log_id=LogId(view.log_id),
        at=view.at,
        level=LogLevel(view.level),
        message=view.message,
        path=view.path,
        source=view.source,
        context=view.context,
    )


def document(view: views.Document) -> Document:
    """A redacted body."""
    return Document(view.value, view.masked, view.size_bytes)
