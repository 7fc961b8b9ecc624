"""From rows of ``workflow_runs`` to what a list shows: with the workflow's name, the open wait, and where the run is."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import FromClause, Row, Select, Text, and_, cast, func, select, true
from sqlalchemy.sql.expression import ColumnElement

from engine.store.reader import Reader
from engine.store.run_filter import is_stuck
from engine.store.tables import (
    workflow_definitions,
    workflow_human_tasks,
    workflow_run_steps,
    workflow_run_waits,
    workflow_runs,
)
from engine.store.views import OpenWait, RunView

MESSAGE_CHARACTERS: Final = 500

_PLAIN: Final = (
    "run_id", "tenant", "workflow_id", "workflow_version", "status", "started_at", "updated_at", "completed_at", "engine",
    "trigger_type", "event_type", "node_path", "node_step_id", "node_iteration", "step_count", "attempt", "waiting_on",
    "waiting_since", "last_error_code", "replay_of_run_id", "parent_run_id", "launch_state", "cancel_requested_at",
)  # fmt: skip


def listed_columns() -> list[ColumnElement[Any]]:
    """The columns of ``workflow_runs`` a list reads: nothing that may be large."""
    runs = workflow_runs.c
    error = runs.error_json
    return [
        *(runs[name] for name in _PLAIN),
        func.left(error["message"].astext, MESSAGE_CHARACTERS).label("error_message"),
        error["nodePath"].astext.label("error_path"),
        func.coalesce(error["code"].astext, error["category"].astext).label("error_code"),
    ]


def decorated(page: FromClause, now: datetime) -> Select[Any]:
    """The rows of ``page`` (of ``listed_columns``) with the few facts that other tables know about them."""
    definitions, steps = workflow_definitions.c, workflow_run_steps.c
    waits, tasks = workflow_run_waits, workflow_human_tasks.c
    open_wait = (
        select(
            waits.c.wait_type,
            waits.c.created_at,
            waits.c.event_name,
            waits.c.key,
            waits.c.timeout_at,
            tasks.title,
        )
        .select_from(
            waits.outerjoin(
                workflow_human_tasks,
                and_(
                    waits.c.wait_type == "human",
                    tasks.run_id == waits.c.run_id,
                    cast(tasks.task_id, Text) == waits.c.key,
                ),
            )
        )
        .where(waits.c.run_id == page.c.run_id, waits.c.status == "WAITING")
        .order_by((waits.c.wait_type == page.c.waiting_on).desc(), waits.c.created_at.desc())
        .limit(1)
        .lateral("open_wait")
    )
    at = func.coalesce(page.c.node_path, page.c.error_path)
    step = (
        select(steps.definition_step_id)
        .where(steps.run_id == page.c.run_id, steps.step_path == at, page.c.node_step_id.is_(None))
        .limit(1)
        .lateral("step")
    )
    return (
        select(
            page,
            # A run outlives its definition; it is then known by the id alone.
            func.coalesce(definitions.name, page.c.workflow_id).label("workflow_name"),
            is_stuck(now, page.c).label("stuck"),
            func.coalesce(page.c.node_step_id, step.c.definition_step_id).label("step"),
            at.label("at_path"),
            open_wait.c.wait_type.label("wait_type"),
            open_wait.c.created_at.label("wait_since"),
            open_wait.c.event_name.label("wait_event"),
            open_wait.c.key.label("wait_key"),
            open_wait.c.timeout_at.label("wait_until"),
            open_wait.c.title.label("wait_title"),
        )
        .select_from(page)
        .outerjoin(
            workflow_definitions,
            and_(definitions.tenant == page.c.tenant, definitions.workflow_id == page.c.workflow_id),
        )
        .outerjoin(open_wait, page.c.status == "WAITING")
        .outerjoin(step, true())
    )


def run_view(reader: Reader, row: Row[Any]) -> RunView:
    """One decorated row, redacted."""
    failure = reader.hide({"message": row.error_message, "code": row.error_code})
    shown = failure if isinstance(failure, dict) else {"message": failure, "code": None}
    return RunView(
        run_id=row.run_id,
        workflow_id=row.workflow_id,
        workflow_name=row.workflow_name,
        version=row.workflow_version,
        status=row.status,
        started_at=row.started_at,
        updated_at=row.updated_at,
        completed_at=row.completed_at,
        engine=row.engine,
        trigger=row.trigger_type or ("child" if row.parent_run_id else None),
        trigger_event=row.event_type,
        node_path=row.at_path,
        step=row.step,
        iteration=row.node_iteration,
        step_count=row.step_count,
        attempt=row.attempt,
        wait=_open_wait(reader, row),
        error_code=row.last_error_code or shown["code"],
        error_message=None if row.error_message is None else shown["message"],
        replay_of=row.replay_of_run_id,
        parent=row.parent_run_id,
        launch_state=row.launch_state,
        cancel_requested_at=row.cancel_requested_at,
        stuck=row.stuck,
    )


def _open_wait(reader: Reader, row: Row[Any]) -> OpenWait | None:
    kind = row.wait_type or row.waiting_on
    if row.status != "WAITING" or kind is None:
        return None
    who = {"human": row.wait_title, "child": row.wait_key}.get(kind)
    return OpenWait(
        kind=kind,
        since=row.waiting_since or row.wait_since,
        event_name=row.wait_event,
        key=reader.hide_text(row.wait_key),
        until=row.wait_until,
        who=reader.hide_text(who),
    )
