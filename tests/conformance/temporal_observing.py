"""What the Temporal host saw of a case: rows of the tables, results of the executions, and what is computed from both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from engine.rebuild.state import rebuild_end
from engine.store.database.reader import open_reader
from engine.store.trace.recorded import load_recorded
from tests.conformance.case_time import CaseTime
from tests.conformance.observed import Json, ObservedRun
from tests.conformance.stored_case import Remains, StoredRun, StoredWait
from tests.conformance.temporal_world import TemporalWorld

Translate = Callable[[Any], Any]
"""Times of the server's clock inside a value become times of the case."""

_SCOPES = ("vars", "varsSubset", "varsAbsent", "payload", "meta")
"""Expectations about the scopes of the main run."""


@dataclass(frozen=True, slots=True)
class FinalScopes:
    """The scopes of a run at its end, or where it waits."""

    values: Json
    unknown: str | None = None
    """Why they are not all there."""


async def final_scopes(world: TemporalWorld, tenant: str, run: StoredRun) -> FinalScopes:
    """From the execution's result; of a run without one, computed from its records. The row's vars are the run's."""
    stored: Json = {} if run.vars is None else {"vars": run.vars}
    if run.status == "SUCCEEDED":
        result = await world.handle(run.id).result()
        return FinalScopes({**result["scopes"], **stored})
    async with open_reader(world.store, tenant) as reader:
        recorded = await load_recorded(reader, run.id)
    ending = rebuild_end(recorded)
    known = ending.stop is None or (run.active and ending.stop.code == "OPEN")
    return FinalScopes({**ending.scopes, **stored}, None if known or ending.stop is None else ending.stop.message)


def observed_run(
    time: CaseTime, run: StoredRun, scopes: FinalScopes, remains: Remains, translate: Translate
) -> ObservedRun:
    """One run as the checks look at it."""
    return ObservedRun(
        run_id=run.id,
        workflow_id=run.workflow_id,
        version=run.version,
        status=run.status,
        phase=run.phase,
        input=translate(run.input),
        steps=remains.steps.get(run.id, []),
        waits=[_observed_wait(time, wait) for wait in run.waits],
        timers=[time.length(wait) for wait in run.waits if _slept(time, wait)],
        vars=translate(scopes.values.get("vars", {})),
        payload=translate(scopes.values.get("payload", {})),
        meta=translate(scopes.values.get("meta", {})),
        error=None if run.active else translate(run.error),
        parent=run.parent,
        root=run.root,
        replay_of=run.replay_of,
        trigger_mapping_applied=run.trigger_mapping_applied,
    )


def wanted_scopes(expect: Json) -> list[str]:
    """What a case expects of the scopes of its main run."""
    return [name for name in _SCOPES if name in expect]


def translated_remains(remains: Remains, translate: Translate) -> Remains:
    """Tasks and tries in the time of the case."""
    return replace(remains, invocations=translate(remains.invocations), tasks=translate(remains.tasks))


def _observed_wait(time: CaseTime, wait: StoredWait) -> Json:
    return {
        "type": wait.type,
        "path": wait.path,
        "status": wait.status,
        "eventName": wait.event_name,
        "key": wait.key,
        "timeoutAt": time.text_of(time.due(wait)),
        "matchedEventId": wait.matched_event_id,
    }


def _slept(time: CaseTime, wait: StoredWait) -> bool:
    """Whether a timer was asked for: a due time that has passed needs none."""
    return wait.type == "retry" or (wait.type == "time" and (time.due(wait) or 0) > time.opened(wait))
