"""Doing one thing to several records: freeze them, look again, act on each on its own, and tell how each went."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Generic, TypeVar

from engine.errors import EngineError
from engine.records import RunRow
from runstudio_tui.store.session import Studio

MIN_REASON: Final = 3
_AT_ONCE: Final = 4
_PER_READ: Final = 500


class Outcome(StrEnum):
    """How it went for one target."""

    PENDING = "pending"
    DONE = "done"
    ASKED = "asked"
    SKIPPED = "skipped"
    FAILED = "failed"


Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class TargetOf(Generic[Row]):
    """One record an action is about, as it was when the operator chose it, and what came of it."""

    row: Row
    outcome: Outcome = Outcome.PENDING
    text: str = ""
    """One short line: why it is skipped, or what happened."""
    made: str = ""
    """Id of the run that came of it; empty for none."""


Target = TargetOf[RunRow]
"""One run an action is about."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of acting on one target."""

    outcome: Outcome
    text: str
    made: str = ""


def reason_problem(reason: str) -> str:
    """What is wrong with a reason; empty when nothing is."""
    missing = MIN_REASON - len(reason.strip())
    return f"a reason of at least {MIN_REASON} characters is needed" if missing > 0 else ""


class FrozenTargets(ABC, Generic[Row]):
    """Acts on frozen targets. ``targets`` always tells how each stands; ``changed`` is called whenever one moved on."""

    WORDS: ClassVar[dict[Outcome, str]]
    """What each outcome is called, in the order of a summary."""

    def __init__(self, studio: Studio, rows: Sequence[Row], changed: Callable[[], None]) -> None:
        self._studio = studio
        self._changed = changed
        self.targets = tuple(self._judged(row) for row in rows)

    @abstractmethod
    def why_not(self, row: Row) -> str:
        """Why nothing can be done to a record; empty when it can."""

    @abstractmethod
    def key_of(self, row: Row) -> str:
        """The id of a record."""

    @abstractmethod
    async def read_again(self, keys: Sequence[str]) -> Iterable[Row]:
        """Those of the records that exist, as they are now. Raises EngineError."""

    @abstractmethod
    async def act(self, target: TargetOf[Row], reason: str) -> Result:
        """Do it to one target. Raises EngineError when it was refused or failed."""

    def refused(self, error: EngineError) -> Result:
        """What an error of ``act`` means for its target."""
        return Result(Outcome.FAILED, f"failed: {error.sentences}")

    @property
    def eligible(self) -> tuple[TargetOf[Row], ...]:
        """Targets that would be acted on now."""
        return tuple(target for target in self.targets if target.outcome in (Outcome.PENDING, Outcome.FAILED))

    @property
    def summary(self) -> str:
        """How many targets came to what: ``2 canceled, 1 skipped``."""
        counted = Counter(target.outcome for target in self.targets)
        return ", ".join(f"{counted[outcome]} {word}" for outcome, word in self.WORDS.items() if counted[outcome])

    async def run(self, reason: str) -> None:
        """Look at the targets again, then act on those still eligible, at most four at a time. Raises EngineError only when
        the second look fails: then nothing was sent. May be run again to repeat what failed."""
        await self._look_again()
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(target: TargetOf[Row]) -> None:
            async with limit:
                await self._settle(target, reason.strip())

        async with asyncio.TaskGroup() as group:
            for target in self.eligible:
                group.create_task(one(target))

    async def _look_again(self) -> None:
        keys = [self.key_of(target.row) for target in self.eligible]
        rows = {self.key_of(row): row for row in await self.read_again(keys)}
        self.targets = tuple(
            self._judged(rows[self.key_of(target.row)]) if self.key_of(target.row) in rows else target
            for target in self.targets
        )
        self._changed()

    def _judged(self, row: Row) -> TargetOf[Row]:
        reason = self.why_not(row)
        return TargetOf(row, Outcome.SKIPPED, f"skipped: {reason}") if reason else TargetOf(row)

    async def _settle(self, target: TargetOf[Row], reason: str) -> None:
        try:
            result = await self.act(target, reason)
        except EngineError as error:
            result = self.refused(error)
        except Exception as error:  # noqa: BLE001 - a bug with one target must not leave the others unsettled
            self._studio.report_bug(error)
            result = Result(Outcome.FAILED, "failed: internal error, see the log file")
        settled = TargetOf(target.row, result.outcome, result.text, result.made)
        self.targets = tuple(
            settled if self.key_of(known.row) == self.key_of(target.row) else known for known in self.targets
        )
        self._changed()


class TargetsFlow(FrozenTargets[RunRow]):
    """Acts on frozen runs."""

    def key_of(self, row: RunRow) -> str:
        """See FrozenTargets."""
        return row.run_id

    async def read_again(self, keys: Sequence[str]) -> list[RunRow]:
        """See FrozenTargets."""
        rows: list[RunRow] = []
        for start in range(0, len(keys), _PER_READ):
            rows += await self._studio.backend.runs.rows(keys[start : start + _PER_READ])
        return rows
