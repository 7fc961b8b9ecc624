"""Children that nobody waits for: no parent would ever take their result, or cancel them.

Temporal tells a child that its parent has ended. It does not when somebody has reset the parent, by its own tools, to before the
child began: the parent cannot start that child again, fails, and the child is none of Temporal's children any more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.errors import Conflict, NotFound, Unavailable
from engine.operations.context import OperationContext
from engine.operations.runs.cancel import cancel_run
from engine.store.database.engine import LOCKED
from engine.store.database.transactions import writing
from engine.store.runs.reconciling import abandoned_children

PER_PASS: Final = 200
IDLE_SECONDS: Final = 60.0
"""So long a child has to be told of the end of its parent by Temporal."""


async def cancel_abandoned(context: OperationContext) -> int:
    """Ask every such child to cancel; how many were asked. One whose row is held is asked later. Raises ``Unavailable``."""
    async with writing(context.store) as connection:
        found = await abandoned_children(connection, PER_PASS, idle_seconds=IDLE_SECONDS)
    asked = 0
    for child in found:
        reason = f"Its parent {child.parent_run_id} does not wait for it any more"
        try:
            await cancel_run(replace(context, tenant=child.tenant), child.run_id, reason, settle_seconds=0.0)
        except (Conflict, NotFound):
            # It has ended, or was deleted, meanwhile.
            continue
        except Unavailable as error:
            if error.code != LOCKED:
                raise
            continue
        asked += 1
    return asked
