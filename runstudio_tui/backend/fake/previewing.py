"""A preview of a replay in the fake world: the definition walked on what the source run recorded, until something is new.

Expressions are understood as far as the demo's workflows use them; of any other that mentions what changed, the preview says
that it cannot tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from engine.records import (
    Difference,
    Document,
    ErrorInfo,
    Json,
    PreviewStop,
    ReplayPreview,
    RunStatus,
    SchemaIssue,
    Step,
    StepStatus,
)
from runstudio_tui.backend.fake.expressions import UNKNOWN, evaluated
from runstudio_tui.backend.fake.run import FakeRun, Place
from runstudio_tui.domain.definition import step_at
from runstudio_tui.domain.json_diff import difference

_WAITS = ("event.wait", "time.wait", "human.task")
_PURE = ("state.set", "transform.assign")


class _Ended(Exception):
    """The preview is over."""


@dataclass(slots=True)
class _Failed(Exception):
    """A step fails as it did then."""

    error: ErrorInfo | None


@dataclass(frozen=True, slots=True)
class Versions:
    """The definition a run went by, and the one of its replay."""

    then: Json
    now: Json
    number: int
    """Of ``now``."""

    def known(self, path: str) -> bool:
        """Whether both have the same step there."""
        then, now = step_at(self.then, path), step_at(self.now, path)
        return all(isinstance(step, dict) for step in (then, now)) and _called(then) == _called(now)


def _called(step: Json) -> tuple[Json, Json]:
    return step.get("id"), step.get("type")


def preview_of(run: FakeRun, versions: Versions, payload: Document, issues: tuple[SchemaIssue, ...]) -> ReplayPreview:
    """What a replay of a run would do with ``payload``."""
    then = run.payload.value if run.payload is not None else {}
    walk = _Walk(run, versions, then, payload.value)
    status, error = walk.all()
    return ReplayPreview(
        run_id=run.row.run_id,
        changed_paths=tuple(edited.change.path for edited in difference(then, payload.value).changes),
        issues=issues,
        status=status,
        error=error,
        differences=tuple(walk.differences),
        stop=walk.stop,
        state=Document({"payload": payload.value}, frozenset(f"/payload{pointer}" for pointer in payload.masked)),
    )


class _Walk:
    def __init__(self, run: FakeRun, versions: Versions, then: Json, now: Json) -> None:
        self._run = run
        self._versions = versions
        rows = {(step.path, step.iteration): step for step in run.steps.values()}
        self._rows = {key: step for key, step in rows.items() if versions.known(key[0])}
        self._gone = {key: step for key, step in rows.items() if key not in self._rows}
        self._then: dict[str, Json] = {"payload": then, "vars": {}}
        self._now: dict[str, Json] = {"payload": now, "vars": {}}
        self.differences: list[Difference] = []
        self.stop: PreviewStop | None = None

    def all(self) -> tuple[str | None, ErrorInfo | None]:
        """The status and the error it would end with; None for both when it stops before."""
        try:
            self._steps(self._versions.now["steps"], "root", "")
        except _Ended:
            return None, None
        except _Failed as failed:
            return RunStatus.FAILED.value, failed.error
        for (path, iteration), old in self._gone.items():
            self._differ(Place(path, iteration, old.step_id, old.step_type), "dropped", old.status.value, None)
        return RunStatus.SUCCEEDED.value, None

    def _steps(self, steps: list[Any], prefix: str, iteration: str) -> None:
        for index, step in enumerate(steps):
            self._step(step, Place(f"{prefix}.steps[{index}]", iteration, step["id"], step["type"]))

    def _step(self, step: dict[str, Any], place: Place) -> None:
        row = self._rows.get((place.path, place.iteration))
        match place.step_type:
            case "control.if":
                self._choose(step, place, row)
            case "control.forEach":
                self._repeat(step, place, row)
            case "control.tryCatch":
                try:
                    self._steps(step["try"], f"{place.path}.try", place.iteration)
                except _Failed:
                    self._steps(step["catch"], f"{place.path}.catch", place.iteration)
            case pure if pure in _PURE and row is None:
                self._differ(place, "added", None, StepStatus.SUCCEEDED.value)
            case _:
                self._ask(step, place, row)

    def _choose(self, step: dict[str, Any], place: Place, row: Step | None) -> None:
        then, now = self._both(step.get("condition"), place)
        outcome = row.outcome if row is not None and isinstance(row.outcome, dict) else {}
        recorded = outcome.get("branch")
        branch = recorded
        if recorded is None or then != now:
            branch = "then" if now else "else"
        if recorded is not None and branch != recorded:
            self._differ(place, "branch", recorded, branch)
            for (path, iteration), old in self._rows.items():
                if path.startswith(f"{place.path}.{recorded}."):
                    self._differ(Place(path, iteration, old.step_id, old.step_type), "dropped", old.status.value, None)
        self._steps(step.get(str(branch)) or [], f"{place.path}.{branch}", place.iteration)

    def _repeat(self, step: dict[str, Any], place: Place, row: Step | None) -> None:
        then, now = self._both(step.get("items"), place)
        outcome = row.outcome if row is not None and isinstance(row.outcome, dict) else {}
        recorded = outcome.get("items")
        count = len(now) if isinstance(now, list) and then != now else recorded
        if not isinstance(count, int):
            inner = {iteration for path, iteration in self._rows if path.startswith(f"{place.path}.body.")}
            count = len(inner) or (len(now) if isinstance(now, list) else 0)
        if isinstance(recorded, int) and count != recorded:
            self._differ(place, "items", recorded, count)
        for index in range(count):
            iteration = f"{place.iteration}.{index}" if place.iteration else str(index)
            for scopes, items in ((self._then, then), (self._now, now)):
                item = items[index] if isinstance(items, list) and index < len(items) else UNKNOWN
                scopes["vars"] = {**scopes["vars"], step["itemVar"]: item}
            self._steps(step["body"], f"{place.path}.body", iteration)
        begin = f"{place.iteration}." if place.iteration else ""
        for (path, iteration), old in self._rows.items():
            inside = path.startswith(f"{place.path}.body.") and iteration.startswith(begin)
            if inside and int(iteration.removeprefix(begin).partition(".")[0]) >= count:
                self._differ(Place(path, iteration, old.step_id, old.step_type), "dropped", old.status.value, None)

    def _ask(self, step: dict[str, Any], place: Place, row: Step | None) -> None:
        """An action, a wait or a task: answered as then while it is asked the same."""
        if not self._versions.known(place.path):
            message = f"Step {place.step_id} of version {self._versions.number} is not one that the run executed."
            self._end("STEP_CHANGED", message, place)
        config = step.get("config", {})
        asked = config if place.step_type in _WAITS else config.get("inputMapping", {})
        then = {name: evaluated(value, self._then) for name, value in asked.items()}
        now = {name: evaluated(value, self._now) for name, value in asked.items()}
        if row is None:
            self._end("INPUT_CHANGED", f"Step {place.step_id} was never reached.", place, None, now)
        if then != now:
            message = f"Step {place.step_id} would get an input it never had."
            self._end("INPUT_CHANGED", message, place, then, now)
        match row.status:
            case StepStatus.STARTED | StepStatus.RETRY_SCHEDULED:
                self._end("OPEN", f"The run is at step {place.step_id}.", place)
            case StepStatus.CANCELED:
                self._end("CANCELED", f"The run was canceled at step {place.step_id}.", place)
            case StepStatus.FAILED:
                raise _Failed(row.error)
            case _ if row.handled_by == "tryCatch":
                raise _Failed(row.error)

    def _both(self, expression: Json, place: Place) -> tuple[Json, Json]:
        """The value then and the value now. Ends the preview when what changed is in an expression that is not understood."""
        then, now = evaluated(expression, self._then), evaluated(expression, self._now)
        if UNKNOWN in (then, now) and "payload" in str(expression):
            self._end("NOT_RECORDED", f"The demo cannot compute the expression of step {place.step_id}.", place)
        return then, now

    def _differ(self, place: Place, kind: Any, recorded: Json, now: Json) -> None:
        self.differences.append(Difference(place.path, place.iteration, place.step_id, kind, recorded, now))

    def _end(
        self, code: str, message: str, place: Place, then: Mapping[str, Json] | None = None, now: Json = None
    ) -> NoReturn:
        changed = code == "INPUT_CHANGED"
        self.stop = PreviewStop(
            code,
            message,
            place.path,
            place.iteration,
            place.step_id,
            Document(dict(then)) if changed and then is not None else None,
            Document(now) if changed else None,
        )
        raise _Ended
