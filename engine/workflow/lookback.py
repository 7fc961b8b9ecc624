"""How far a run has looked back for early events, so that a loop of waits does not read the same ones at every turn."""

from __future__ import annotations

from typing import Final

MAX_NOTES: Final = 1_000
"""Older ones are forgotten: then the same events are read again, and the machine knows them."""


class Lookback:
    """By event name and key: the arrival number up to which the machine has been given everything."""

    def __init__(self, carried: list[list[str | int | None]] | None = None) -> None:
        """``carried``: what ``to_json`` gave in the execution before this one."""
        self._seen: dict[tuple[str, str | None], int] = {}
        for name, key, arrival in carried or []:
            self._seen[str(name), None if key is None else str(key)] = int(arrival or 0)

    def seen(self, name: str, key: str | None) -> int:
        """Where to go on; 0 when nothing was asked for yet."""
        return self._seen.get((name, key), 0)

    def note(self, name: str, key: str | None, arrival: int) -> None:
        """Everything up to ``arrival`` has been handed over."""
        self._seen[name, key] = max(arrival, self._seen.pop((name, key), 0))
        if len(self._seen) > MAX_NOTES:
            del self._seen[next(iter(self._seen))]

    def to_json(self) -> list[list[str | int | None]]:
        """``[[name, key, arrival]]``, for the next execution."""
        return [[name, key, arrival] for (name, key), arrival in self._seen.items()]
