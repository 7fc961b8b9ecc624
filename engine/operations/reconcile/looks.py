"""What a reconciler remembers from one look at the two stores to the next: nothing is done at the first look."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

SILENT_SECONDS: Final = 300.0
MOST_REMEMBERED: Final = 50_000

Seen = tuple[int, int, datetime]
"""Number of the last event of an execution, last record of its row, and when the row was changed."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A pair that disagreed when it was looked at."""

    standing: Hashable
    """Everything by which it would be seen that one of the two has moved."""
    since: float
    """``time.monotonic()``."""
    acts: int = 0
    """How often something was done about it, as it stands."""


@dataclass(slots=True)
class Looks:
    """Of one process; another one begins anew."""

    agreed: dict[str, Seen] = field(default_factory=dict)
    """Runs whose two sides agree, and as what: they are not asked again until one side has moved."""
    suspects: dict[str, Suspect] = field(default_factory=dict)
    silent: dict[str, float] = field(default_factory=dict)
    """Runs that were asked and did not answer, and until when they are not asked again: ``time.monotonic()``."""

    foreign: set[str] = field(default_factory=set)
    """Runs of another database that speaks to the same Temporal."""

    def agree(self, run_id: str, seen: Seen) -> None:
        """Nothing is wrong with this run."""
        self.suspects.pop(run_id, None)
        if len(self.agreed) >= MOST_REMEMBERED:
            del self.agreed[next(iter(self.agreed))]
        self.agreed[run_id] = seen

    def again(self, run_id: str, standing: Hashable, seconds: float) -> Suspect | None:
        """The suspect, when it was seen just so ``seconds`` ago or earlier; None: this is no second look."""
        known = self.suspects.get(run_id)
        if known is None or known.standing != standing:
            self.suspects[run_id] = Suspect(standing, time.monotonic())
            return None
        return known if time.monotonic() - known.since >= seconds else None

    def leave_alone(self, run_id: str) -> None:
        """It is of another database."""
        self.suspects.pop(run_id, None)
        if len(self.foreign) >= MOST_REMEMBERED:
            self.foreign.clear()
        self.foreign.add(run_id)

    def did_not_answer(self, run_id: str) -> None:
        """Leave it to the others for a while."""
        now = time.monotonic()
        self.silent = {run: until for run, until in self.silent.items() if until > now}
        self.silent[run_id] = now + SILENT_SECONDS

    def may_be_asked(self, run_id: str) -> bool:
        """Whether it did not fail to answer lately."""
        return self.silent.get(run_id, 0.0) <= time.monotonic()

    def acted(self, run_id: str) -> None:
        """Something was done about it; it is looked at again."""
        known = self.suspects[run_id]
        self.suspects[run_id] = Suspect(known.standing, time.monotonic(), known.acts + 1)
