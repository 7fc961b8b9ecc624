"""Doing something to runs, step by step and without a screen: freeze the targets, look again, act on each on its own, tell."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runstudio_tui.clock import Clock
from runstudio_tui.domain.catalog import CancelRequest, CancelResult, Started, StartRequest
from runstudio_tui.domain.models import Json, RunId, RunRow
from runstudio_tui.ports import Backend, PortError
from runstudio_tui.store.session import Studio

MIN_REASON: Final = 3
_AT_ONCE: Final = 4


class Outcome(StrEnum):
    """How it went for one target."""

    PENDING = "pending"
    DONE = "done"
    ASKED = "asked"
    SKIPPED = "skipped"
    FAILED = "failed"


_OUTCOMES: Final = {
    Outcome.DONE: "canceled",
    Outcome.ASKED: "asked, still cleaning up",
    Outcome.SKIPPED: "skipped",
    Outcome.FAILED: "failed",
    Outcome.PENDING: "not sent",
}


@dataclass(frozen=True, slots=True)
class Target:
    """One run an action is about, as it was when the operator chose it, and what came of it."""

    row: RunRow
    outcome: Outcome = Outcome.PENDING
    text: str = ""
    """One short line: why it is skipped, or what happened."""
    key: str = ""
    """Idempotency key: the same when the action is sent again."""


def not_cancelable(row: RunRow) -> str:
    """Why a run cannot be canceled; empty when it can."""
    if row.status.ended:
        return "already finished"
    if row.read_only:
        return "from before the cutover, read-only"
    return ""


def freeze_cancel(rows: Sequence[RunRow], clock: Clock) -> tuple[Target, ...]:
    """The targets of a cancel, those that cannot be canceled marked as skipped."""
    return tuple(_judged(Target(row, key=clock.unique())) for row in rows)


def _judged(target: Target) -> Target:
    reason = not_cancelable(target.row)
    return Target(
        target.row, Outcome.SKIPPED if reason else Outcome.PENDING, f"skipped: {reason}" if reason else "", target.key
    )


def reason_problem(reason: str) -> str:
    """What is wrong with a reason; empty when nothing is."""
    missing = MIN_REASON - len(reason.strip())
    return f"a reason of at least {MIN_REASON} characters is needed" if missing > 0 else ""


class CancelFlow:
    """Cancels frozen targets. ``targets`` always tells how each stands; ``changed`` is called whenever one moved on."""

    def __init__(self, studio: Studio, rows: Sequence[RunRow], changed: Callable[[], None]) -> None:
        self._studio = studio
        self._changed = changed
        self.targets = freeze_cancel(rows, studio.clock)

    @property
    def eligible(self) -> tuple[Target, ...]:
        """Targets that would be acted on now."""
        return tuple(target for target in self.targets if target.outcome in (Outcome.PENDING, Outcome.FAILED))

    @property
    def summary(self) -> str:
        """How many targets came to what: ``2 canceled, 1 skipped``."""
        counted = Counter(target.outcome for target in self.targets)
        return ", ".join(f"{counted[outcome]} {word}" for outcome, word in _OUTCOMES.items() if counted[outcome])

    async def run(self, reason: str) -> None:
        """Look at the targets again, then cancel those still eligible, at most four at a time. Raises PortError only when
        the second look fails: then nothing was sent. May be run again to repeat what failed."""
        await self._look_again()
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(target: Target) -> None:
            async with limit:
                await self._cancel(target, reason.strip())

        async with asyncio.TaskGroup() as group:
            for target in self.eligible:
                group.create_task(one(target))

    async def _look_again(self) -> None:
        ids = [target.row.run_id for target in self.eligible]
        rows: dict[RunId, RunRow] = {}
        for start in range(0, len(ids), 500):
            reply = await self._studio.backend.runs.rows(ids[start : start + 500])
            rows.update((row.run_id, row) for row in reply.value)
        self.targets = tuple(
            _judged(Target(rows[target.row.run_id], key=target.key)) if target.row.run_id in rows else target
            for target in self.targets
        )
        self._changed()

    async def _cancel(self, target: Target, reason: str) -> None:
        try:
            reply = await self._studio.backend.control.cancel(CancelRequest(target.row.run_id, reason, target.key))
        except PortError as error:
            self._settle(
                target, Outcome.FAILED, f"failed: {error.title}" + (f", {error.detail}" if error.detail else "")
            )
            return
        except Exception as error:  # noqa: BLE001 - a bug with one target must not leave the others unsettled
            self._studio.report_bug(error)
            self._settle(target, Outcome.FAILED, "failed: internal error, see the log file")
            return
        match reply.value:
            case CancelResult.CANCELED:
                self._settle(target, Outcome.DONE, "canceled")
            case CancelResult.REQUESTED:
                self._settle(target, Outcome.ASKED, "asked, still cleaning up")
            case CancelResult.ALREADY_ENDED:
                self._settle(target, Outcome.SKIPPED, "skipped: finished meanwhile")

    def _settle(self, target: Target, outcome: Outcome, text: str) -> None:
        settled = Target(target.row, outcome, text, target.key)
        self.targets = tuple(settled if known.key == target.key else known for known in self.targets)
        self._changed()


async def start_run(backend: Backend, workflow_id: str, version: int, payload: Json, key: str) -> Started:
    """Start a run; sending it again with the same key starts nothing twice. Raises PortError."""
    reply = await backend.control.start(StartRequest(workflow_id, version, payload, key))
    return reply.value
