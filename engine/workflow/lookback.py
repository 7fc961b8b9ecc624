"""How far a run has looked back for early events, so that a loop of waits does not read the same ones at every turn."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, NamedTuple

MAX_NOTES: Final = 1_000
"""Older ones are forgotten: then the same events are read again, and the machine knows them."""


class Place(NamedTuple):
    """What a run looks back for."""

    name: str
    key: str | None
    filters: str
    """Digest of the filters; empty when there are none."""


class Lookback:
    """By place: the arrival number up to which the machine has been given everything that passes the filters.

    What filters have refused is not in the machine, so a wait with other filters looks back from the beginning.
    """

    def __init__(self, carried: list[Any] | None = None, filtered: list[Any] | None = None) -> None:
        """``carried`` and ``filtered``: what ``to_json`` and ``filtered_to_json`` gave in the execution before this one."""
        self._seen: dict[Place, int] = {}
        for name, key, arrival in carried or []:
            self._seen[Place(str(name), None if key is None else str(key), "")] = int(arrival or 0)
        for name, key, filters, arrival in filtered or []:
            self._seen[Place(name, key, filters)] = int(arrival)

    @staticmethod
    def place(name: str, key: str | None, filters: list[Any]) -> Place:
        """The place of a wait."""
        if not filters:
            return Place(name, key, "")
        text = json.dumps(filters, sort_keys=True, separators=(",", ":"))
        return Place(name, key, hashlib.sha256(text.encode()).hexdigest()[:32])

    def seen(self, place: Place) -> int:
        """Where to go on; 0 when nothing was asked for yet. What was given without a filter needs no second look with one."""
        return max(self._seen.get(place, 0), self._seen.get(place._replace(filters=""), 0))

    def note(self, place: Place, arrival: int) -> None:
        """Everything up to ``arrival`` has been handed over."""
        self._seen[place] = max(arrival, self._seen.pop(place, 0))
        if len(self._seen) > MAX_NOTES:
            del self._seen[next(iter(self._seen))]

    @property
    def latest(self) -> int:
        """The highest number of arrival that was handed over; 0: none."""
        return max(self._seen.values(), default=0)

    def to_json(self) -> list[list[str | int | None]]:
        """``[[name, key, arrival]]`` of what has no filters, for the next execution."""
        return [[place.name, place.key, arrival] for place, arrival in self._seen.items() if not place.filters]

    def filtered_to_json(self) -> list[list[str | int | None]]:
        """``[[name, key, digest, arrival]]`` of what has, beside the other: an earlier build does not know it."""
        return [[*place, arrival] for place, arrival in self._seen.items() if place.filters]
