"""What the Temporal host saw of a case: from the tables, from the executions' results, and from the journal of the actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.conformance.case_time import CaseTime
from tests.conformance.observed import Json, ObservedRun
from tests.conformance.stored_case import Remains, StoredRun, StoredWait
from tests.conformance.temporal_world import TemporalWorld

Translate = Callable[[Any], Any]
"""Times of the server's clock inside a value become times of the case."""

_OF_RUNS = ("vars", "varsSubset", "varsAbsent", "payload", "meta")
"""Expectations about the scopes of the main run."""


async def observed_run(
    world: TemporalWorld, time: CaseTime, run: StoredRun, remains: Remains, translate: Translate
) -> ObservedRun:
    """One run as the checks look at it. An execution's result has all scopes; other ends leave only the vars."""
    scopes: Json = {"vars": run.vars or {}}
    if run.status == "SUCCEEDED":
        result = await world.handle(run.id).result()
        scopes = {**result["scopes"], **({} if run.vars is None else {"vars": run.vars})}
    return ObservedRun(
        run_id=run.id,
        workflow_id=run.workflow_id,
        version=run.version,
        status=run.status,
        phase=run.phase,
        input=translate(run.input),
        steps=remains.steps.get(run.id, []),
        waits=[_observed_wait(time, wait) for wait in run.waits],
        timers=[(time.due(wait) or 0) - time.opened(wait) for wait in run.waits if _slept(time, wait)],
        vars=translate(scopes["vars"]),
        payload=translate(scopes.get("payload", {})),
        meta=translate(scopes.get("meta", {})),
        error=None if run.active else translate(run.error),
        parent=run.parent,
        root=run.root,
        replay_of=run.replay_of,
        trigger_mapping_applied=run.trigger_mapping_applied,
    )


def unknown_scopes(expect: Json, main: StoredRun | None) -> list[str]:
    """What a case expects of a run's scopes that no table and no result tells."""
    if main is None or main.status == "SUCCEEDED":
        return []
    known = () if main.active else ("vars", "varsSubset", "varsAbsent")
    return [name for name in _OF_RUNS if name in expect and name not in known]


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
