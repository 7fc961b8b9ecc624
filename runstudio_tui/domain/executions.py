"""What did run: the step rows of one run, indexed so that the tree only looks at what it shows.

A run may have tens of thousands of rows (loops); rows arrive in pages and change while the run goes on.
"""

from __future__ import annotations

import re
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from runstudio_tui.domain.models import Step, StepRowId, StepStatus

_BODY: Final = re.compile(r"\.body\.")


@dataclass(slots=True)
class _Tally:
    """How the rows inside one iteration of a loop stand."""

    running: int = 0
    failed: int = 0
    canceled: int = 0
    ended: int = 0


def enclosing_loops(path: str, iteration: str) -> list[tuple[str, str]]:
    """``(path of the loop step, iteration inside it)`` from the outside in: what must be unfolded to see a step."""
    indexes = iteration.split(".") if iteration else []
    loops = [path[: match.start()] for match in _BODY.finditer(path)]
    return [(loop, ".".join(indexes[: depth + 1])) for depth, loop in enumerate(loops[: len(indexes)])]


class Executions:
    """Step rows by where they ran. Rows of one place are ordered by visit."""

    def __init__(self) -> None:
        self._rows: dict[StepRowId, Step] = {}
        self._places: dict[tuple[str, str], list[StepRowId]] = defaultdict(list)
        self._iterations: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._tallies: dict[tuple[str, str], _Tally] = defaultdict(_Tally)
        self.version = 0
        """Rises with every change: what was built from an older version is out of date."""

    def __len__(self) -> int:
        return len(self._rows)

    def apply(self, steps: Iterable[Step]) -> bool:
        """Take over new and changed rows; True when anything differs from what was known."""
        changed = False
        for step in steps:
            known = self._rows.get(step.row_id)
            if known == step:
                continue
            changed = True
            if known is None:
                self._place(step)
            else:
                self._count(known, -1)
            self._rows[step.row_id] = step
            self._count(step, +1)
        if changed:
            self.version += 1
        return changed

    def get(self, row_id: str) -> Step | None:
        """The row with that id."""
        return self._rows.get(StepRowId(row_id))

    def at(self, path: str, iteration: str) -> tuple[Step, ...]:
        """Executions of a step in one iteration, by visit."""
        rows = [self._rows[row_id] for row_id in self._places.get((path, iteration), ())]
        return tuple(sorted(rows, key=lambda step: step.visit))

    def iterations(self, loop_path: str, iteration: str) -> list[int]:
        """Indexes of the loop's iterations seen so far, ascending; ``iteration`` is the one the loop itself runs in."""
        return self._iterations.get((loop_path, iteration), [])

    def iteration_status(self, loop_path: str, inner: str) -> StepStatus:
        """How iteration ``inner`` of a loop stands, judged by the rows inside it."""
        tally = self._tallies[(loop_path, inner)]
        if tally.running:
            return StepStatus.STARTED
        if tally.failed:
            return StepStatus.FAILED
        return StepStatus.CANCELED if tally.canceled else StepStatus.SUCCEEDED

    def all(self) -> Iterable[Step]:
        """Every row, in the order it first arrived."""
        return self._rows.values()

    def focus(self) -> Step | None:
        """The row an operator wants to see first: the unhandled failure, else what is going on, else the last one."""
        failed = running = last = None
        for step in self._rows.values():
            last = step
            if (
                step.status is StepStatus.FAILED
                and step.handled_by is None
                and (failed is None or _inner(step, failed))
            ):
                failed = step
            if step.status in (StepStatus.STARTED, StepStatus.RETRY_SCHEDULED) and (
                running is None or _inner(step, running)
            ):
                running = step
        return running or failed or last

    def _place(self, step: Step) -> None:
        self._places[(step.path, step.iteration)].append(step.row_id)
        for loop, inner in enclosing_loops(step.path, step.iteration):
            outer, _, index = inner.rpartition(".")
            if index.isdigit():
                known = self._iterations[(loop, outer)]
                number = int(index)
                if not known or number > known[-1]:
                    known.append(number)
                elif number not in known:
                    insort(known, number)

    def _count(self, step: Step, by: int) -> None:
        for loop in enclosing_loops(step.path, step.iteration):
            tally = self._tallies[loop]
            if step.status in (StepStatus.STARTED, StepStatus.RETRY_SCHEDULED):
                tally.running += by
            elif step.status is StepStatus.FAILED and step.handled_by is None:
                tally.failed += by
            elif step.status is StepStatus.CANCELED:
                tally.canceled += by
            else:
                tally.ended += by


def _inner(step: Step, than: Step) -> bool:
    """True when ``step`` is the better of two candidates: deeper, or equally deep and later."""
    depth, other = step.path.count("steps["), than.path.count("steps[")
    return depth >= other
