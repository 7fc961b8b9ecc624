"""``engine.tenant``: the tenant as a whole."""

from __future__ import annotations

from engine.operations.context import OperationContext
from engine.operations.keeping.tenant import delete_tenant
from engine.operations.progress import Progress, untold
from engine.records import TenantDeleted


class Tenant:
    """One tenant."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context

    async def delete(self, typed_name: str, reason: str, *, progress: Progress = untold) -> TenantDeleted:
        """Delete everything of the tenant but its audit log; ``typed_name``: its id. Needs the level admin.

        ``progress`` is told rows deleted so far. Raises as ``delete_tenant``.
        """
        return await delete_tenant(self._context, typed_name, reason, progress=progress)
