"""What stays of a run when its inputs and outputs are deleted: copies of what was hidden in those are taken out of it first.

Afterwards nobody could tell any more what is a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Executable, Table, select, update

from engine.store.database.following import Memory, follow
from engine.store.database.reader import CLOCK_AND_POLICY, Reading, reading_of
from engine.store.database.transactions import Connection
from engine.store.tables import (
    workflow_action_invocations,
    workflow_event_deliveries,
    workflow_human_tasks,
    workflow_run_logs,
    workflow_run_steps,
    workflow_run_waits,
    workflow_runs,
)

Json = Any

_KEPT: Final[Mapping[Table, tuple[str, ...]]] = {
    workflow_runs: ("error_json", "launch_error", "last_error_code", "trigger_metadata_json"),
    workflow_run_steps: ("outcome_json", "error_json"),
    workflow_action_invocations: ("error_message", "error_json"),
    workflow_run_waits: ("key",),
    workflow_run_logs: ("message", "context_json"),
    workflow_human_tasks: ("title", "description"),
    workflow_event_deliveries: ("correlation_key", "reason", "last_error"),
}
"""Columns that can hold a copy, and that stay."""


async def mask_what_stays(connection: Connection, tenant: str, run_ids: Sequence[str]) -> None:
    """Take the copies out of the rows of these runs, as the tenant's rules are now."""

    async def ask(statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Any]:
        return (await connection.execute(statement, parameters)).all()

    [rules] = await ask(CLOCK_AND_POLICY, {"of_tenant": tenant})
    reading = reading_of(tenant, rules)
    followed = await follow(ask, Memory(tenant), reading.policy, run_ids, ())
    reading = replace(reading, followed=followed)
    for run_id in run_ids:
        scope = ("run", run_id)
        if scope in followed.closed or followed.values[scope] is not None:
            for table, columns in _KEPT.items():
                await _mask(connection, table, columns, run_id, reading.of(run_id=run_id))


def _shown(value: Json, door: Reading) -> Json:
    """Of a text only what is a copy, also where it is the message of an error."""
    if isinstance(value, str):
        return door.hide_text(value)
    shown = door.hide(value)
    if isinstance(shown, dict) and isinstance(value.get("message"), str):
        return {**shown, "message": door.hide_text(value["message"])}
    return shown


async def _mask(connection: Connection, table: Table, columns: tuple[str, ...], run_id: str, door: Reading) -> None:
    key = [column for column in table.primary_key if column.name != "tenant"]
    found = await connection.execute(select(*key, *(table.c[name] for name in columns)).where(table.c.run_id == run_id))
    for row in found.all():
        values = row._mapping
        shown = {name: _shown(values[name], door) for name in columns if values[name] is not None}
        changed = {name: value for name, value in shown.items() if value != values[name]}
        if changed:
            mine = (column == values[column.name] for column in key)
            await connection.execute(update(table).where(*mine).values(**changed))
