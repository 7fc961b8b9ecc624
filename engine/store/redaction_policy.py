"""The redaction policy of a tenant, read so that a failure hides everything instead of nothing."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.redaction import BUILT_IN, EVERYTHING, RedactionPolicy, policy_of
from engine.store.tables import workflow_settings


async def load_policy(connection: AsyncConnection, tenant: str) -> RedactionPolicy:
    """The policy of ``tenant``; the built-in one where it has no settings; ``EVERYTHING`` where they cannot be read.

    A lost connection is raised all the same: then there is nothing to show.
    """
    query = select(workflow_settings.c.redaction_pointers, workflow_settings.c.redaction_key_patterns).where(
        workflow_settings.c.tenant == tenant
    )
    try:
        # A savepoint, so that a refused read does not take the transaction with it.
        async with connection.begin_nested():
            row = (await connection.execute(query)).one_or_none()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return EVERYTHING
    return BUILT_IN if row is None else policy_of(row.redaction_pointers, row.redaction_key_patterns)
