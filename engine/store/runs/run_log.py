"""Lines that operations add to a run's log. (What the workflow itself logs is written with its trace.)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import insert

from engine.ids import new_id
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_run_logs
from engine.values.json_policy import storable_text

_INSERT: Final = insert(workflow_run_logs)


@dataclass(frozen=True, slots=True)
class NewLogLine:
    """One line of a run's log; never a payload."""

    level: Literal["DEBUG", "INFO", "WARN", "ERROR"]
    message: str
    context: dict[str, Any] | None = None


async def insert_log_line(connection: Connection, tenant: str, run_id: str, source: str, line: NewLogLine) -> None:
    """Append a line to a run's log. ``source`` is where it came from: api, cli, ui, worker or reconciler."""
    row = {
        "log_id": new_id(),
        "run_id": run_id,
        "tenant": tenant,
        "level": line.level,
        "message": storable_text(line.message),
        "context_json": line.context,
        "source": source,
    }
    await connection.execute(_INSERT, row)
