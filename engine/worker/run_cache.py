"""How many runs a worker keeps between their workflow tasks, by the memory they may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from engine.settings import CACHE_MEGABYTES

KILOBYTES_PER_RUN: Final = 100
"""What a run is counted with. Measured by the benchmark for one that waits and has a payload of 1 kB; two thirds of it are
Temporal's, and each further kB of payload adds about 5."""


@dataclass(frozen=True, slots=True)
class RunCache:
    """The limit of a worker's cache."""

    megabytes: int

    @property
    def runs(self) -> int:
        """Runs that fit; a run beyond them makes room by dropping the one that was not needed for longest."""
        return self.megabytes * 1000 // KILOBYTES_PER_RUN

    def to_json(self) -> dict[str, Any]:
        """``{runs, megabytes}``."""
        return {"runs": self.runs, "megabytes": self.megabytes}


USUAL: Final = RunCache(CACHE_MEGABYTES)
"""The cache of a worker that was told nothing."""
