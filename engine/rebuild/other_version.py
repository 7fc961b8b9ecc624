"""A recorded run laid under another version of its workflow: its records stand for the steps that are the same in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from engine.definition.hash import definition_hash
from engine.definition.sites import Site, sites
from engine.interpreter.ledger import StepKey
from engine.interpreter.recorded_run import RecordedRun, RecordedStep

_ASKED: Final = {
    "action.call": ("actionId", "version"),
    "event.wait": ("filters", "timeoutMs"),
    "human.task": ("taskType",),
    "time.wait": ("mode", "durationMs", "until"),
}
"""What of a configuration decides, beside the input, what a step is answered."""
_CALLED: Final = ("workflowId", "workflowVersion")
_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True)
class LaidUnder:
    """The run as if it had been of the other version."""

    run: RecordedRun
    """Without the records of steps that are not the same: at the same path, with the same id and type. Answers are there only of
    those that would be asked the same, given the same input."""
    gone: Mapping[StepKey, RecordedStep]
    """Steps of the run that the other version does not have."""
    answered: frozenset[str]
    """Paths at which an answer of then counts."""


def laid_under(run: RecordedRun, version: int, definition: Any) -> LaidUnder:
    """``definition`` is that of ``version``."""
    then = {site.place.path: site for site in sites(run.definition)}
    now = {site.place.path: site for site in sites(definition)}
    known = frozenset(path for path, site in now.items() if path in then and _is_same(then[path], site))
    answered = frozenset(path for path in known if _asked(then[path]) == _asked(now[path]))
    of_version = replace(run.facts, workflow_version=version, definition_hash=definition_hash(definition))
    laid = replace(
        run,
        facts=of_version,
        definition=definition,
        steps=_at(known, run.steps),
        waits=_at(answered, run.waits),
        tries=_at(answered, run.tries),
        events=_at(answered, run.events),
        tasks=_at(answered, run.tasks),
    )
    return LaidUnder(laid, {key: step for key, step in run.steps.items() if key[0] not in known}, answered)


def _is_same(then: Site, now: Site) -> bool:
    return then.place.step_id == now.place.step_id and then.type == now.type


def _asked(site: Site) -> list[Any]:
    return [site.config.get(name) for name in _ASKED.get(site.type, ())] + [site.step.get(name) for name in _CALLED]


def _at(paths: frozenset[str], records: Mapping[Any, _Record]) -> dict[Any, _Record]:
    return {key: record for key, record in records.items() if key[0] in paths}
