"""The Temporal that the database belongs to: which it is, and moving to another one deliberately."""

from __future__ import annotations

from engine.operations.context import OperationContext
from engine.operations.runs.run_access import checked_reason
from engine.records import BoundTemporal, Level
from engine.store.database.transactions import writing
from engine.store.tenant.audit import AuditEntry
from engine.store.tenant.installation import Recorded, load_installation, replace_installation
from engine.store.tenant.place import load_places, remember_place
from engine.temporal.installation import identity_of


async def bound_temporal(context: OperationContext) -> BoundTemporal | None:
    """None: no worker has started yet. Needs the level read. Raises ``Forbidden``, ``Unavailable``."""
    await context.require(Level.READ)
    async with writing(context.store) as connection:
        recorded = await load_installation(connection)
    return None if recorded is None else _told(recorded)


async def move_installation(context: OperationContext, reason: str) -> BoundTemporal:
    """Bind the database to the Temporal of this context's configuration, whatever it belonged to, and take it into use where it
    is, be it a copy. Needs the level admin in every tenant; audited.

    Open runs that this Temporal does not know are then closed by the reconciler. Workers that ask the former one do nothing any
    more. Raises ``Invalid`` (REASON_TOO_SHORT), ``Forbidden``, ``Unavailable`` when Temporal does not say which it is.
    """
    await context.require(Level.ADMIN, tells_temporal=False)
    said = checked_reason(reason)
    found = await identity_of(await context.temporal.any_client())
    async with writing(context.store) as connection:
        await context.require_admin_everywhere(connection)
        before = await load_installation(connection)
        places = await load_places(connection)
        await replace_installation(connection, found, context.actor.name)
        await remember_place(connection, places.here, context.actor.name)
        details = {
            "before": None if before is None else str(before.temporal),
            "after": str(found),
            "database": places.here,
        }
        await context.audit(
            connection, AuditEntry("installation_move", "settings", "temporal", reason=said, details=details)
        )
        after = await load_installation(connection)
    if after is None:
        raise AssertionError("the row was just written")
    return _told(after)


def _told(recorded: Recorded) -> BoundTemporal:
    temporal = recorded.temporal
    return BoundTemporal(temporal.namespace, temporal.namespace_id, temporal.cluster_id, recorded.at, recorded.by)
