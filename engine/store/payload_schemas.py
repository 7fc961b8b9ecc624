"""JSON schemas of payloads, by the name definitions use for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from engine.store.tables import workflow_payload_schemas as schemas
from engine.store.transactions import Connection

Json = Any


async def register_schemas(connection: Connection, tenant: str, by_ref: Mapping[str, Json], *, created_by: str) -> None:
    """Store schemas under their refs. A ref that exists gets the new schema; versions keep the one they were published with."""
    for ref, schema in sorted(by_ref.items()):
        row = insert(schemas).values(tenant=tenant, ref=ref, schema_json=schema, created_by=created_by)
        await connection.execute(
            row.on_conflict_do_update(
                index_elements=[schemas.c.tenant, schemas.c.ref],
                set_={"schema_json": row.excluded.schema_json, "updated_at": func.now()},
                where=schemas.c.schema_json != row.excluded.schema_json,
            )
        )


async def load_schemas(connection: Connection, tenant: str) -> dict[str, Json]:
    """All schemas of a tenant by ref."""
    rows = await connection.execute(select(schemas.c.ref, schemas.c.schema_json).where(schemas.c.tenant == tenant))
    return {row.ref: row.schema_json for row in rows}
