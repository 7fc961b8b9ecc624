"""The scopes around the steps of a fake run, put together from what its steps gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import advice
from engine.errors import Conflict, NotFound
from engine.records import AttemptStatus, Document, Json, Reason, Step, StepState, StepStatus
from runstudio_tui.backend.fake.expressions import evaluated
from runstudio_tui.backend.fake.run import FakeRun
from runstudio_tui.domain.definition import step_at
from runstudio_tui.domain.step_places import enclosing_loops


def state_of(run: FakeRun, definition: Json, step: str, iteration: str, visit: int) -> StepState:
    """The state before and after a step; ``step`` is its path or its id. Raises NotFound, Conflict as the engine does."""
    if run.row.read_only:
        raise Conflict(
            "RUN_BEFORE_CUTOVER",
            f"The run {run.row.run_id} is from before the cutover; what it did was not recorded closely enough.",
            advice.SNAPSHOTS.to("Look at its snapshots instead"),
        )
    wanted = _execution(run, step, iteration, visit)
    if run.payload is None:
        raise Conflict(
            "INPUT_NOT_STORED", "The payload of this run was never stored.", "Nothing can be computed without it."
        )
    walk = _Walk(run, definition, run.payload)
    before, after = walk.around(wanted)
    return StepState(
        run_id=run.row.run_id,
        path=wanted.path,
        iteration=wanted.iteration,
        visit=wanted.visit,
        step_id=wanted.step_id,
        step_type=wanted.step_type,
        status=wanted.status.value,
        before=before,
        after=after,
        missing=_missing(wanted),
    )


def _execution(run: FakeRun, step: str, iteration: str, visit: int) -> Step:
    same = [row for row in run.steps.values() if step in (row.path, row.step_id)]
    for row in same:
        if (row.iteration, row.visit) == (iteration, visit):
            return row
    if not same:
        raise NotFound(
            "STEP_NOT_FOUND",
            f"The run has not executed a step {step}.",
            "Its steps: runstudio runs show, with --json for their paths.",
        )
    ran = sorted({row.iteration for row in same})
    wanted = f"in iteration {iteration}" if iteration else "outside of a loop"
    raise NotFound(
        "STEP_NOT_FOUND",
        f"The run has not executed step {step} {wanted}{'' if visit == 1 else f', visit {visit}'}.",
        f"It was executed in iteration {', '.join(ran[:5])}."
        if any(ran)
        else "It was executed once, outside of a loop.",
        {"iterations": ran[:100]},
    )


def _missing(step: Step) -> Reason | None:
    match step.status:
        case StepStatus.STARTED | StepStatus.RETRY_SCHEDULED:
            return Reason("OPEN", f"The run is at step {step.step_id}.")
        case StepStatus.CANCELED:
            return Reason("CANCELED", f"The run was canceled at step {step.step_id}.")
        case _:
            return None


class _Walk:
    """One pass over the steps, in the order in which they were started."""

    def __init__(self, run: FakeRun, definition: Json, payload: Document) -> None:
        self._run = run
        self._definition = definition
        self._payload = payload
        self._vars: dict[str, Json] = {}
        self._error: Json = None
        self._items: dict[tuple[str, str], Json] = {}
        """What each loop goes over, by its path and the iteration it runs in."""
        self._waits = {(wait.path, wait.iteration): wait for wait in reversed(run.waits.values())}
        self._outputs = {
            (tried.path, tried.iteration): tried.attempt_id
            for tried in run.attempts.values()
            if tried.status is AttemptStatus.SUCCEEDED
        }

    def around(self, wanted: Step) -> tuple[Document, Document | None]:
        for step in self._run.steps.values():
            if step.row_id != wanted.row_id:
                self._take(step)
                continue
            items, local = self._loops(step)
            before = self._scopes(items, local)
            self._take(step)
            return before, None if _missing(step) is not None else self._scopes(items, local)
        raise RuntimeError("a step of the run was not passed")

    def _scopes(self, items: Mapping[str, Json], local: Mapping[str, Json]) -> Document:
        values = {
            "payload": self._payload.value,
            "vars": {**self._vars, **items},
            "local": dict(local),
            "meta": {},
            "error": self._error,
        }
        return Document(values, frozenset(f"/payload{pointer}" for pointer in self._payload.masked))

    def _loops(self, step: Step) -> tuple[dict[str, Json], dict[str, Json]]:
        """The items of the loops around a step, which are in ``vars`` while it runs, and the innermost one's scope."""
        named: dict[str, Json] = {}
        local: dict[str, Json] = {}
        for loop, inner in enclosing_loops(step.path, step.iteration):
            outer, _, place = inner.rpartition(".")
            items = self._items.get((loop, outer))
            index = int(place)
            known = isinstance(items, list) and index < len(items)
            item = items[index] if isinstance(items, list) and known else None
            name = _text(_dict(step_at(self._definition, loop)).get("itemVar")) or "item"
            length = len(items) if isinstance(items, list) else index + 1
            named[name] = item
            local = {
                name: item,
                "item": item,
                "index": index,
                "length": length,
                "isFirst": index == 0,
                "isLast": index == length - 1,
            }
        return named, local

    def _take(self, step: Step) -> None:
        """What a step that has ended leaves in the scopes."""
        written = _dict(step_at(self._definition, step.path))
        if step.step_type == "control.forEach":
            scopes = {"payload": self._payload.value, "vars": self._vars}
            self._items[step.path, step.iteration] = evaluated(written.get("items"), scopes)
        if _missing(step) is not None:
            return
        if step.error is not None and step.handled_by is not None:
            self._error = {"category": step.error.category, "code": step.error.code, "message": step.error.message}
        wait = self._waits.get((step.path, step.iteration))
        if step.step_type == "event.wait" and wait is not None and wait.matched_event_id is not None:
            self._vars["event"] = {"eventId": wait.matched_event_id, "eventName": wait.event_name, "key": wait.key}
        kept = _text(_dict(written.get("config")).get("saveAs")).removeprefix("vars.")
        output = self._output(step)
        if kept and output is not None:
            self._vars[kept] = output.value

    def _output(self, step: Step) -> Document | None:
        attempt_id = self._outputs.get((step.path, step.iteration))
        return None if attempt_id is None else self._run.bodies[attempt_id].output


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
