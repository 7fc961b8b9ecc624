"""What a reconciler remembers from one look at the two stores to the next: nothing is done at the first look."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

FIRST_SILENT_SECONDS: Final = 15.0
LONGEST_SILENT_SECONDS: Final = 300.0
"""A run that does not answer is left to the others for so long: a worker that has just started answers soon, and one that
cannot do the history again need not be asked at every pass."""
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


@dataclass(frozen=True, slots=True)
class Silence:
    """A run that was asked and did not answer."""

    seconds: float
    until: float
    """``time.monotonic()``."""


@dataclass(slots=True)
class Looks:
    """Of one process; another one begins anew."""

    agreed: dict[str, Seen] = field(default_factory=dict)
    """Runs whose two sides agree, and as what: they are not asked again until one side has moved."""
    suspects: dict[str, Suspect] = field(default_factory=dict)
    silent: dict[str, Silence] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    """Runs of another database that speaks to the same Temporal."""

    def agree(self, run_id: str, seen: Seen) -> None:
        """Nothing is wrong with this run."""
        self.suspects.pop(run_id, None)
        self.silent.pop(run_id, None)
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
        """Leave it to the others for a while, each time in a row for twice as long."""
        now = time.monotonic()
        self.silent = {
            run: silence for run, silence in self.silent.items() if silence.until + LONGEST_SILENT_SECONDS > now
        }
        before = self.silent.get(run_id)
        seconds = FIRST_SILENT_SECONDS if before is None else min(2 * before.seconds, LONGEST_SILENT_SECONDS)
        self.silent[run_id] = Silence(seconds, now + seconds)

    def may_be_asked(self, run_id: str) -> bool:
        """Whether it did not fail to answer lately."""
        silence = self.silent.get(run_id)
        return silence is None or silence.until <= time.monotonic()

    def acted(self, run_id: str) -> None:
        """Something was done about it; it is looked at again."""
        known = self.suspects[run_id]
        self.suspects[run_id] = Suspect(known.standing, time.monotonic(), known.acts + 1)
