"""The time of a case on a server whose clock runs by itself.

In a case, time moves only by ``advance``; on a real server it also passes while an operation is done. So the time of a case is
computed from what the run recorded: a wait opens where the one before it ended, a timer goes off its own length later, and
everything else happens at the moment of the operation that caused it. All times are whole milliseconds, those of the case
since its start, those of the server since 1970.

A case may be played in slow motion, with all its durations longer by one factor; what is told of it is made shorter again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from engine.interpreter.times import iso_of, milliseconds_of, parse_instant
from tests.conformance.stored_case import StoredRun, StoredWait

CASE_START = datetime(2026, 1, 1, tzinfo=UTC)
_START = milliseconds_of(CASE_START)
DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
"""A date or a time inside a text."""
_FOREVER = 1 << 62


class CaseTime:
    """Follows the runs of one case. ``now`` is moved by whoever plays the script.

    Times are those of the case as it is played.
    """

    def __init__(self, written: dict[str, str] | None = None, slowness: int = 1) -> None:
        """``written``: dates of the moved case, and what its author wrote."""
        self.now = 0
        self._written = written or {}
        self._slowness = slowness
        self._instants: dict[int, int] = {}
        for moved, original in self._written.items():
            self._instants[parse_instant(moved)] = (parse_instant(original) - _START) * slowness
        self._known = dict(self._instants)
        self._began: dict[str, int] = {}
        self._opened: dict[str, int] = {}
        self._due: dict[str, int] = {}
        self._ended: dict[str, int] = {}
        self._stood_still: list[tuple[int, int, int]] = []
        """(from, to, time of the case): the server's clock ran, that of the case did not."""

    # --- following --------------------------------------------------------------------------------------------------

    def follow(self, runs: Sequence[StoredRun]) -> None:
        """Take in what has been recorded since."""
        self._stood_still = []
        by_id = {run.id: run for run in runs}
        for run in runs:
            if run.parent not in by_id:
                self._follow_run(run, by_id)

    def _follow_run(self, run: StoredRun, by_id: dict[str, StoredRun]) -> int:
        """When the run got as far as it is."""
        reached = self._began.setdefault(run.id, self.now)
        since = 0
        for wait in run.waits:
            self._stood_still.append((since, wait.opened, reached))
            reached = self._opened.setdefault(wait.id, reached)
            self._known[wait.opened] = reached
            if wait.due is not None:
                self._due[wait.id] = self._due_time(wait, reached)
                self._known[wait.due] = self._due[wait.id]
            child = by_id.get(wait.key or "") if wait.type == "child" else None
            if child is not None:
                self._began.setdefault(child.id, reached)
                child_reached = self._follow_run(child, by_id)
            if wait.ended is None:
                return reached
            if child is not None and not child.active and wait.status == "RESOLVED":
                reached = child_reached
            elif ended_by_its_timer(wait):
                reached = max(reached, self._due[wait.id])
            else:
                reached = self._ended.get(wait.id, max(self.now, reached))
            self._ended[wait.id] = reached
            self._known[wait.ended] = reached
            since = wait.ended
        self._stood_still.append((since, _FOREVER, reached))
        return reached

    def _due_time(self, wait: StoredWait, opened: int) -> int:
        due = wait.due or 0
        if due in self._instants:
            return self._instants[due]
        if wait.type == "quota":
            return _months_later(wait) * self._slowness
        return opened + due - wait.opened

    # --- asking -----------------------------------------------------------------------------------------------------

    def opened(self, wait: StoredWait) -> int:
        """When the wait opened."""
        return self._opened[wait.id]

    def due(self, wait: StoredWait) -> int | None:
        """When it is, or was, to end by itself."""
        return self._due.get(wait.id)

    def passed(self, wait: StoredWait) -> bool:
        """Whether it has ended by the present time of the case, which its timer may have overtaken."""
        return wait.ended is not None and self._ended[wait.id] <= self.now

    def overtaken_by(self, runs: Iterable[StoredRun]) -> StoredWait | None:
        """A wait whose timer has gone off, though in the case it is not yet due."""
        waits = (wait for run in runs for wait in run.waits)
        return next((wait for wait in waits if ended_by_its_timer(wait) and not self.passed(wait)), None)

    def length(self, wait: StoredWait) -> int:
        """How long the wait was to last, as the author of the case meant it."""
        return ((self.due(wait) or 0) - self.opened(wait)) // self._slowness

    def text_of(self, milliseconds: int | None) -> str | None:
        """A time of the case in ISO-8601, as its author meant it."""
        return None if milliseconds is None else iso_of(_START + milliseconds // self._slowness)

    def translated(self, value: Any, since: int, until: int) -> Any:
        """The value with each time the server's clock showed between ``since`` and ``until`` replaced by the case's."""
        if isinstance(value, str):
            return DATE.sub(lambda found: self._translated_token(found.group(), since, until), value)
        if isinstance(value, list):
            return [self.translated(item, since, until) for item in value]
        if isinstance(value, dict):
            return {name: self.translated(item, since, until) for name, item in value.items()}
        return value

    def _translated_token(self, token: str, since: int, until: int) -> str:
        if token in self._written:
            return self._written[token]
        if not token.endswith("Z"):
            return token
        try:
            instant = parse_instant(token)
        except ValueError:
            return token
        known = self._known.get(instant)
        if known is None and since <= instant <= until:
            known = next((time for begin, end, time in self._stood_still if begin <= instant <= end), None)
        return self.text_of(known) or token


def _months_later(wait: StoredWait) -> int:
    """The end of a quota's period: a month begins as many months after the case's start as after the wait's."""
    began = datetime.fromtimestamp(wait.opened / 1000, UTC)
    ends = datetime.fromtimestamp((wait.due or 0) / 1000, UTC)
    months = (ends.year - began.year) * 12 + ends.month - began.month
    return milliseconds_of(CASE_START.replace(year=2026 + months // 12, month=1 + months % 12)) - _START


def ended_by_its_timer(wait: StoredWait) -> bool:
    """Whether nobody but the clock ended the wait."""
    return wait.status == ("TIMED_OUT" if wait.type == "event" else "RESOLVED") and wait.type in (
        "time",
        "retry",
        "event",
    )
