"""What every backend answers about a run's states, snapshots, relations and audit."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from engine.errors import Conflict, Invalid, NotFound
from engine.records import PLACEHOLDER, RunRow, Step, StepStatus
from runstudio_tui.domain.jsonview import value_at

from .conftest import Scenario, refuses

NOBODY = "0198c2aa-0000-7000-8000-000000000000"
SCOPES = {"payload", "vars", "local", "meta", "error"}


async def steps_of(scenario: Scenario, run_id: str) -> list[Step]:
    """The steps of a run in the order they were executed."""
    return list((await scenario.backend.runs.steps(run_id)).rows)


# --- states -------------------------------------------------------------------------------------------------------------


async def test_the_state_around_a_step_that_ended(shared_scenario: Scenario) -> None:
    runs = shared_scenario.backend.runs
    run_id = shared_scenario.succeeded
    first = (await steps_of(shared_scenario, run_id))[0]
    state = await runs.state(run_id, first.path, iteration=first.iteration, visit=first.visit)
    assert (state.run_id, state.path, state.step_id, state.status) == (run_id, first.path, first.step_id, "SUCCEEDED")
    assert state.missing is None
    assert state.after is not None
    assert set(state.before.value) == set(state.after.value) == SCOPES
    assert state.before.value["vars"] == {}
    assert state.after.value["vars"] != {}
    payload = await runs.payload(run_id)
    assert state.before.value["payload"] == payload.value
    assert {f"/payload{pointer}" for pointer in payload.masked} <= state.before.masked
    assert value_at(state.before.value, f"/payload{shared_scenario.masked}") == PLACEHOLDER


async def test_what_a_step_left_is_there_before_the_next(shared_scenario: Scenario) -> None:
    runs = shared_scenario.backend.runs
    run_id = shared_scenario.succeeded
    states = [
        await runs.state(run_id, step.path, iteration=step.iteration, visit=step.visit)
        for step in await steps_of(shared_scenario, run_id)
    ]
    assert len(states) > 1
    for earlier, later in pairwise(states):
        assert earlier.after is not None
        if not earlier.iteration and not later.iteration:
            assert later.before.value["vars"] == earlier.after.value["vars"]


async def test_a_step_may_be_named_by_its_id(shared_scenario: Scenario) -> None:
    runs = shared_scenario.backend.runs
    first = (await steps_of(shared_scenario, shared_scenario.succeeded))[0]
    assert await runs.state(shared_scenario.succeeded, first.step_id) == await runs.state(
        shared_scenario.succeeded, first.path
    )


async def test_where_the_run_is_there_is_no_after(shared_scenario: Scenario) -> None:
    runs = shared_scenario.backend.runs
    run_id = shared_scenario.waiting
    here = next(step for step in await steps_of(shared_scenario, run_id) if step.status is StepStatus.STARTED)
    state = await runs.state(run_id, here.path, iteration=here.iteration, visit=here.visit)
    assert state.after is None
    assert set(state.before.value) == SCOPES
    assert state.missing is not None
    assert (state.missing.code, state.missing.message) == ("OPEN", f"The run is at step {here.step_id}.")


async def test_a_step_or_a_run_that_is_not_there(shared_scenario: Scenario) -> None:
    runs = shared_scenario.backend.runs
    with refuses(NotFound, "STEP_NOT_FOUND", "The run has not executed a step nothing."):
        await runs.state(shared_scenario.succeeded, "nothing")
    first = (await steps_of(shared_scenario, shared_scenario.succeeded))[0]
    with refuses(NotFound, "STEP_NOT_FOUND", f"The run has not executed step {first.path} in iteration 7."):
        await runs.state(shared_scenario.succeeded, first.path, iteration="7")
    for run_id in (NOBODY, "no id at all"):
        with pytest.raises(NotFound):
            await runs.state(run_id, first.path)


# --- snapshots ----------------------------------------------------------------------------------------------------------


async def test_snapshots_stand_in_the_order_they_were_taken(shared_scenario: Scenario, old_run: str) -> None:
    runs = shared_scenario.backend.runs
    assert (await runs.get(old_run)).has_snapshots
    found = await runs.snapshots(old_run)
    assert len({snapshot.snapshot_id for snapshot in found}) == len(found) >= 7
    assert [snapshot.created_at for snapshot in found] == sorted(snapshot.created_at for snapshot in found)
    assert [snapshot.truncated for snapshot in found[:7]] == [False] * 6 + [True]
    assert all(snapshot.size_bytes > 0 and snapshot.path.startswith("root.") for snapshot in found)


async def test_the_body_of_a_snapshot_is_redacted(shared_scenario: Scenario, old_run: str) -> None:
    runs = shared_scenario.backend.runs
    found = await runs.snapshots(old_run)
    body = await runs.snapshot_body(old_run, found[0].snapshot_id)
    assert set(body.value) == {"payload", "vars", "meta", "error"}
    assert (body.value["vars"]["round"], body.value["vars"]["api_key"]) == (0, PLACEHOLDER)
    assert "/vars/api_key" in body.masked
    marker = await runs.snapshot_body(old_run, found[6].snapshot_id)
    assert set(marker.value) == {"truncated", "size", "max"}
    assert (marker.value["truncated"], marker.value["size"]) == (True, found[6].size_bytes)


async def test_a_snapshot_of_another_run_is_not_there(shared_scenario: Scenario, old_run: str) -> None:
    runs = shared_scenario.backend.runs
    [first, *_] = await runs.snapshots(old_run)
    with refuses(NotFound, "SNAPSHOT_NOT_FOUND", f"This run has no snapshot {first.snapshot_id}."):
        await runs.snapshot_body(shared_scenario.succeeded, first.snapshot_id)
    with refuses(NotFound, "SNAPSHOT_NOT_FOUND", "This run has no snapshot nothing."):
        await runs.snapshot_body(old_run, "nothing")


async def test_no_state_of_a_run_from_before_the_cutover_can_be_computed(
    shared_scenario: Scenario, old_run: str
) -> None:
    told = f"The run {old_run} is from before the cutover; what it did was not recorded closely enough."
    with refuses(Conflict, "RUN_BEFORE_CUTOVER", told):
        await shared_scenario.backend.runs.state(old_run, "root.steps[0]")


async def test_a_run_of_today_has_no_snapshots(shared_scenario: Scenario) -> None:
    assert await shared_scenario.backend.runs.snapshots(shared_scenario.succeeded) == ()
    assert not (await shared_scenario.backend.runs.get(shared_scenario.succeeded)).has_snapshots


# --- relations and audit ------------------------------------------------------------------------------------------------


async def test_a_run_and_its_replay_name_each_other(shared_scenario: Scenario) -> None:
    runs = shared_scenario.backend.runs
    source = shared_scenario.failed
    started = await runs.replay(source, "contract test")
    assert started.run_id in [row.run_id for row in (await runs.related(source)).replays]
    related = await runs.related(started.run_id)
    assert related.replay_of is not None
    assert related.replay_of.run_id == source
    assert isinstance(related.replay_of, RunRow)
    assert (related.parent, related.children, related.replays) == (None, (), ())


async def test_the_relations_of_a_run_that_is_not_there(shared_scenario: Scenario) -> None:
    for run_id in (NOBODY, "no id at all"):
        with pytest.raises(NotFound):
            await shared_scenario.backend.runs.related(run_id)


async def test_the_audit_of_a_run_is_paged_newest_first(shared_scenario: Scenario) -> None:
    runs = shared_scenario.backend.runs
    run_id = shared_scenario.failed
    started = await runs.replay(run_id, "contract test")
    whole = await runs.audit(run_id)
    newest: Any = whole.rows[0]
    assert (newest.operation, whole.rows[-1].operation) == ("workflow_run_replay", "workflow_run_start")
    assert (newest.run_id, newest.target_kind, newest.target_id) == (run_id, "run", run_id)
    assert (newest.reason, newest.details["newRunId"]) == ("contract test", started.run_id)
    assert newest.actor
    assert newest.level == "admin"
    page = await runs.audit(run_id, limit=1)
    assert page.rows == whole.rows[:1]
    assert page.next is not None
    rest = await runs.audit(run_id, after=page.next, limit=len(whole.rows) - 1)
    assert (rest.rows, rest.next) == (whole.rows[1:], None)
    with pytest.raises(Invalid):
        await runs.audit(run_id, after="not a cursor")


async def test_a_run_nobody_knows_has_no_audit(shared_scenario: Scenario) -> None:
    assert (await shared_scenario.backend.runs.audit(NOBODY)).rows == ()
    assert await shared_scenario.backend.runs.snapshots(NOBODY) == ()
