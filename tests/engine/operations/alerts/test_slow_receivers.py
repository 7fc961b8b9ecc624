"""Receivers that are slow or dead, with many messages to them, keep neither other alerts nor the rest of a worker's turn."""

from __future__ import annotations

from engine.actions.builtin.http_exchange import Network
from engine.actions.builtin.http_hosts import AllowedHosts
from engine.operations.alerts import alerts
from engine.operations.alerts.sending import AT_ONCE, Sender, Sent, send_due
from engine.operations.context import OperationContext
from engine.records import Alert, AlertKind, AlertTarget
from engine.store.alerts import outbox
from engine.store.database.transactions import writing
from tests.engine.operations.alerts.test_alerts import SECRETS, WHY, receiving

NOWHERE = Sender(Network(AllowedHosts([])), SECRETS, None)


async def with_messages(context: OperationContext, name: str, number: int, url: str = "https://h.example/x") -> None:
    await alerts.set_alert(context, Alert(name, AlertKind.FAILED, AlertTarget.WEBHOOK, url), WHY)
    for _ in range(number):
        await alerts.try_alert(context, name)


async def test_a_turn_ends_when_its_time_is_over(context: OperationContext) -> None:
    """Receivers that take ten seconds for each of thousands held the worker's part until it counted as silent."""
    await with_messages(context, "storm", 2 * AT_ONCE + 1)
    turns = [await send_due(context, NOWHERE, seconds=0) for _ in range(4)]
    assert turns == [Sent(0, AT_ONCE), Sent(0, AT_ONCE), Sent(0, 1), Sent(0, 0)]


async def test_an_alert_with_many_messages_does_not_keep_another(context: OperationContext) -> None:
    await with_messages(context, "storm", 3 * AT_ONCE)
    async with receiving(200) as receiver:
        await with_messages(context, "quiet", 1, f"http://127.0.0.1:{receiver.port}/")
        sender = Sender(Network(AllowedHosts(["127.0.0.1"])), SECRETS, None)
        assert await send_due(context, sender, seconds=0) == Sent(1, AT_ONCE - 1)
    async with writing(context.store) as connection:
        taken = await outbox.take_due(connection, 100)
    assert len(taken) == 2 * AT_ONCE + 1
