"""Every state of every run of every case, computed again from its records, is the state the run had."""

from __future__ import annotations

import pytest

from engine.rebuild.preview import preview_replay
from engine.rebuild.state import RebuiltRun, rebuild_end
from tests.conformance.disputed import corrected
from tests.conformance.in_memory import InMemoryHost
from tests.conformance.loader import Case, load_cases
from tests.conformance.memory_run import Run

CASES = load_cases("run", "event-ingest")
STEPS_LOOKED_AT = 40
"""Of long runs only the first steps are rebuilt one by one: each costs the run up to there."""


async def runs_of(case: Case) -> list[Run]:
    host = InMemoryHost(corrected(case)[0])
    await host.play()
    return list(host.world.runs.values())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_the_end_of_every_run_is_rebuilt(case: Case) -> None:
    for run in await runs_of(case):
        ending = rebuild_end(run.recorded())
        assert ending.scopes == run.machine.scopes
        if run.finish is None:
            assert (ending.status, ending.stop and ending.stop.code) == (None, "OPEN")
        elif run.status == "CANCELED" and not run.ledger.steps:
            assert ending.status == "CANCELED"
        else:
            assert (ending.status, ending.stop) == (run.status, None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_the_state_around_every_step_is_rebuilt(case: Case) -> None:
    for run in await runs_of(case):
        recorded = run.recorded()
        for key in list(recorded.steps)[:STEPS_LOOKED_AT]:
            rebuilt = RebuiltRun(recorded).at(key)
            assert rebuilt.before == run.states.befores[key], key
            if recorded.steps[key].status in ("STARTED", "CANCELED"):
                assert rebuilt.stop is not None
                assert (rebuilt.after, rebuilt.stop.code) == (
                    None,
                    {"STARTED": "OPEN", "CANCELED": "CANCELED"}[recorded.steps[key].status],
                )
            else:
                assert (rebuilt.after, rebuilt.stop) == (run.states.afters[key], None), key


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_a_preview_with_the_original_input_goes_the_same_way(case: Case) -> None:
    for run in await runs_of(case):
        preview = preview_replay(run.recorded(), run.input)
        if run.status in ("SUCCEEDED", "FAILED"):
            assert (preview.status, preview.stop, preview.differences) == (run.status, None, [])
            assert preview.scopes == run.machine.scopes
        else:
            # It may go further than a run that was stopped, but not elsewhere.
            assert {difference.kind for difference in preview.differences} <= {"added"}
