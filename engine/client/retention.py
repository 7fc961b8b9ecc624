"""``engine.retention``: how long ended runs and their bodies are kept."""

from __future__ import annotations

from engine.operations.context import OperationContext
from engine.operations.keeping import retention
from engine.records import Keep, RetentionRule


class Retention:
    """Rules of one tenant. Without one, everything is kept."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context

    async def rules(self) -> tuple[RetentionRule, ...]:
        """The tenant's rule, if there is one, and those of its workflows. Needs the level read."""
        return await retention.retention_rules(self._context)

    async def set(self, keep: Keep, reason: str, *, workflow_id: str = "") -> tuple[RetentionRule, ...]:
        """Set what is kept, of all workflows or of one; all rules then. Needs the level admin. Raises as ``set_retention``."""
        return await retention.set_retention(self._context, keep, reason, workflow_id=workflow_id)

    async def remove(self, reason: str, *, workflow_id: str = "") -> None:
        """Take a rule away. Needs the level admin. Raises as ``remove_retention``."""
        await retention.remove_retention(self._context, reason, workflow_id=workflow_id)
