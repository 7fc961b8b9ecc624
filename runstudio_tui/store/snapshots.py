"""The snapshots of one run from before the cutover: the list once, the bodies of those that are looked at."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.records import Document, Json, Snapshot
from runstudio_tui.ports import RunsReading
from runstudio_tui.store.run import SETTLE, Body, OnDemand
from runstudio_tui.store.session import Studio

BODIES_KEPT: Final = 8
"""Bodies kept from before, so that one step on reads one body: they never change."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A snapshot with its body, and with that of the one before it."""

    snapshot: Snapshot
    body: Document
    earlier: Document | None
    """None for the first one."""


def size_and_limit(body: Document) -> tuple[int, int] | None:
    """Of a snapshot that was too large to be kept: its bytes, and how many were kept at most. None of any other."""
    marker: Json = body.value
    if not isinstance(marker, dict) or marker.get("truncated") is not True:
        return None
    sizes = (marker.get("size"), marker.get("max"))
    return (int(sizes[0] or 0), int(sizes[1] or 0)) if all(isinstance(size, int | None) for size in sizes) else (0, 0)


class SnapshotsStore:
    """Nothing is read before somebody looks; a run from before the cutover never changes, so nothing is read twice."""

    def __init__(self, studio: Studio, run_id: str, changed: Callable[[], None]) -> None:
        self._runs: RunsReading = studio.backend.runs
        self._run_id = run_id
        self._listing: OnDemand[tuple[Snapshot, ...]] = OnDemand(self._fetch_list, changed, clock=studio.clock)
        self._envelopes: OnDemand[Envelope] = OnDemand(self._fetch_envelope, changed, clock=studio.clock, settle=SETTLE)
        self._bodies: OrderedDict[str, Document] = OrderedDict()

    async def _fetch_list(self, _: object) -> tuple[Snapshot, ...]:
        return await self._runs.snapshots(self._run_id)

    async def _fetch_envelope(self, key: object) -> Envelope:
        place = next(place for place, snapshot in enumerate(self.all) if snapshot.snapshot_id == key)
        earlier = await self._body(self.all[place - 1].snapshot_id) if place else None
        return Envelope(self.all[place], await self._body(self.all[place].snapshot_id), earlier)

    async def _body(self, snapshot_id: str) -> Document:
        found = self._bodies.get(snapshot_id)
        if found is None:
            found = self._bodies[snapshot_id] = await self._runs.snapshot_body(self._run_id, snapshot_id)
        self._bodies.move_to_end(snapshot_id)
        while len(self._bodies) > BODIES_KEPT:
            self._bodies.popitem(last=False)
        return found

    @property
    def listing(self) -> Body[tuple[Snapshot, ...]] | None:
        """The list, as far as it is known; None before anybody looked."""
        return self._listing.body

    @property
    def all(self) -> tuple[Snapshot, ...]:
        """Oldest first; none before the list has come."""
        body = self._listing.body
        return (body.value or ()) if body is not None else ()

    @property
    def envelope(self) -> Body[Envelope] | None:
        """The snapshot that is looked at."""
        return self._envelopes.body

    def read(self, *, again: bool = False) -> None:
        """Read the list, if that was not done; ``again`` also after it could not be read."""
        body = self._listing.body
        self._listing.look_at("snapshots", again=again and body is not None and body.error is not None)

    def look_at(self, snapshot_id: str | None, *, again: bool = False) -> None:
        """Another snapshot is under the cursor; ``again`` after it could not be read."""
        if snapshot_id is not None:
            body = self._envelopes.body
            self._envelopes.look_at(snapshot_id, again=again and body is not None and body.error is not None)

    def stop(self) -> None:
        """Give up what is on its way."""
        self._listing.stop()
        self._envelopes.stop()
