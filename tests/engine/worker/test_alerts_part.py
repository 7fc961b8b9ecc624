"""The part of a worker that tells people looks for what to tell every minute, however long the sending takes."""

from __future__ import annotations

import asyncio

import pytest

from engine.actions.builtin.http_exchange import Network
from engine.actions.builtin.http_hosts import AllowedHosts
from engine.actions.secrets import SecretResolver
from engine.operations.alerts.alerts import Found
from engine.operations.alerts.sending import Sender, Sent
from engine.operations.context import OperationContext
from engine.worker import alerts
from engine.worker.parts import PartReport


async def test_a_slow_sending_does_not_keep_the_finding(
    context: OperationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, done = 1000.0, list[str]()
    stopping = asyncio.Event()

    async def find(_: OperationContext) -> Found:
        done.append("find")
        return Found(0)

    async def send(*_: object) -> Sent:
        nonlocal now
        done.append("send")
        now += 35
        if len(done) >= 7:
            stopping.set()
        return Sent()

    monkeypatch.setattr(alerts, "find_and_put", find)
    monkeypatch.setattr(alerts, "send_due", send)
    monkeypatch.setattr(alerts, "SENDING_SECONDS", 0.0)
    part = alerts.Alerts(context, Sender(Network(AllowedHosts([])), SecretResolver([]), None), clock=lambda: now)
    await part.run(PartReport("alerts", alerts.FRESH_SECONDS, stopping))
    assert done == ["find", "send", "send", "find", "send", "send", "find", "send"]
