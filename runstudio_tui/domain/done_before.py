"""What a run already did to the world outside, and what of it a replay does again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.records import Attempt, AttemptStatus, ReplayPreview, Step
from engine.wording import counted
from runstudio_tui.domain.step_places import Place, place_of
from runstudio_tui.text import safe


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a step."""

    path: str
    iteration: str
    certain: bool = True
    """An attempt succeeded. Otherwise it was tried, and nobody knows whether it acted before it failed or was given up."""

    @property
    def place(self) -> Place:
        """Orders executions as a run makes them."""
        return place_of(self.path, self.iteration)


@dataclass(frozen=True, slots=True)
class Done:
    """What one step's action did, and what it may have done."""

    step: str
    """The author's id of the step, or its path where that is not known. Safe to draw."""
    action: str
    """``pay.charge@1``. Safe to draw."""
    executions: tuple[Execution, ...]
    """Never empty; in the order in which they were done."""

    @property
    def times(self) -> int:
        """How often it was done for certain."""
        return sum(1 for made in self.executions if made.certain)

    @property
    def tried(self) -> int:
        """How often it was tried without an answer that says it was done."""
        return len(self.executions) - self.times

    @property
    def text(self) -> str:
        """``charge-card (pay.charge)``, ``price (http.request, 12 times)``, ``notify (mail.send, tried, may have acted)``."""
        told = [self.action.partition("@")[0]]
        if self.times > 1:
            told.append(counted(self.times, "time"))
        if self.tried and self.times:
            told.append(f"{self.tried:,} more tried, which may have acted")
        elif self.tried > 1:
            told.append(f"tried {counted(self.tried, 'time')}, may have acted")
        elif self.tried:
            told.append("tried, may have acted")
        return f"{self.step} ({', '.join(told)})"


def done_before(attempts: Sequence[Attempt], steps: Sequence[Step]) -> tuple[Done, ...]:
    """By step and action, in the order in which they were first done or tried."""
    names = {step.path: step.step_id for step in steps}
    found: dict[tuple[str, str], dict[tuple[str, int], Execution]] = {}
    for attempt in attempts:
        executions = found.setdefault((attempt.path, attempt.action), {})
        key = (attempt.iteration, attempt.visit)
        succeeded = attempt.status is AttemptStatus.SUCCEEDED
        if succeeded or key not in executions:
            executions[key] = Execution(attempt.path, attempt.iteration, succeeded)
    return tuple(
        Done(safe(names.get(path) or path), safe(action), tuple(made.values()))
        for (path, action), made in found.items()
    )


@dataclass(frozen=True, slots=True)
class Again:
    """What was done, by what a preview says of it."""

    same: tuple[Done, ...]
    """Is done again, with the same input."""
    unknown: tuple[Done, ...]
    """Lies where the preview stops or behind that: nobody knows whether it is done again, and with what."""
    left_out: tuple[Done, ...]
    """Is not done again."""


def done_again(done: Sequence[Done], preview: ReplayPreview) -> Again:
    """What a replay does again of what its source did."""
    dropped = {(change.path, change.iteration) for change in preview.differences if change.kind == "dropped"}
    stop = preview.stop
    end = Execution(stop.path, stop.iteration).place if stop is not None and stop.path is not None else None

    def is_left_out(made: Execution) -> bool:
        return (made.path, made.iteration) in dropped

    def is_unknown(made: Execution) -> bool:
        return end is not None and made.place >= end and not is_left_out(made)

    return Again(
        _those(done, lambda made: not is_left_out(made) and not is_unknown(made)),
        _those(done, is_unknown),
        _those(done, is_left_out),
    )


def _those(done: Sequence[Done], wanted: Callable[[Execution], bool]) -> tuple[Done, ...]:
    chosen = ((entry, tuple(filter(wanted, entry.executions))) for entry in done)
    return tuple(replace(entry, executions=executions) for entry, executions in chosen if executions)
