"""Where the schemas of a tenant mark something with ``x-sensitive``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from engine.records import MarkedKind, MarkedPlaces
from engine.store.catalog.definitions import marks_of
from engine.store.database.reader import Reader
from engine.store.tables import (
    workflow_definition_versions,
    workflow_payload_schemas,
    workflow_task_forms,
)
from engine.values.redaction.sensitive_places import sensitive_fields

Json = Any

versions = workflow_definition_versions.c
schemas = workflow_payload_schemas.c
forms = workflow_task_forms.c


async def marked_places(reader: Reader) -> tuple[MarkedPlaces, ...]:
    """Those of the latest versions, of the schemas of events and of the forms; by kind and name."""
    latest = (
        select(versions.workflow_id, versions.version, versions.payload_schema_json, versions.action_traits)
        .ext(distinct_on(versions.workflow_id))
        .where(versions.tenant == reader.tenant)
        .order_by(versions.workflow_id, versions.version.desc())
    )
    found: dict[tuple[MarkedKind, str], Json] = {}
    for row in await reader.rows(latest):
        found[MarkedKind.PAYLOAD, f"{row.workflow_id}@{row.version}"] = row.payload_schema_json
        for action, marked in marks_of(row.action_traits).items():
            found[MarkedKind.ACTION_INPUT, action] = marked.get("input")
            found[MarkedKind.ACTION_OUTPUT, action] = marked.get("output")
    for row in await reader.rows(select(schemas.ref, schemas.schema_json).where(schemas.tenant == reader.tenant)):
        found[MarkedKind.EVENT, row.ref] = row.schema_json
    for row in await reader.rows(select(forms.task_type, forms.schema_json).where(forms.tenant == reader.tenant)):
        found[MarkedKind.FORM, row.task_type] = row.schema_json
    order = list(MarkedKind)
    told = ((kind, name, sensitive_fields(schema)) for (kind, name), schema in found.items())
    return tuple(
        MarkedPlaces(kind, name, pointers)
        for kind, name, pointers in sorted(told, key=lambda one: (order.index(one[0]), one[1]))
        if pointers
    )
