"""The only way to a masked value: one document, for an admin, with a reason, and in the audit log before it is shown."""

from __future__ import annotations

from engine.errors import NotFound
from engine.operations.context import OperationContext
from engine.operations.runs.run_access import checked_reason
from engine.records import Json, Level, Revealable
from engine.store.database.reader import open_reader
from engine.store.database.transactions import writing
from engine.store.tenant.audit import AuditEntry
from engine.store.tenant.stored_documents import stored_document
from engine.values.json_policy import storable_text


async def reveal(context: OperationContext, kind: Revealable, target: str, reason: str) -> Json:
    """The document as it is stored, secrets aside: those are never stored. Needs the level admin.

    Raises ``Invalid`` (REASON_TOO_SHORT, REASON_TOO_LONG), ``NotFound`` (DOCUMENT_NOT_FOUND), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    why, named = checked_reason(reason), storable_text(target)
    async with open_reader(context.store, context.tenant) as reader:
        found = await stored_document(reader, kind, named)
    if found is None:
        raise NotFound(
            "DOCUMENT_NOT_FOUND",
            f"No {kind.value} of {named[:60]} is stored.",
            "Check the id and the tenant.",
        )
    async with writing(context.store) as connection:
        entry = AuditEntry("document_reveal", kind.value, named, run_id=found.run_id, reason=why)
        await context.audit(connection, entry)
    return found.value
