"""The quota scan: in every worker, one of them at a time by a lease, every five minutes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from prometheus_client import Counter

from engine.operations.context import OperationContext
from engine.operations.duties import require_done
from engine.operations.quota.quota import Scanned, resume_paused_runs
from engine.store.database.leases import leased
from engine.store.tenant.duties import QUOTA_SCAN
from engine.worker.metrics import REGISTRY
from engine.worker.parts import PartReport

SECONDS: Final = 300.0
FRESH_SECONDS: Final = 2 * SECONDS
"""A scan of very many paused runs takes minutes."""

_ASKED: Final = Counter("runstudio_quota_resumed", "Runs asked to go on after a quota pause.", registry=REGISTRY)
_LOG: Final = structlog.get_logger("runstudio.quota_scan")


class QuotaScan:
    """A part of the worker process."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context

    async def run(self, report: PartReport) -> None:
        """Scan until the process stops."""

        async def once() -> None:
            await self.scan(lambda: not report.stopping.is_set())

        await report.repeat(SECONDS, once)

    async def scan(self, keep_on: Callable[[], bool] = lambda: True) -> Scanned:
        """One scan, unless another process is at it. Raises ``Unavailable``, ``EngineError`` (DUTY_OVERDUE)."""
        store = self._context.store
        async with leased(store, QUOTA_SCAN.name, self._context.actor.name) as lease:
            if lease is None:
                await require_done(store, QUOTA_SCAN)
                return Scanned()
            done = await resume_paused_runs(self._context, lambda: lease.held and keep_on())
        if done.asked or done.gone or done.refused:
            _ASKED.inc(done.asked)
            _LOG.info("paused runs asked to go on", asked=done.asked, gone=done.gone, refused=done.refused)
        return done
