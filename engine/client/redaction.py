"""``engine.redaction``: what is hidden wherever data is shown."""

from __future__ import annotations

from engine.operations import redaction
from engine.operations.context import OperationContext
from engine.records import Document, Json, MarkedPlaces, RedactionRules


class Redaction:
    """The rules of one tenant, beside those for everybody."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context

    async def rules(self) -> RedactionRules:
        """The tenant's own rules. Needs the level read."""
        return await redaction.redaction_rules(self._context)

    async def marked(self) -> tuple[MarkedPlaces, ...]:
        """What the schemas of payloads, events, forms and actions mark with ``x-sensitive``. Needs the level read."""
        return await redaction.marked_as_sensitive(self._context)

    async def set_rules(self, rules: RedactionRules) -> None:
        """Replace the tenant's own rules. Needs the level admin. Raises ``Invalid`` (REDACTION_RULES_INVALID)."""
        await redaction.set_redaction_rules(self._context, rules)

    async def test(self, document: Json) -> Document:
        """A document as it would be shown, with the JSON pointers of what is hidden. Needs the level read. Raises ``Invalid``."""
        return await redaction.try_redaction(self._context, document)
