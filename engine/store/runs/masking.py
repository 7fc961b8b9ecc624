"""What stays of a run when its inputs and outputs are deleted: copies of what was hidden in those are taken out of it first.

Afterwards nobody could tell any more what is a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, Table, select, tuple_, update

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
    workflow_schedule_fires,
    workflow_schedules,
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
    workflow_schedule_fires: ("reason",),
    workflow_schedules: ("last_error",),
}
"""Columns that can hold a copy, and that stay."""
_OF_OCCURRENCE: Final[Mapping[Table, str]] = {workflow_schedule_fires: "fire_key", workflow_schedules: "last_fire_key"}


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
    found = await connection.execute(select(*key, *(table.c[name] for name in columns)).where(_is_of(table, run_id)))
    for row in found.all():
        values = row._mapping
        shown = {name: _shown(values[name], door) for name in columns if values[name] is not None}
        changed = {name: value for name, value in shown.items() if value != values[name]}
        if changed:
            mine = (column == values[column.name] for column in key)
            await connection.execute(update(table).where(*mine).values(**changed))


def _is_of(table: Table, run_id: str) -> ColumnElement[bool]:
    """Whether a row is the run's; of its schedule, that of the occurrence that started it."""
    if table not in _OF_OCCURRENCE:
        return table.c.run_id == run_id
    runs, planned = workflow_runs.c, workflow_schedules.alias("planned").c
    of_workflow = (planned.tenant == runs.tenant) & (planned.workflow_id == runs.workflow_id)
    occurrence = select(planned.schedule_id, runs.trigger_fire_key).where(of_workflow, runs.run_id == run_id)
    return tuple_(table.c.schedule_id, table.c[_OF_OCCURRENCE[table]]).in_(occurrence)
