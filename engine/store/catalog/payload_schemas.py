"""JSON schemas of payloads, by the name definitions use for them. A few are built in and the same for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from engine.errors import Invalid
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_payload_schemas as schemas

Json = Any

_TIME: Final = {"type": "string", "format": "date-time"}
_NAME: Final = {"type": "string", "minLength": 1}

BUILT_IN: Final[Mapping[str, Json]] = {
    "payload.Any.v1": {"type": "object"},
    "payload.Empty.v1": {"type": "object", "additionalProperties": False},
    "payload.WorkflowClockTrigger.v1": {
        "type": "object",
        "properties": {
            "triggerType": {"enum": ["schedule", "recurring"]},
            "scheduleId": _NAME,
            "scheduledFor": _TIME,
            "firedAt": _TIME,
            "timezone": _NAME,
            "workflowId": _NAME,
            "workflowVersion": {"type": "integer", "minimum": 1},
            "cron": _NAME,
        },
        "required": [
            "triggerType", "scheduleId", "scheduledFor", "firedAt", "timezone", "workflowId", "workflowVersion",
        ],
        "additionalProperties": False,
    },
}  # fmt: skip
"""Schemas every tenant has: any object, no fields at all, and what a schedule gives to the run it starts."""


async def register_schemas(connection: Connection, tenant: str, by_ref: Mapping[str, Json], *, created_by: str) -> None:
    """Store schemas under their refs. A ref that exists gets the new schema; versions keep the one they were published with.

    Raises ``Invalid`` (PAYLOAD_SCHEMA_BUILT_IN) for another schema under the name of a built-in one.
    """
    for ref, schema in sorted(by_ref.items()):
        if ref in BUILT_IN:
            if schema != BUILT_IN[ref]:
                raise Invalid(
                    "PAYLOAD_SCHEMA_BUILT_IN",
                    f"The schema {ref} is built in and cannot be changed.",
                    "Give yours another name, such as payload.Order.v1.",
                )
            continue
        row = insert(schemas).values(tenant=tenant, ref=ref, schema_json=schema, created_by=created_by)
        await connection.execute(
            row.on_conflict_do_update(
                index_elements=[schemas.c.tenant, schemas.c.ref],
                set_={"schema_json": row.excluded.schema_json, "updated_at": func.now()},
                where=schemas.c.schema_json != row.excluded.schema_json,
            )
        )


async def load_schemas(connection: Connection, tenant: str) -> dict[str, Json]:
    """All schemas of a tenant by ref, the built-in ones among them."""
    rows = await connection.execute(select(schemas.c.ref, schemas.c.schema_json).where(schemas.c.tenant == tenant))
    return {**{row.ref: row.schema_json for row in rows}, **BUILT_IN}
