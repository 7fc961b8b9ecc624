"""``engine.alerts``: who is told of what."""

from __future__ import annotations

from engine.operations.alerts import alerts
from engine.operations.context import OperationContext
from engine.records import Alert, AlertMessage, MessageState, StoredAlert


class Alerts:
    """Alerts of one tenant."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context

    async def list(self) -> tuple[StoredAlert, ...]:
        """The rules, by name. Needs the level read."""
        return await alerts.list_alerts(self._context)

    async def set(self, alert: Alert, reason: str) -> StoredAlert:
        """Set a rule, in place of the one of that name. Needs the level admin. Raises as ``set_alert``."""
        return await alerts.set_alert(self._context, alert, reason)

    async def remove(self, name: str, reason: str) -> None:
        """Delete a rule and its messages. Needs the level admin. Raises as ``remove_alert``."""
        await alerts.remove_alert(self._context, name, reason)

    async def test(self, name: str) -> AlertMessage:
        """Have a message sent that says it is a test. Needs the level admin. Raises as ``try_alert``."""
        return await alerts.try_alert(self._context, name)

    async def messages(
        self, *, message_id: str | None = None, state: MessageState | None = None, limit: int = 50
    ) -> tuple[AlertMessage, ...]:
        """Messages of the outbox, newest first; of one id, or of a state; ``limit`` 1..200. Needs the level read."""
        return await alerts.alert_messages(self._context, message_id=message_id, state=state, limit=limit)
