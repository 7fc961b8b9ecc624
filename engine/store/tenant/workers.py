"""Heartbeats of worker processes: one query tells which are alive, also while Temporal is unreachable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from engine.store.database.transactions import Connection
from engine.store.tables import workflow_workers as workers

ALIVE_SECONDS: Final = 20.0
"""A worker that was last seen longer ago than this is not there any more: four missed heartbeats."""
KEPT_SECONDS: Final = 86_400.0
"""How long the row of a worker that is gone is kept."""


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A worker process as it presents itself."""

    identity: str
    host: str
    pid: int
    build: str
    task_queue: str
    actions: tuple[str, ...] = ()
    """``id@version`` of the actions it has."""


@dataclass(frozen=True, slots=True)
class SeenWorker:
    """A worker process as others see it."""

    identity: str
    host: str
    pid: int
    build: str
    task_queue: str
    parts: dict[str, Any]
    started_at: datetime
    last_seen_at: datetime
    stopped_at: datetime | None
    alive: bool
    """Seen lately by Postgres's clock, and not stopped."""
    actions: frozenset[str] | None = None
    """``id@version`` of the actions it has; None: it does not tell."""


async def record_heartbeat(connection: Connection, worker: WorkerProcess, parts: dict[str, Any]) -> None:
    """Record that the worker lives, and how its parts are; also that it is new, the first time."""
    row = insert(workers).values(
        identity=worker.identity,
        host=worker.host,
        pid=worker.pid,
        build=worker.build,
        task_queue=worker.task_queue,
        parts_json=parts,
        actions_json=list(worker.actions),
    )
    await connection.execute(
        row.on_conflict_do_update(
            index_elements=[workers.c.identity],
            set_={"last_seen_at": func.now(), "parts_json": row.excluded.parts_json},
        )
    )


async def record_stop(connection: Connection, identity: str) -> None:
    """Record that the worker has stopped in order."""
    await connection.execute(
        update(workers).where(workers.c.identity == identity).values(last_seen_at=func.now(), stopped_at=func.now())
    )


async def forget_gone(connection: Connection) -> int:
    """Remove the rows of workers that are long gone; how many. One that somebody holds is left to the next."""
    gone = workers.c.last_seen_at < func.now() - timedelta(seconds=KEPT_SECONDS)
    free = select(workers.c.identity).where(gone).with_for_update(skip_locked=True)
    return (await connection.execute(delete(workers).where(workers.c.identity.in_(free)))).rowcount


async def load_workers(connection: Connection) -> list[SeenWorker]:
    """All known workers, the last seen first."""
    recent = workers.c.last_seen_at > func.now() - timedelta(seconds=ALIVE_SECONDS)
    question = select(
        workers.c.identity,
        workers.c.host,
        workers.c.pid,
        workers.c.build,
        workers.c.task_queue,
        workers.c.parts_json,
        workers.c.started_at,
        workers.c.last_seen_at,
        workers.c.stopped_at,
        workers.c.actions_json,
        (recent & workers.c.stopped_at.is_(None)).label("alive"),
    ).order_by(workers.c.last_seen_at.desc(), workers.c.identity)
    rows = await connection.execute(question)
    return [
        SeenWorker(
            identity=row.identity,
            host=row.host,
            pid=row.pid,
            build=row.build,
            task_queue=row.task_queue,
            parts=row.parts_json or {},
            started_at=row.started_at,
            last_seen_at=row.last_seen_at,
            stopped_at=row.stopped_at,
            alive=row.alive,
            actions=None if row.actions_json is None else frozenset(row.actions_json),
        )
        for row in rows
    ]
