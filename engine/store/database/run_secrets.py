"""The hidden values of one run: what its payload, the events it took and the answers it was given hold in masked places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.values.json_pointer import names_of
from engine.values.redaction import RedactionPolicy, redact
from engine.values.secret_shapes import hide_shapes
from engine.values.secret_values import SecretValues, secret_values

Json = Any

MAX_DOCUMENTS: Final = 50
"""Events and answers that are looked through, the latest first."""
_LONG_TEXT: Final = 256
"""A longer text with a secret in it is not followed itself: it is prose, and most of it is no secret."""

_QUESTION: Final = text("""
    SELECT r.input_json AS payload, v.payload_schema_json AS payload_schema,
        (SELECT jsonb_agg(jsonb_build_array(e.payload, s.schema_json)) FROM (
            SELECT matched_event_id, tenant FROM workflow_run_waits
            WHERE run_id = r.run_id AND matched_event_id IS NOT NULL ORDER BY created_at DESC LIMIT :most
        ) AS w
        JOIN workflow_runtime_events AS e ON e.tenant = w.tenant AND e.event_id = w.matched_event_id
        LEFT JOIN workflow_payload_schemas AS s ON s.tenant = e.tenant AND s.ref = e.payload_schema_ref) AS events,
        (SELECT jsonb_agg(jsonb_build_array(t.response_json, f.schema_json)) FROM (
            SELECT response_json, task_type, tenant FROM workflow_human_tasks
            WHERE run_id = r.run_id AND response_json IS NOT NULL ORDER BY created_at DESC LIMIT :most
        ) AS t
        LEFT JOIN workflow_task_forms AS f ON f.tenant = t.tenant AND f.task_type = t.task_type) AS answers
    FROM workflow_runs AS r
    LEFT JOIN workflow_definition_versions AS v
        ON v.tenant = r.tenant AND v.workflow_id = r.workflow_id AND v.version = r.workflow_version
    WHERE r.run_id = CAST(:run_id AS uuid) AND CAST(r.tenant AS text) = :tenant
""")


async def run_secrets(
    connection: AsyncConnection, tenant: str, run_id: str, policy: RedactionPolicy
) -> tuple[Json, SecretValues | None]:
    """The schema of the run's payload (None: any object, or no such run), and what to look for in all that is shown of it."""
    row = (
        await connection.execute(_QUESTION, {"run_id": run_id, "tenant": tenant, "most": MAX_DOCUMENTS})
    ).one_or_none()
    if row is None:
        return None, None
    documents = [[row.payload, row.payload_schema], *(row.events or ()), *(row.answers or ())]
    hidden = [value for document, schema in documents for value in hidden_in(document, schema, policy)]
    return row.payload_schema, secret_values(hidden)


def hidden_in(document: Json, schema: Json, policy: RedactionPolicy) -> Iterator[Json]:
    """The values at the masked places of a document."""
    if policy.everything:
        return
    for pointer in redact(document, policy.beside(schema, document))[1]:
        value = document
        for name in names_of(pointer):
            # A key that was hidden itself is in the document under its own name.
            value = value[int(name)] if isinstance(value, list) else value.get(name)
        if not (isinstance(value, str) and len(value) > _LONG_TEXT and hide_shapes(value) != value):
            yield value
