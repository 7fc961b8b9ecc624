"""Filters of events in what is shown: what a field is compared with is hidden where a schema of the tenant marks the field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Text, cast, select

from engine.store.database.reader import Reader
from engine.store.tables import workflow_payload_schemas
from engine.values.json_pointer import names_of
from engine.values.redaction.sensitive_places import SENSITIVE, sensitive_fields

Json = Any


async def hiding_compared(reader: Reader, shown: Iterable[Json]) -> Reader:
    """This reader for what is ``shown``, which may have filters of events in it. No filter says which schema its events have, so
    those of all schemas of the tenant count.
    """
    if not any(map(_has_filters, shown)):
        return reader
    schemas = workflow_payload_schemas.c
    marked = cast(schemas.schema_json, Text).contains(f'"{SENSITIVE}"', autoescape=True)
    found = await reader.rows(select(schemas.schema_json).where(schemas.tenant == reader.tenant, marked))
    places = {tuple(names_of(pointer)) for row in found for pointer in sensitive_fields(row.schema_json)}
    return replace(reader, policy=replace(reader.policy, compared=tuple(places))) if places else reader


def _has_filters(value: Json) -> bool:
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            if part.get("filters"):
                return True
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)
    return False
