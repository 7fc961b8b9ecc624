"""Facts and findings of a diagnosis, and how durations and times are written in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from engine.operations.diagnosis.temporal_facts import Execution, TemporalFacts
from engine.records import RunRow
from engine.store.runs.diagnosing import RowFacts
from engine.store.runs.runs import Run
from engine.store.tenant.workers import SeenWorker
from engine.wording import span

POLL_SECONDS: Final = 75.0
"""A poll lasts a minute; a poller that was last heard of longer ago has gone without saying so."""
_TEXT_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the rules look at."""

    now: datetime
    """The server's clock."""
    view: RunRow
    """The run as it is shown, redacted."""
    rows: RowFacts
    temporal: TemporalFacts | None
    """None: not asked, or it did not answer."""
    unreachable: str = ""
    """Why Temporal could not be asked."""
    disagreeing: str | None = None
    """What is the case, when its rows and its execution stand at different records."""
    launch_error: str | None = None
    """Redacted."""
    hide: Callable[[str], str] = str
    """Redacts a text that comes from outside the views."""

    @property
    def run(self) -> Run:
        """The row."""
        return self.rows.run

    @property
    def execution(self) -> Execution | None:
        """The execution, when Temporal told."""
        return None if self.temporal is None else self.temporal.execution

    @property
    def alive(self) -> tuple[SeenWorker, ...]:
        """Workers with a recent heartbeat."""
        return tuple(worker for worker in self.rows.workers if worker.alive)

    def pollers(self) -> tuple[str, ...]:
        """Identities that poll now: heard of lately, and not known to be gone."""
        if self.temporal is None:
            return ()
        gone = {worker.identity for worker in self.rows.workers if not worker.alive}
        recent = self.now - timedelta(seconds=POLL_SECONDS)
        return tuple(
            poller.identity
            for poller in self.temporal.queue.pollers
            if poller.last_access >= recent and poller.identity not in gone
        )


def when(at: datetime, now: datetime) -> str:
    """A moment, as a distance and as a clock: ``in 5 s (2026-11-23 10:00:00 UTC)``."""
    seconds = (at - now).total_seconds()
    clock = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"in {span(seconds)} ({clock})" if seconds >= 0 else f"{span(-seconds)} ago ({clock})"


def shortened(text: str) -> str:
    """A text on one line, cut where it gets long."""
    line = " ".join(text.split())
    return line if len(line) <= _TEXT_CHARACTERS else f"{line[:_TEXT_CHARACTERS]}..."
