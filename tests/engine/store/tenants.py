"""A row of any table for any tenant, where whose it is matters, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Table, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.ids import new_id
from engine.store.tables import metadata

OF_TENANTS: Final = tuple(table for table in metadata.sorted_tables if "tenant" in table.c)
OTHER: Final = "00000000-0000-0000-0000-0000000000ff"
_OF_TYPE: Final = {
    "JSONB": {},
    "INTEGER": 1,
    "BIGINT": 1,
    "BOOLEAN": False,
    "TEXT": "x",
    "BLOB": b"x",
    "DATETIME": datetime(2026, 1, 1, tzinfo=UTC),
}
_ANYTHING_GOES: Final = """
DO $$ DECLARE named record; BEGIN
    FOR named IN SELECT conrelid::regclass AS of, conname FROM pg_constraint
        WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', named.of, named.conname); END LOOP;
END $$
"""


def row_of(table: Table, tenant: str) -> dict[str, Any]:
    """A row that has what is required."""
    required = [column for column in table.c if not column.nullable and column.server_default is None]
    return {**{column.name: _OF_TYPE.get(str(column.type), new_id()) for column in required}, "tenant": tenant}


async def fill(connection: AsyncConnection, tenants: tuple[str, ...], **known: Any) -> None:
    """One row of each tenant in every table, with ``known`` in the columns of that name; no constraint is left."""
    await connection.execute(text(_ANYTHING_GOES))
    for table in OF_TENANTS:
        mine = {name: value for name, value in known.items() if name in table.c}
        for tenant in tenants:
            await connection.execute(insert(table).values({**row_of(table, tenant), **mine}))
