"""What a run's scopes were around any of its steps, and what a replay would do: computed from records, executing nothing.

Both are redacted here, scope by scope, as every view of a payload or of an output is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import Conflict, EngineError, NotFound
from engine.interpreter.ledger import StepKey
from engine.operations.admission import storable_payload
from engine.operations.context import OperationContext
from engine.operations.json_schema import SchemaIssue, check_value
from engine.operations.replay import Original, ReplayInput, input_of
from engine.preview_replay import Difference, Preview, preview_replay
from engine.rebuild import rebuild_step
from engine.recorded_run import RecordedRun
from engine.replaying import Stop
from engine.store.definitions import load_version
from engine.store.json_policy import storable_text
from engine.store.reader import Reader, open_reader
from engine.store.recorded import load_recorded
from engine.store.views import Document, ErrorView, Reply

Json = Any

PATIENCE_SECONDS: Final = 10.0
"""How long computing may take."""
_NAMED_ITERATIONS: Final = 5
_UNKNOWABLE: Final = {
    "SEMANTICS_DIFFER": "Use a build with those semantics to look at it.",
    "DEFINITION_UNREADABLE": "Its steps, tries and waits can still be looked at.",
    "TOO_LONG": "Look at an earlier step, or at the tries of this one.",
    "NOT_RECORDED": "Look at an earlier step: what lies before is still known.",
}
"""Why nothing can be said at all, and what helps."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is not known."""

    code: str
    """OPEN (the run is there now), CANCELED, NOT_RECORDED, TOO_LONG."""
    message: str


@dataclass(frozen=True, slots=True)
class StepState:
    """The scopes around one execution of a step, ``{payload, vars, local, meta, error}``, redacted."""

    run_id: str
    path: str
    iteration: str
    visit: int
    step_id: str
    step_type: str
    status: str
    before: Document
    after: Document | None
    """None as long as the step has not ended, and when its end cannot be computed."""
    missing: Reason | None
    """Why there is no ``after``."""


@dataclass(frozen=True, slots=True)
class PreviewStop:
    """Where a preview ends because nobody knows what would come."""

    code: str
    """INPUT_CHANGED, or one of ``Reason``."""
    message: str
    path: str | None
    iteration: str
    step_id: str | None
    recorded: Document | None
    """With INPUT_CHANGED: what the step was given then, if it was reached, redacted."""
    now: Document | None
    """With INPUT_CHANGED: what it would be given now, redacted."""


@dataclass(frozen=True, slots=True)
class ReplayPreview:
    """How far the input of a replay is known to lead."""

    run_id: str
    changed_paths: tuple[str, ...]
    """JSON pointers of where the input differs from the stored one."""
    issues: tuple[SchemaIssue, ...]
    """What the payload's schema has against the input: with any, the replay would be refused."""
    status: str | None
    """The status it would end with; None when the preview stops before."""
    error: ErrorView | None
    differences: tuple[Difference, ...]
    """Branches, loops and steps that would not be as they were, in the order of the steps, up to the stop."""
    stop: PreviewStop | None
    state: Document
    """``{payload, vars, local, meta, error}`` where the preview ends, redacted."""


async def state_at(
    context: OperationContext, run_id: str, step: str, iteration: str = "", visit: int = 1
) -> Reply[StepState]:
    """The state before and after one execution of a step; ``step`` is its path, or its id in the definition.

    Raises ``NotFound`` (RUN_NOT_FOUND, STEP_NOT_FOUND, DEFINITION_NOT_FOUND), ``Conflict`` where it cannot be computed
    (RUN_BEFORE_CUTOVER, INPUT_NOT_STORED, STATE_NOT_RECORDED, SEMANTICS_DIFFER, DEFINITION_HASH_MISMATCH, RUN_TOO_LARGE, ...),
    and ``Unavailable``.
    """
    async with open_reader(context.store, context.tenant) as reader:
        recorded = await load_recorded(reader, run_id, inputs=False)
    key = _execution(recorded, step, iteration, visit)
    if recorded.payload is None:
        raise Conflict(
            "INPUT_NOT_STORED", "The payload of this run was never stored.", "Nothing can be computed without it."
        )
    rebuilt = await asyncio.to_thread(rebuild_step, recorded, key, _deadline())
    if rebuilt.before is None:
        raise _unknowable(rebuilt.stop)
    known = recorded.steps[key]
    found = StepState(
        run_id=recorded.facts.run_id,
        path=key[0],
        iteration=key[1],
        visit=key[2],
        step_id=known.step_id,
        step_type=known.step_type,
        status=known.status,
        before=_shown(reader, rebuilt.before),
        after=None if rebuilt.after is None else _shown(reader, rebuilt.after),
        missing=None if rebuilt.stop is None else Reason(rebuilt.stop.code, rebuilt.stop.message),
    )
    return Reply(found, reader.server_now)


async def preview_replay_of(
    context: OperationContext, run_id: str, replay_input: ReplayInput | None = None
) -> Reply[ReplayPreview]:
    """What a replay of the same version with this input would do, None being the original. Nothing is executed or written.

    Raises what ``state_at`` raises but STEP_NOT_FOUND, and ``Invalid`` (PAYLOAD_NOT_OBJECT, PAYLOAD_TOO_LARGE,
    PLACEHOLDER_IN_PAYLOAD, PATCH_PATH_INVALID, JSON_*) and ``Conflict`` (REPLAY_BASE_CHANGED) as the replay itself would.
    """
    run, value, changed = await input_of(context, run_id, replay_input or Original())
    payload = storable_payload(value)
    async with open_reader(context.store, context.tenant) as reader:
        recorded = await load_recorded(reader, run.run_id)
        version = await load_version(reader.connection, context.tenant, run.workflow_id, run.workflow_version)
    schema = None if version is None else version.payload_schema
    issues = await check_value(schema, payload.value, size_bytes=payload.size_bytes)
    preview = await asyncio.to_thread(preview_replay, recorded, payload.value, _deadline())
    if preview.stop is not None and not preview.scopes:
        raise _unknowable(preview.stop)
    found = ReplayPreview(
        run_id=run.run_id,
        changed_paths=tuple(changed),
        issues=issues,
        status=preview.status,
        error=reader.error(preview.error),
        differences=tuple(preview.differences),
        stop=_stop(reader, preview),
        state=_shown(reader, preview.scopes),
    )
    return Reply(found, reader.server_now)


def _execution(recorded: RecordedRun, step: str, iteration: str, visit: int) -> StepKey:
    """The one execution that is meant. Raises ``NotFound`` (STEP_NOT_FOUND) with what there is instead."""
    same = [key for key, known in recorded.steps.items() if step in (key[0], known.step_id)]
    for key in same:
        if key[1:] == (iteration, visit):
            return key
    name = storable_text(step)[:200]
    if not same:
        raise NotFound(
            "STEP_NOT_FOUND",
            f"The run has not executed a step {name}.",
            "Its steps: runstudio runs show, with --json for their paths.",
        )
    ran = sorted({key[1] for key in same}, key=_place)
    named = ", ".join(ran[:_NAMED_ITERATIONS]) + (f" and {len(ran) - _NAMED_ITERATIONS} more" if len(ran) > 5 else "")
    wanted = f"in iteration {storable_text(iteration)[:50]}" if iteration else "outside of a loop"
    raise NotFound(
        "STEP_NOT_FOUND",
        f"The run has not executed step {name} {wanted}{'' if visit == 1 else f', visit {visit}'}.",
        f"It was executed in iteration {named}." if any(ran) else "It was executed once, outside of a loop.",
        {"iterations": ran[:100]},
    )


def _place(iteration: str) -> list[int]:
    return [int(part) for part in iteration.split(".") if part]


def _deadline() -> Callable[[], bool]:
    end = time.monotonic() + PATIENCE_SECONDS
    return lambda: time.monotonic() > end


def _unknowable(stop: Stop | None) -> EngineError:
    code = "NOT_RECORDED" if stop is None or stop.code not in _UNKNOWABLE else stop.code
    message = "What was recorded does not lead there." if stop is None else stop.message
    return Conflict("STATE_NOT_RECORDED" if code == "NOT_RECORDED" else code, message, _UNKNOWABLE[code])


def _shown(reader: Reader, scopes: dict[str, Json]) -> Document:
    # Each by itself: a tenant's pointers are meant from the root of a payload, of vars, of an error.
    values, masked = {}, set()
    for name, value in scopes.items():
        document = reader.document(value)
        values[name] = document.value
        masked |= {f"/{name}{pointer}" for pointer in document.masked}
    return Document(values, frozenset(masked))


def _stop(reader: Reader, preview: Preview) -> PreviewStop | None:
    stop = preview.stop
    if stop is None:
        return None
    changed = stop.code == "INPUT_CHANGED"
    return PreviewStop(
        code=stop.code,
        message=stop.message,
        path=None if stop.step is None else stop.step.path,
        iteration="" if stop.step is None else stop.step.iteration,
        step_id=None if stop.step is None else stop.step.step_id,
        recorded=reader.document(stop.recorded) if changed and stop.recorded is not None else None,
        now=reader.document(stop.now) if changed and stop.now is not None else None,
    )
