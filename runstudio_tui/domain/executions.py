"""What did run: the step rows of one run, indexed so that the tree only looks at what it shows.

A run may have tens of thousands of rows (loops); rows arrive in pages and change while the run goes on.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from engine.records import Step, StepStatus
from runstudio_tui.domain.definition import BLOCKS
from runstudio_tui.domain.step_places import absorber_of, enclosing_blocks, enclosing_loops, place_of

_GOING_ON: Final = (StepStatus.STARTED, StepStatus.RETRY_SCHEDULED)

Span = tuple[datetime | None, datetime | None]
"""When something began and ended; None: not yet."""


@dataclass(slots=True)
class Inside:
    """How the rows inside a block, or inside one iteration of a loop, stand."""

    running: int = 0
    failed: int = 0
    canceled: int = 0
    first: datetime | None = None
    last: datetime | None = None

    @property
    def status(self) -> StepStatus:
        """All of them together."""
        if self.running:
            return StepStatus.STARTED
        if self.failed:
            return StepStatus.FAILED
        return StepStatus.CANCELED if self.canceled else StepStatus.SUCCEEDED


class Executions:
    """Step rows by where they ran. Rows of one place are ordered by visit."""

    def __init__(self) -> None:
        self._rows: dict[str, Step] = {}
        self._places: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._iterations: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._in_blocks: dict[tuple[str, str], Inside] = defaultdict(Inside)
        self._in_iterations: dict[tuple[str, str], Inside] = defaultdict(Inside)
        self._failed_iterations: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._still_in: frozenset[tuple[str, str]] = frozenset()
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

    def run_is_at(self, path: str | None, iteration: str) -> None:
        """Say at which step a live run is (None: at none, or it is over): the blocks around it go on, also between two steps."""
        self._still_in = frozenset(enclosing_blocks(path, iteration)) if path else frozenset()

    def get(self, row_id: str) -> Step | None:
        """The row with that id."""
        return self._rows.get(row_id)

    def at(self, path: str, iteration: str) -> tuple[Step, ...]:
        """Executions of a step in one iteration, by visit."""
        rows = [self._rows[row_id] for row_id in self._places.get((path, iteration), ())]
        return tuple(sorted(rows, key=lambda step: step.visit))

    def iterations(self, loop_path: str, iteration: str) -> list[int]:
        """Indexes of the loop's iterations seen so far, ascending; ``iteration`` is the one the loop itself runs in."""
        return self._iterations.get((loop_path, iteration), [])

    def in_iteration(self, loop_path: str, inner: str) -> Inside:
        """The rows inside iteration ``inner`` of a loop."""
        return self._in_iterations[(loop_path, inner)]

    def iteration_status(self, loop_path: str, inner: str) -> StepStatus:
        """How iteration ``inner`` of a loop stands, judged by the rows inside it."""
        return self.in_iteration(loop_path, inner).status

    def failed_iterations(self, loop_path: str, iteration: str) -> int:
        """How many iterations of a loop failed, also those whose failure the loop took; ``iteration`` as in ``iterations``."""
        return len(self._failed_iterations.get((loop_path, iteration), ()))

    def failure_from(self, path: str, iteration: str, by: int, *, inside: bool) -> Step | None:
        """The failed step after a place (or before it, -1), around the ends; None: nothing failed. ``inside``: the place is that
        of an iteration, whose own steps come after it."""
        here = place_of(path, iteration)
        if inside:
            here = (*here, int(iteration.rpartition(".")[2]))
        failed = {
            place_of(step.path, step.iteration): step
            for step in self._rows.values()
            if step.status is StepStatus.FAILED
        }
        places = sorted(failed, reverse=by < 0)
        beyond = (place for place in places if (place > here if by > 0 else place < here))
        found = next(beyond, places[0] if places else None)
        return failed[found] if found is not None else None

    def status(self, step: Step) -> StepStatus:
        """How a step stands. A block is written down when it is entered, so what is inside it decides."""
        if step.step_type not in BLOCKS or step.status is not StepStatus.SUCCEEDED:
            return step.status
        place = (step.path, step.iteration)
        return StepStatus.STARTED if place in self._still_in else self._in_blocks[place].status

    def span(self, step: Step) -> Span:
        """When a step began and ended. A block goes from its own beginning to the end of the last step inside it."""
        if step.step_type not in BLOCKS:
            return step.started_at, step.completed_at
        place = (step.path, step.iteration)
        if self.status(step) in _GOING_ON:
            return step.started_at, None
        ends = [at for at in (step.completed_at, self._in_blocks[place].last) if at is not None]
        return step.started_at, max(ends, default=None)

    def iteration_span(self, loop_path: str, inner: str) -> Span:
        """When an iteration of a loop began and ended."""
        inside = self.in_iteration(loop_path, inner)
        return inside.first, None if inside.running else inside.last

    def all(self) -> Iterable[Step]:
        """Every row, in the order it first arrived."""
        return self._rows.values()

    def focus(self) -> Step | None:
        """The row an operator wants to see first: what is going on, else the unhandled failure, else the last one."""
        failed = running = last = None
        for step in self._rows.values():
            last = step
            if (
                step.status is StepStatus.FAILED
                and step.handled_by is None
                and (failed is None or _inner(step, failed))
            ):
                failed = step
            if step.status in _GOING_ON and (running is None or _inner(step, running)):
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
        absorber = absorber_of(step.path, step.handled_by)
        for block, place in enclosing_blocks(step.path, step.iteration):
            fails = absorber is not None and (not absorber or block.startswith(f"{absorber}."))
            _add(self._in_blocks[block, place], step, by, fails=fails)
        for loop, inner in enclosing_loops(step.path, step.iteration):
            # An iteration whose failure the loop took failed all the same.
            fails = absorber is not None and f"{loop}.".startswith(f"{absorber}." if absorber else "")
            _add(self._in_iterations[loop, inner], step, by, fails=fails)
            failed = self._failed_iterations[loop, inner.rpartition(".")[0]]
            (failed.add if self._in_iterations[loop, inner].failed else failed.discard)(inner)


def _add(inside: Inside, step: Step, by: int, *, fails: bool) -> None:
    if step.status in _GOING_ON:
        inside.running += by
    elif step.status is StepStatus.FAILED and fails:
        inside.failed += by
    elif step.status is StepStatus.CANCELED:
        inside.canceled += by
    if by > 0 and step.started_at is not None:
        inside.first = min(inside.first or step.started_at, step.started_at)
        inside.last = max(inside.last or step.started_at, step.completed_at or step.started_at)


def _inner(step: Step, than: Step) -> bool:
    """True when ``step`` is the better of two candidates: deeper, or equally deep and later."""
    depth, other = step.path.count("steps["), than.path.count("steps[")
    return depth >= other
