"""The projection of a run in memory: the latest record of each step and wait, for hosts without a database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.definition.step_ref import StepRef
from engine.interpreter.effects import LogRecord, PureCall, Record, StepRecord, WaitRecord

StepKey = tuple[str, str, int]
WaitKey = tuple[str, str, int, str, int]

_OPEN = ("STARTED", "WAITING")


@dataclass(frozen=True, slots=True)
class PureAttempt:
    """One attempt of a pure action."""

    step: StepRef
    attempt: int
    call: PureCall


def key_of(step: StepRef) -> StepKey:
    """(path, iteration, visit): one execution of a step within its run."""
    return (step.path, step.iteration, step.visit)


@dataclass(slots=True)
class Ledger:
    """The latest record of each step and wait, in the order in which they were opened."""

    _steps: dict[StepKey, StepRecord] = field(default_factory=dict)
    _waits: dict[WaitKey, WaitRecord] = field(default_factory=dict)
    _opened: dict[WaitKey, str] = field(default_factory=dict)
    logs: list[LogRecord] = field(default_factory=list)
    pure_attempts: list[PureAttempt] = field(default_factory=list)

    def add(self, trace: Iterable[Record]) -> None:
        """Take in a trace. A terminal state is never replaced; of two others the later one counts."""
        for record in trace:
            if isinstance(record, StepRecord):
                self._add_step(record)
            elif isinstance(record, WaitRecord):
                key = _wait_key(record)
                known = self._waits.get(key)
                self._opened.setdefault(key, record.at)
                if known is None or (known.status in _OPEN and known.seq < record.seq):
                    self._waits[key] = record
            else:
                self.logs.append(record)

    def _add_step(self, record: StepRecord) -> None:
        if record.call is not None:
            self.pure_attempts.append(PureAttempt(record.step, record.attempt, record.call))
        key = key_of(record.step)
        known = self._steps.get(key)
        if known is None or (known.status in _OPEN and known.seq < record.seq):
            self._steps[key] = record

    @property
    def steps(self) -> list[StepRecord]:
        """Every execution of every step."""
        return list(self._steps.values())

    @property
    def waits(self) -> list[WaitRecord]:
        """Every wait, back-offs and children included."""
        return list(self._waits.values())

    def opened_at(self, wait: WaitRecord) -> str:
        """When the wait was opened; its record says when it came to its present status."""
        return self._opened[_wait_key(wait)]

    def step(self, step: StepRef) -> StepRecord | None:
        """The latest record of one execution."""
        return self._steps.get(key_of(step))


def _wait_key(wait: WaitRecord) -> WaitKey:
    return (*key_of(wait.step), wait.wait_type, wait.attempt)
