"""The alerts: in every worker. What to tell is found by one at a time, by a lease, every minute; what is due is sent by whoever
takes it, every few seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog
from prometheus_client import Counter

from engine.operations.alerts.alerts import find_and_put
from engine.operations.alerts.sending import Sender, send_due
from engine.operations.context import OperationContext
from engine.operations.duties import require_done
from engine.store.alerts.outbox import delete_settled
from engine.store.database.leases import leased
from engine.store.database.transactions import writing
from engine.store.tenant.duties import ALERTS
from engine.worker.metrics import REGISTRY
from engine.worker.parts import PartReport

SECONDS: Final = 60.0
SENDING_SECONDS: Final = 5.0
FRESH_SECONDS: Final = 3 * SECONDS
_DELETED_AT_ONCE: Final = 1_000

_SENT: Final = Counter("runstudio_alerts_sent", "Alerts that were taken by their receivers.", registry=REGISTRY)
_NOT_SENT: Final = Counter("runstudio_alerts_not_sent", "Attempts that were not.", registry=REGISTRY)
_LOG: Final = structlog.get_logger("runstudio.alerts")


class Alerts:
    """A part of the worker process."""

    def __init__(
        self, context: OperationContext, sender: Sender, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``clock``: seconds from any moment on, never set back."""
        self._context = context
        self._sender = sender
        self._clock = clock
        self._find_at = clock()

    async def run(self, report: PartReport) -> None:
        """Find and tell until the process stops."""

        async def once() -> None:
            # By time, not by turns: with slow receivers these take long.
            if self._clock() >= self._find_at:
                self._find_at = self._clock() + SECONDS
                await self._find(report)
            done = await send_due(self._context, self._sender, lambda: not report.stopping.is_set())
            if done.sent or done.failed:
                _SENT.inc(done.sent)
                _NOT_SENT.inc(done.failed)
                _LOG.info("alerts", sent=done.sent, not_sent=done.failed)

        await report.repeat(SENDING_SECONDS, once)

    async def _find(self, report: PartReport) -> None:
        store = self._context.store
        async with leased(store, ALERTS.name, self._context.actor.name) as lease:
            if lease is None:
                await require_done(store, ALERTS)
                return
            found = await find_and_put(self._context)
            # A rule that breaks is no reason to take a worker out of service.
            report.facts["broken"] = list(found.broken)
            async with writing(store) as connection:
                await delete_settled(connection, _DELETED_AT_ONCE)
