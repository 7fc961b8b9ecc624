"""What a case left in the tables of a real database, read in one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cmp_to_key
from typing import Any

from sqlalchemy import text

from engine.interpreter.times import milliseconds_of
from engine.store.database.transactions import Connection, Store
from engine.values.redaction.policy import BUILT_IN
from engine.values.redaction.redact import redact
from tests.conformance.observed import Json

ACTIVE = ("RUNNING", "WAITING")
ServerTime = Callable[[int], int]
"""What Temporal's clock showed when that of Postgres showed this."""
_PHASES = {"retry": "backoff", "child": "child"}


@dataclass(frozen=True, slots=True)
class StoredWait:
    """A row of workflow_run_waits. Times are milliseconds since 1970 of the server's clock."""

    id: str
    type: str
    path: str
    status: str
    event_name: str | None
    key: str | None
    matched_event_id: str | None
    opened: int
    due: int | None
    ended: int | None

    @property
    def phase(self) -> str:
        """Phase of a run that rests here."""
        return _PHASES.get(self.type, "waiting")


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A row of workflow_runs and its waits, in the order in which they were opened."""

    id: str
    workflow_id: str
    version: int
    status: str
    waiting_on: str | None
    launch_state: str
    seq: int
    trigger_type: str | None
    trigger_mapping_applied: bool
    input: Any
    vars: Json | None
    error: Json | None
    parent: str | None
    root: str | None
    replay_of: str | None
    created_at: datetime
    waits: tuple[StoredWait, ...]

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    @property
    def phase(self) -> str:
        """As the row says it: waiting, backoff, child, running or terminal."""
        if not self.active:
            return "terminal"
        return "running" if self.waiting_on is None else _PHASES.get(self.waiting_on, "waiting")


@dataclass(frozen=True, slots=True)
class Remains:
    """Everything else the checks look at."""

    steps: dict[str, list[Json]]
    """By run: ``{path, status}`` in the order in which the steps started."""
    invocations: list[Json]
    tasks: list[Json]
    events: list[Json]
    quota_used: int


async def stored_runs(store: Store, tenant: str, server_time: ServerTime) -> list[StoredRun]:
    """All runs of a tenant, the oldest first."""
    async with _one_moment(store) as connection:
        return await _runs(connection, tenant, server_time)


async def stored_case(store: Store, tenant: str, server_time: ServerTime) -> tuple[list[StoredRun], Remains]:
    """The runs and everything else, of one moment."""
    async with _one_moment(store) as connection:
        return await _runs(connection, tenant, server_time), await _remains(connection, tenant)


@asynccontextmanager
async def _one_moment(store: Store) -> AsyncIterator[Connection]:
    """All that is read here belongs together, whatever is written meanwhile."""
    async with store.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


async def _runs(connection: Connection, tenant: str, server_time: ServerTime) -> list[StoredRun]:
    waits: dict[str, list[StoredWait]] = {}
    runs = await _rows(connection, "SELECT * FROM workflow_runs", "started_at, run_id", tenant)
    for row in await _rows(connection, "SELECT * FROM workflow_run_waits", "created_at, seq", tenant):
        waits.setdefault(str(row["run_id"]), []).append(_wait(row, server_time))
    return [_run(row, waits.get(str(row["run_id"]), [])) for row in runs]


def _wait(row: Json, server_time: ServerTime) -> StoredWait:
    opened = milliseconds_of(row["created_at"])
    ended = None if row["resolved_at"] is None else milliseconds_of(row["resolved_at"])
    if row["wait_type"] == "quota":
        # It is written by Postgres alone, with its clock.
        opened, ended = server_time(opened), None if ended is None else server_time(ended)
    return StoredWait(
        id=str(row["wait_id"]),
        type=row["wait_type"],
        path=row["step_path"],
        status=row["status"],
        event_name=row["event_name"],
        key=row["key"],
        matched_event_id=row["matched_event_id"],
        opened=opened,
        due=None if row["timeout_at"] is None else milliseconds_of(row["timeout_at"]),
        ended=ended,
    )


def _run(row: Json, waits: list[StoredWait]) -> StoredRun:
    def text_of(name: str) -> str | None:
        return None if row[name] is None else str(row[name])

    return StoredRun(
        id=str(row["run_id"]),
        workflow_id=row["workflow_id"],
        version=row["workflow_version"],
        status=row["status"],
        waiting_on=row["waiting_on"],
        launch_state=row["launch_state"],
        seq=row["seq"],
        trigger_type=row["trigger_type"],
        trigger_mapping_applied=row["trigger_mapping_applied"],
        input=row["input_json"],
        vars=row["output_json"],
        error=row["error_json"],
        parent=text_of("parent_run_id"),
        root=text_of("root_run_id"),
        replay_of=text_of("replay_of_run_id"),
        created_at=row["started_at"],
        waits=tuple(sorted(waits, key=lambda wait: wait.opened)),
    )


async def _remains(connection: Connection, tenant: str) -> Remains:
    by_run: dict[str, list[Json]] = {}
    for row in await _rows(connection, "SELECT * FROM workflow_run_steps", "started_at, seq", tenant):
        by_run.setdefault(str(row["run_id"]), []).append(row)
    tries = await _rows(
        connection, "SELECT * FROM workflow_action_invocations", "coalesce(started_at, created_at), attempt", tenant
    )
    tasks = await _rows(connection, "SELECT * FROM workflow_human_tasks", "created_at, task_id", tenant)
    events = await _rows(connection, "SELECT * FROM workflow_runtime_events", "arrival", tenant)
    usage = await _rows(connection, "SELECT * FROM workflow_step_usage_periods", "period_start", tenant)
    return Remains(
        steps={run: [_step(row) for row in sorted(rows, key=_IN_ORDER)] for run, rows in by_run.items()},
        invocations=[_invocation(row) for row in tries],
        tasks=[_task(row) for row in tasks],
        events=[{"name": row["event_name"], "error": row["error_message"]} for row in events],
        quota_used=sum(row["used_count"] for row in usage),
    )


def _started_before(one: Json, other: Json) -> int:
    """Steps that started in the same millisecond: an enclosing step first, of two others the one that ended first."""
    if one["started_at"] != other["started_at"]:
        return -1 if one["started_at"] < other["started_at"] else 1
    if _encloses(one, other):
        return -1
    if _encloses(other, one):
        return 1
    return -1 if one["seq"] < other["seq"] else 1


_IN_ORDER = cmp_to_key(_started_before)


def _encloses(outer: Json, inner: Json) -> bool:
    within = str(inner["step_path"]).startswith(f"{outer['step_path']}.")
    iteration: list[str] = str(outer["iteration"]).split(".") if outer["iteration"] else []
    return within and str(inner["iteration"]).split(".")[: len(iteration)] == iteration


def _step(row: Json) -> Json:
    return {"path": row["step_path"], "status": row["status"]}


def _invocation(row: Json) -> Json:
    return {
        "action": row["action_id"],
        "path": row["step_path"],
        "status": row["status"],
        # As anybody is shown it.
        "input": redact(row["input_json"], BUILT_IN)[0],
        "output": redact(row["output_json"], BUILT_IN)[0],
    }


def _task(row: Json) -> Json:
    return {
        "id": str(row["task_id"]),
        "type": row["task_type"],
        "title": row["title"],
        "description": row["description"] or "",
        "contextData": row["context_json"] or {},
    }


async def _rows(connection: Connection, select: str, order: str, tenant: str) -> list[Json]:
    found = await connection.execute(
        text(f"{select} WHERE tenant = CAST(:tenant AS uuid) ORDER BY {order}"), {"tenant": tenant}
    )
    return [dict(row) for row in found.mappings()]
