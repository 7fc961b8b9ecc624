"""From rows of ``workflow_runs`` to what a list shows: with the workflow's name, the open wait, and where the run is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Row, Select, Text, and_, case, cast, func, select, true
from sqlalchemy.sql.selectable import LateralFromClause

from engine.records import OpenWait, RunRow, RunStatus, WaitKind
from engine.store.database.question import Question, Telling, tells
from engine.store.database.question import telling as telling_page
from engine.store.database.reader import Reading
from engine.store.tables import (
    workflow_definitions,
    workflow_human_tasks,
    workflow_run_steps,
    workflow_run_waits,
    workflow_runs,
)

MESSAGE_CHARACTERS: Final = 500

_PLAIN: Final = (
    "run_id", "tenant", "workflow_id", "workflow_version", "status", "started_at", "updated_at", "completed_at", "engine",
    "trigger_type", "event_type", "node_path", "node_step_id", "node_iteration", "attempt", "step_due_at",
    "waiting_on", "waiting_since",
    "last_error_code", "replay_of_run_id", "parent_run_id", "launch_state", "cancel_requested_at",
)  # fmt: skip


_TEXTS: Final = ("error_message", "error_code", "last_error_code", "wait_key", "wait_title", "wait_event")
_runs = workflow_runs.c
_AT: Final = func.coalesce(_runs.node_path, _runs.error_json["nodePath"].astext)


def _open_wait_of_run() -> LateralFromClause:
    """The open wait of a waiting run: the one its row speaks of, else the newest."""
    waits, tasks = workflow_run_waits, workflow_human_tasks
    task_of_wait = and_(
        waits.c.wait_type == "human", tasks.c.run_id == waits.c.run_id, cast(tasks.c.task_id, Text) == waits.c.key
    )
    return (
        select(
            waits.c.wait_type,
            waits.c.created_at.label("wait_since"),
            waits.c.event_name.label("wait_event"),
            waits.c.key.label("wait_key"),
            waits.c.timeout_at.label("wait_until"),
            tasks.c.title.label("wait_title"),
        )
        .select_from(waits.outerjoin(tasks, task_of_wait))
        .where(_runs.status == "WAITING", waits.c.run_id == _runs.run_id, waits.c.status == "WAITING")
        .order_by((waits.c.wait_type == _runs.waiting_on).desc(), waits.c.created_at.desc())
        .limit(1)
        .lateral("open_wait")
    )


def _step_of_path() -> LateralFromClause:
    """The author's id of the step a run is at, for rows that do not name it themselves.

    A run that is at no step is not looked up at all: where one run has most of the steps, Postgres would read them all.
    """
    steps = workflow_run_steps.c
    at_path = (steps.run_id == _runs.run_id, steps.step_path == _AT, _AT.is_not(None), _runs.node_step_id.is_(None))
    return select(steps.definition_step_id).where(*at_path).limit(1).lateral("step")


def _steps_started() -> ColumnElement[int]:
    """Steps of a run, counted where its row has none: one from before the cutover has no count, and is not stuck for that."""
    steps = workflow_run_steps.c
    found = select(func.count()).where(steps.run_id == _runs.run_id).correlate(workflow_runs).scalar_subquery()
    return case((and_(_runs.status == "RUNNING", _runs.step_count == 0), found), else_=_runs.step_count)


# Built once: putting a statement together costs more than Postgres needs to answer it.
_OPEN_WAIT: Final = _open_wait_of_run()
_STEP: Final = _step_of_path()
_OF_RUN: Final = and_(
    workflow_definitions.c.tenant == _runs.tenant, workflow_definitions.c.workflow_id == _runs.workflow_id
)
_MESSAGE: Final = case((_runs.launch_state == "pending", _runs.launch_error), else_=_runs.error_json["message"].astext)
_COLUMNS: Final = (
    *(_runs[name] for name in _PLAIN),
    _steps_started().label("step_count"),
    func.left(_MESSAGE, MESSAGE_CHARACTERS).label("error_message"),
    func.coalesce(_runs.error_json["code"].astext, _runs.error_json["category"].astext).label("error_code"),
    # A run outlives its definition; it is then known by the id alone.
    func.coalesce(workflow_definitions.c.name, _runs.workflow_id).label("workflow_name"),
    func.coalesce(_runs.node_step_id, _STEP.c.definition_step_id).label("step"),
    _AT.label("at_path"),
    *_OPEN_WAIT.c,
)


def listed(picked: FromClause | None = None) -> Select[Any]:
    """What a list shows of runs: of those whose ``run_id`` is in ``picked``, or of all, to be narrowed with ``where``."""
    source = workflow_runs if picked is None else picked.join(workflow_runs, picked.c.run_id == _runs.run_id)
    joined = source.outerjoin(workflow_definitions, _OF_RUN).outerjoin(_OPEN_WAIT, true()).outerjoin(_STEP, true())
    return select(*_COLUMNS).select_from(joined)


def telling_of(rows: Question) -> Telling:
    """``rows``, a question for ``listed``, which are told with what the runs hide whose texts they show."""
    return telling_page(rows, _TEXTS, run="run_id")


def telling(rows: Iterable[Any]) -> list[str]:
    """Those of the rows of ``listed`` that show a text of the run, by its id: only of these is followed what they hide."""
    return [row.run_id for row in rows if tells(row, _TEXTS)]


def run_view(known: Reading, row: Row[Any]) -> RunRow:
    """One row of ``listed``, redacted; ``known`` has followed those that are ``telling``."""
    reading = known.of(run_id=row.run_id) if tells(row, _TEXTS) else known
    return RunRow(
        run_id=row.run_id,
        workflow_id=row.workflow_id,
        workflow_name=row.workflow_name,
        version=row.workflow_version,
        status=RunStatus.stored(row.status),
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
        step_due_at=row.step_due_at,
        wait=_open_wait(reading, row),
        error_code=reading.hide_text(row.last_error_code) or reading.hide_named("code", row.error_code),
        error_message=reading.hide_named("message", row.error_message),
        replay_of=row.replay_of_run_id,
        parent=row.parent_run_id,
        launch_state=row.launch_state,
        cancel_requested_at=row.cancel_requested_at,
    )


def _open_wait(reading: Reading, row: Row[Any]) -> OpenWait | None:
    kind = row.wait_type or row.waiting_on
    if row.status != "WAITING" or kind is None:
        return None
    who = {"human": row.wait_title, "child": row.wait_key}.get(kind)
    return OpenWait(
        kind=WaitKind.stored(kind),
        since=row.waiting_since or row.wait_since,
        event_name=reading.hide_text(row.wait_event),
        key=reading.hide_text(row.wait_key),
        until=row.wait_until,
        who=reading.hide_text(who),
    )
