"""The sweep of the data store: deletes expired rows, which readers do not see from the moment they expire.

In every worker, one of them at a time by a lease, every minute. It passes over the rows another transaction holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog
from prometheus_client import Counter

from engine.operations.duties import require_done
from engine.store.data.data_store import delete_expired
from engine.store.database.leases import leased
from engine.store.database.transactions import Store, writing
from engine.store.tenant.duties import SWEEP
from engine.worker.metrics import REGISTRY
from engine.worker.parts import PartReport

SECONDS: Final = 60.0
FRESH_SECONDS: Final = 2 * SECONDS + 30.0
BATCH: Final = 1_000
"""Rows one transaction removes, so that none holds locks for long."""
BUDGET_SECONDS: Final = 10.0
"""How long one sweep goes on; the rest is left to the next one."""

_SWEPT: Final = Counter("runstudio_data_store_swept", "Expired rows removed from the data store.", registry=REGISTRY)
_LOG: Final = structlog.get_logger("runstudio.sweep")


class Sweep:
    """A part of the worker process."""

    def __init__(self, store: Store, identity: str) -> None:
        """``identity``: of this worker."""
        self._store = store
        self._identity = identity

    async def run(self, report: PartReport) -> None:
        """Sweep until the process stops."""

        async def once() -> None:
            async with leased(self._store, SWEEP.name, self._identity) as lease:
                if lease is None:
                    await require_done(self._store, SWEEP)
                    return
                removed = await sweep_expired(self._store, keep_on=lambda: lease.held and not report.stopping.is_set())
            if removed:
                _SWEPT.inc(removed)
                _LOG.info("expired rows removed", rows=removed)

        await report.repeat(SECONDS, once)


async def sweep_expired(
    store: Store, *, seconds: float = BUDGET_SECONDS, keep_on: Callable[[], bool] = lambda: True
) -> int:
    """Remove expired rows of all tenants, oldest expiry first, until none is left or ``seconds`` have passed; how many.

    Each batch is a transaction of its own. ``keep_on`` is asked between two of them. Raises ``Unavailable``.
    """
    deadline = time.monotonic() + seconds
    removed = 0
    while keep_on():
        async with writing(store) as connection:
            batch = await delete_expired(connection, BATCH)
        removed += batch
        if batch < BATCH or time.monotonic() >= deadline:
            break
    return removed
