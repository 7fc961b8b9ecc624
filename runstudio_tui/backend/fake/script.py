"""How a run of the fake world goes: a definition walked ahead of time into a list of moments.

The same script serves a run of last week (every moment is past) and one that is going on (the rest is still to come).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from engine.records import ErrorInfo, Json, LogLevel, OpenWait, RunStatus, WaitKind, WaitStatus
from runstudio_tui.backend.fake.run import FakeRun, Place, seconds

Moment = tuple[float, Callable[[FakeRun, datetime], None]]
"""Seconds after the start of the run, and what happens then."""


@dataclass(frozen=True, slots=True)
class Script:
    """What differs from a run in which everything goes well at once. Keys are the author's step ids."""

    pickup: float | None = 0.04
    """Seconds until a worker takes the run; None: nobody ever does."""
    took: Mapping[str, float] = field(default_factory=dict)
    fails: Mapping[str, ErrorInfo] = field(default_factory=dict)
    flaky: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Failing tries before the good one, and seconds between tries; ``step@3`` means iteration 3 of it only."""
    items: Mapping[str, int] = field(default_factory=dict)
    branch: Mapping[str, str] = field(default_factory=dict)
    resolves: Mapping[str, float | None] = field(default_factory=dict)
    """Seconds until what a wait waits for comes; None: never."""
    key: str | None = None
    who: str | None = None
    until: Mapping[str, datetime] = field(default_factory=dict)
    gives: Mapping[str, Json] = field(default_factory=dict)
    """What actions answer; in a loop, a list has an answer for each iteration."""
    handled: Mapping[str, ErrorInfo] = field(default_factory=dict)
    """Errors absorbed by the step's own policy."""


class _Failed(Exception):
    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error.message)
        self.error = error


class _Parked(Exception):
    """The run waits for something that never comes."""


def play(definition: Json, script: Script) -> list[Moment]:
    """The moments of a run, in order."""
    walker = _Walker(script)
    if script.pickup is None:
        return []
    walker.clock = script.pickup
    try:
        walker.steps(definition["steps"], "root", "")
    except _Failed as failed:
        error = failed.error
        walker.at(lambda run, at: run.log(at, LogLevel.ERROR, f"run failed: {error.message}", error.path))
        walker.at(lambda run, at: run.finish(at, RunStatus.FAILED, error))
    except _Parked:
        pass
    else:
        walker.at(lambda run, at: run.finish(at, RunStatus.SUCCEEDED, None, {"done": True}))
    return walker.moments


class _Walker:
    def __init__(self, script: Script) -> None:
        self._script = script
        self.clock = 0.0
        self.moments: list[Moment] = []
        self._tries = 0

    def at(self, happening: Callable[[FakeRun, datetime], None]) -> None:
        self.moments.append((self.clock, happening))

    def steps(self, steps: list[Any], prefix: str, iteration: str) -> None:
        for index, step in enumerate(steps):
            self._step(step, Place(f"{prefix}.steps[{index}]", iteration, step["id"], step["type"]))

    def _step(self, step: dict[str, Any], place: Place) -> None:
        self.at(lambda run, at: run.start_step(place, at))
        match place.step_type:
            case "control.if":
                branch = self._script.branch.get(place.step_id, "then")
                self._end(place, {"branch": branch})
                self.steps(step.get(branch) or [], f"{place.path}.{branch}", place.iteration)
            case "control.forEach":
                count = self._script.items.get(place.step_id, 2)
                self._end(place, {"items": count})
                for index in range(count):
                    inner = f"{place.iteration}.{index}" if place.iteration else str(index)
                    self.steps(step["body"], f"{place.path}.body", inner)
            case "control.tryCatch":
                self._tries += 1
                self._end(place, None)
                try:
                    self.steps(step["try"], f"{place.path}.try", place.iteration)
                    self._tries -= 1
                except _Failed:
                    self._tries -= 1
                    self.steps(step["catch"], f"{place.path}.catch", place.iteration)
            case "event.wait" | "time.wait" | "human.task":
                self._wait(step, place)
            case "action.call":
                self._call(step["config"], place)
            case _:
                self._end(place, None)

    def _end(self, place: Place, outcome: Json, error: ErrorInfo | None = None, handled_by: str | None = None) -> None:
        self.clock += 0.001
        self.at(lambda run, at: run.end_step(place, at, outcome, error, handled_by))

    def _call(self, config: dict[str, Any], place: Place) -> None:
        flaky = self._script.flaky
        failing, pause = flaky.get(f"{place.step_id}@{place.iteration}") or flaky.get(place.step_id, (0, 1.0))
        for attempt in range(1, failing + 1):
            self._try(
                config, place, attempt, ErrorInfo("TransientError", "upstream answered 503", "HTTP_503", place.path)
            )
            self._wait_for(place, OpenWait(WaitKind.RETRY, None), pause, pause, attempt)
        absorbed = self._script.handled.get(place.step_id)
        error = self._script.fails.get(place.step_id, absorbed)
        self._try(config, place, failing + 1, error)
        caught = "tryCatch" if self._tries and error is not None else None
        self._end(place, None, error, "onError-continue" if absorbed is not None else caught)
        if error is not None and absorbed is None:
            raise _Failed(error)

    def _try(self, config: dict[str, Any], place: Place, attempt: int, error: ErrorInfo | None) -> None:
        action = f"{config['actionId']}@{config['version']}"
        given = {name: _literal(value) for name, value in config.get("inputMapping", {}).items()}
        output = None if error is not None else self._answer(place)
        names: list[str] = []
        self.at(lambda run, at: names.append(run.start_try(place, at, action, attempt, given)))
        self.clock += self._script.took.get(place.step_id, 0.041)
        self.at(lambda run, at: run.end_try(names[0], at, output, error))

    def _answer(self, place: Place) -> Json:
        given = self._script.gives.get(place.step_id, {"ok": True, "step": place.step_id})
        index = int(place.iteration.rpartition(".")[2]) if place.iteration else 0
        return given[index % len(given)] if place.iteration and isinstance(given, list) and given else given

    def _wait(self, step: dict[str, Any], place: Place) -> None:
        config, script = step.get("config", {}), self._script
        comes = script.resolves.get(place.step_id, 1.0)
        outcome: Json = None
        match place.step_type:
            case "event.wait":
                wait = OpenWait(WaitKind.EVENT, None, config["eventName"], script.key)
                length = config.get("timeoutMs", 0) / 1000 or None
                outcome = {"matchedEventId": f"evt-{place.step_id}"}
            case "time.wait":
                wait, length = OpenWait(WaitKind.TIME, None), comes
            case _:
                wait, length = OpenWait(WaitKind.HUMAN, None, who=script.who), None
        self._wait_for(place, wait, comes, length)
        self._end(place, outcome)

    def _wait_for(
        self, place: Place, wait: OpenWait, comes: float | None, length: float | None, attempt: int = 1
    ) -> None:
        ends = self._script.until.get(place.step_id)
        names: list[str] = []

        def begin(run: FakeRun, at: datetime) -> None:
            until = ends or (at + seconds(length) if length is not None else None)
            names.append(run.open_wait(place, at, replace(wait, since=at, until=until), attempt))

        self.at(begin)
        if comes is None:
            raise _Parked
        self.clock += comes
        event_id = f"evt-{place.step_id}" if wait.kind is WaitKind.EVENT else None
        self.at(lambda run, at: run.close_wait(names[0], at, WaitStatus.RESOLVED, event_id))


def _literal(value: Json) -> Json:
    return f"({value['$expr']})" if isinstance(value, dict) and "$expr" in value else value
