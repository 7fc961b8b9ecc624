"""Leases quota units to a run that has none left, or makes it wait for them."""

from __future__ import annotations

from temporalio import activity

from engine.activities.dependencies import ActivityDependencies
from engine.activities.errors import require_repeat
from engine.fault_points import reach
from engine.interpreter.times import milliseconds_of
from engine.store.quota.quota import LEASE_BLOCK, Reservation, reserve
from engine.store.trace.projection import Progress
from engine.workflow.encoding import decode_step, decode_trace
from engine.workflow.wire import RESERVE_QUOTA, ReserveQuotaInput, ReserveQuotaOutput


class ReserveQuota:
    """See the module."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._store = dependencies.store

    @activity.defn(name=RESERVE_QUOTA)
    async def reserve_quota(self, request: ReserveQuotaInput) -> ReserveQuotaOutput:
        """Repeatable: a repeat gives the units of the first time."""
        reach("reserve_quota.before")
        progress = Progress(request["run"], decode_trace(request["trace"]), request["seq"], request["steps"])
        reservation = await reserve(self._store, progress, decode_step(request["step"]), request["since"])
        if reservation is None:
            await require_repeat(self._store, progress)
            # The steps to come were counted when they were done.
            reservation = Reservation(True, LEASE_BLOCK)
        reach("reserve_quota.after")
        until = reservation.waited_until
        at = None if until is None else milliseconds_of(until)
        return {"granted": reservation.granted, "units": reservation.units, "at": at}
