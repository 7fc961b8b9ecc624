"""What a run's scopes were around any of its steps, and what a replay would do: computed from records, executing nothing.

Both are redacted here, scope by scope, as every view of a payload or of an output is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Event
from typing import Any, Final, TypeVar

from engine.errors import Conflict, EngineError, NotFound
from engine.interpreter.ledger import StepKey
from engine.interpreter.recorded_run import RecordedRun
from engine.operations.context import OperationContext
from engine.operations.json_schema import check_value
from engine.operations.runs.admission import storable_payload
from engine.operations.runs.replay import input_of
from engine.operations.runs.state_cache import StateCache
from engine.rebuild.feed import Stop
from engine.rebuild.other_version import laid_under
from engine.rebuild.preview import Preview, preview_of_version, preview_replay
from engine.records import Document, Level, Original, PreviewStop, Reason, ReplayInput, ReplayPreview, StepState
from engine.store.catalog.definitions import Version, load_definition, load_version
from engine.store.database.reader import Reader, open_reader, run_id_text
from engine.store.runs.reading import why_input_is_missing
from engine.store.trace.recorded import load_recorded
from engine.values.json_policy import storable_text
from engine.values.request_limits import MAX_VERSION

Json = Any
T = TypeVar("T")

PATIENCE_SECONDS: Final = 8.0
"""How long computing may take: less than the studio waits for an answer, so that it hears why there is none."""
_NAMED_ITERATIONS: Final = 5
_UNKNOWABLE: Final = {
    "SEMANTICS_DIFFER": "Use a build with those semantics to look at it.",
    "DEFINITION_UNREADABLE": "Its steps, tries and waits can still be looked at.",
    "TOO_LONG": "Look at an earlier step, or at the tries of this one.",
    "NOT_RECORDED": "Look at an earlier step: what lies before is still known.",
}
"""Why nothing can be said at all, and what helps."""


async def state_at(  # noqa: PLR0917  # what is asked for, as a person names it
    context: OperationContext,
    run_id: str,
    step: str,
    iteration: str = "",
    visit: int = 1,
    cache: StateCache | None = None,
) -> StepState:
    """The state before and after one execution of a step; ``step`` is its path, or its id in the definition.

    ``cache``: whoever asks for several states of one run hands in the same one every time.

    Raises ``NotFound`` (RUN_NOT_FOUND, STEP_NOT_FOUND, DEFINITION_NOT_FOUND), ``Conflict`` where it cannot be computed
    (RUN_BEFORE_CUTOVER, INPUT_NOT_STORED, STATE_NOT_RECORDED, SEMANTICS_DIFFER, DEFINITION_HASH_MISMATCH, RUN_TOO_LARGE, ...),
    and ``Unavailable``.
    """
    async with open_reader(await context.readable(), context.tenant, run_id_text(run_id)) as reader:
        run = await (cache or StateCache()).read(reader, run_id)
    recorded = run.run
    key = _execution(recorded, step, iteration, visit)
    if recorded.payload is None:
        async with open_reader(context.store, context.tenant) as reader:
            why = await why_input_is_missing(reader, run_id)
        raise Conflict("INPUT_NOT_STORED", why, "Nothing can be computed without it.")
    rebuilt = await _computed(partial(run.at, key))
    if rebuilt.before is None:
        raise _unknowable(rebuilt.stop)
    known = recorded.steps[key]
    shown = _Shown(reader)
    found = StepState(
        run_id=recorded.facts.run_id,
        path=key[0],
        iteration=key[1],
        visit=key[2],
        step_id=known.step_id,
        step_type=known.step_type,
        status=known.status,
        before=shown.scopes(rebuilt.before),
        after=None if rebuilt.after is None else shown.scopes(rebuilt.after),
        missing=None if rebuilt.stop is None else Reason(rebuilt.stop.code, rebuilt.stop.message),
    )
    return found


async def preview_replay_of(
    context: OperationContext, run_id: str, replay_input: ReplayInput | None = None, version: int | None = None
) -> ReplayPreview:
    """What a replay with this input would do, None being the original, in this version, None being the run's own. Nothing is
    executed or written. Needs the level admin, as the replay itself: what an input leads to says what it is compared with.

    Raises what ``state_at`` raises but STEP_NOT_FOUND, and ``NotFound`` (VERSION_NOT_FOUND), ``Invalid`` (PAYLOAD_NOT_OBJECT,
    PAYLOAD_TOO_LARGE, PLACEHOLDER_IN_PAYLOAD, PATCH_PATH_INVALID, JSON_*) and ``Conflict`` (REPLAY_BASE_CHANGED) as the replay
    itself would.
    """
    await context.require(Level.ADMIN)
    run, value, changed = await input_of(context, run_id, replay_input or Original())
    payload = storable_payload(value)
    async with open_reader(context.store, context.tenant, run.run_id) as reader:
        recorded = await load_recorded(reader, run.run_id)
        number = run.workflow_version if version is None else version
        found = await _version(reader, run.workflow_id, number)
        if number == run.workflow_version:
            compute = partial(preview_replay, recorded, payload.value)
        elif found is None:
            told = f"The workflow {run.workflow_id} has no version {number}."
            raise NotFound("VERSION_NOT_FOUND", told, "Its versions: runstudio workflows show.")
        else:
            definition = await load_definition(reader.connection, context.tenant, run.workflow_id, number)
            compute = partial(preview_of_version, laid_under(recorded, number, definition), payload.value)
    schema = None if found is None else found.payload_schema
    issues = await check_value(schema, payload.value, size_bytes=payload.size_bytes)
    preview = await _computed(compute)
    if preview.stop is not None and not preview.scopes:
        raise _unknowable(preview.stop)
    return ReplayPreview(
        run_id=run.run_id,
        changed_paths=tuple(changed),
        issues=issues,
        status=preview.status,
        error=reader.error(preview.error),
        differences=tuple(
            replace(each, recorded=reader.hide(each.recorded), now=reader.hide(each.now))
            for each in preview.differences
        ),
        stop=_stop(reader, preview),
        state=_Shown(reader).scopes(preview.scopes),
    )


async def _version(reader: Reader, workflow_id: str, number: int) -> Version | None:
    if not 0 < number <= MAX_VERSION:
        return None
    return await load_version(reader.connection, reader.tenant, workflow_id, number)


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


async def _computed(compute: Callable[[Callable[[], bool]], T]) -> T:
    """What a computation gives, in a thread of its own. It is told to end when it takes too long or nobody waits any more."""
    end, given_up = time.monotonic() + PATIENCE_SECONDS, Event()
    try:
        return await asyncio.to_thread(compute, lambda: given_up.is_set() or time.monotonic() > end)
    finally:
        given_up.set()


def _unknowable(stop: Stop | None) -> EngineError:
    code = "NOT_RECORDED" if stop is None or stop.code not in _UNKNOWABLE else stop.code
    message = "What was recorded does not lead there." if stop is None else stop.message
    return Conflict("STATE_NOT_RECORDED" if code == "NOT_RECORDED" else code, message, _UNKNOWABLE[code])


class _Shown:
    """Scopes as they may be shown. What two of them share, most often the payload, is looked through once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[int, Document] = {}

    def scopes(self, scopes: dict[str, Json]) -> Document:
        """Scopes that live as long as this object. Each is redacted by itself: a tenant's pointers are meant from the root of
        a payload, of vars, of an error."""
        values, masked = {}, set()
        for name, value in scopes.items():
            document = self._known.get(id(value))
            if document is None:
                document = self._known[id(value)] = (
                    self._reader.payload(value) if name == "payload" else self._reader.document(value)
                )
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
