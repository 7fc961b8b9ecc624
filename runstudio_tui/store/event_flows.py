"""Submitting events, and making dead deliveries again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from engine.errors import EngineError, NotFound
from engine.records import Delivery, EventReceipt, Json
from runstudio_tui.ports import Backend
from runstudio_tui.store.targets import FrozenTargets, Outcome, Result, TargetOf

DEAD: Final = ("failed", "skipped")
_HOPELESS: Final = ("DELIVERY_TARGET_OVER", "DELIVERY_NOT_ROUTABLE", "DELIVERY_WITHOUT_EVENT", "DELIVERY_NOT_FAILED")


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as it was typed; empty texts count as not given."""

    name: str
    key: str
    event_id: str
    schema_ref: str
    payload: Json


async def submit(backend: Backend, event: NewEvent) -> EventReceipt:
    """Submit an event; sending the same id again changes nothing. Raises EngineError."""
    return await backend.events.submit(
        event.name,
        event.payload,
        key=event.key or None,
        event_id=event.event_id or None,
        schema_ref=event.schema_ref or None,
    )


class RedeliverFlow(FrozenTargets[Delivery]):
    """Makes frozen deliveries again."""

    WORDS: ClassVar[dict[Outcome, str]] = {
        Outcome.ASKED: "to be made again",
        Outcome.SKIPPED: "left alone",
        Outcome.FAILED: "failed",
        Outcome.PENDING: "not sent",
    }

    def why_not(self, row: Delivery) -> str:
        """See FrozenTargets."""
        if row.event_id is None:
            return "no event made it; it came too late for its run"
        return "" if row.status in DEAD else f"it is {row.status} by now"

    def key_of(self, row: Delivery) -> str:
        """See FrozenTargets."""
        return row.delivery_id

    async def read_again(self, keys: Sequence[str]) -> list[Delivery]:
        """See FrozenTargets. Deliveries are read with their events."""
        wanted = set(keys)
        events = {target.row.event_id for target in self.targets if target.row.delivery_id in wanted}

        async def of(event_id: str) -> tuple[Delivery, ...]:
            try:
                return (await self._studio.backend.events.get(event_id)).deliveries
            except NotFound:
                return ()

        found = await asyncio.gather(*(of(event_id) for event_id in events if event_id is not None))
        return [delivery for deliveries in found for delivery in deliveries if delivery.delivery_id in wanted]

    async def act(self, target: TargetOf[Delivery], reason: str) -> Result:
        """See FrozenTargets."""
        await self._studio.backend.events.redeliver(target.row.delivery_id, reason)
        return Result(Outcome.ASKED, "a worker makes it again")

    def refused(self, error: EngineError) -> Result:
        """See FrozenTargets: what cannot go otherwise is left alone, and says why."""
        if error.code in _HOPELESS:
            return Result(Outcome.SKIPPED, f"left alone: {error.message}")
        return super().refused(error)
