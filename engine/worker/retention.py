"""The retention: in every worker, one of them at a time by a lease, every ten minutes."""

from __future__ import annotations

from typing import Final

import structlog
from prometheus_client import Counter

from engine.operations.context import OperationContext
from engine.operations.duties import require_done
from engine.operations.keeping.retention import apply_retention
from engine.store.database.leases import leased
from engine.store.tenant.duties import RETENTION
from engine.worker.metrics import REGISTRY
from engine.worker.parts import PartReport

SECONDS: Final = 600.0
FRESH_SECONDS: Final = 2 * SECONDS

_DELETED: Final = Counter("runstudio_retention_deleted", "Runs deleted by rules.", registry=REGISTRY)
_LOG: Final = structlog.get_logger("runstudio.retention")


class Retention:
    """A part of the worker process."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context

    async def run(self, report: PartReport) -> None:
        """Delete what is too old until the process stops."""

        async def once() -> None:
            store = self._context.store
            async with leased(store, RETENTION.name, self._context.actor.name) as lease:
                if lease is None:
                    await require_done(store, RETENTION)
                    return
                done = await apply_retention(self._context, keep_on=lambda: lease.held and not report.stopping.is_set())
            # A rule that breaks is no reason to take a worker out of service.
            report.facts["broken"] = list(done.broken)
            if done.runs or done.bodies or done.events:
                _DELETED.inc(done.runs)
                _LOG.info("old runs deleted", runs=done.runs, bodies=done.bodies, events=done.events)

        await report.repeat(SECONDS, once)
