"""What was done in a round, in its order, and what was accepted: the promises that are looked at afterwards."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Violation:
    """Something that must never be."""

    invariant: str
    message: str
    run_id: str | None = None

    def __str__(self) -> str:
        return f"{self.invariant}: {self.message}" + ("" if self.run_id is None else f" (run {self.run_id})")


@dataclass
class Journal:
    """Of one round."""

    counts: Counter[str] = field(default_factory=Counter)
    """By word: operations, faults, refusals."""
    lines: list[str] = field(default_factory=list)
    launches: dict[str, str] = field(default_factory=dict)
    """Idempotency key: run id."""
    replays: dict[str, str] = field(default_factory=dict)
    """The same of replays."""
    events: set[str] = field(default_factory=set)
    """Ids that were accepted."""
    fired: set[str] = field(default_factory=set)
    """Those of them that start a run each."""
    canceled: set[str] = field(default_factory=set)
    """Ids of runs whose cancel was accepted."""
    paused: Counter[str] = field(default_factory=Counter)
    """By workflow: accepted pauses, each of which was ended again."""
    answered: set[str] = field(default_factory=set)
    """Ids of tasks whose answer was accepted."""
    found: list[Violation] = field(default_factory=list)
    """What was seen at once."""
    rows_lost: bool = False
    """Whether Postgres is an earlier one than it was: then what was accepted since is not to be found."""
    began: float = field(default_factory=time.monotonic)

    def note(self, word: str, about: str = "") -> None:
        """Count something, and write it down."""
        self.counts[word] += 1
        self.tell(f"{word} {about}".rstrip())

    def tell(self, line: str) -> None:
        """Write something down with its second."""
        self.lines.append(f"{time.monotonic() - self.began:7.2f} {line}")
