"""Workflows and schedules, on every backend: what is told of them, pausing, limiting, firing, publishing with its findings."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from engine.errors import Conflict, Invalid, NotFound
from engine.records import Json, Started
from runstudio_tui.domain.definition_diff import Change, compare_definitions, counted

from .conftest import Scenario, refuses

REASON = "contract test"
TIMED = "contract.timed"
NOBODY = "no such workflow"


@pytest.fixture
def scenario(own_scenario: Scenario) -> Scenario:
    return own_scenario


def definition(workflow_id: str, *steps: Json, **more: Json) -> dict[str, Json]:
    """A definition that every backend takes."""
    kept = steps or (state("a"),)
    base = {"id": workflow_id, "version": 1, "name": workflow_id, "payloadSchemaRef": "payload.Any.v1"}
    return {**base, "steps": list(kept), **more}


def state(step_id: str, value: str = "A") -> dict[str, Json]:
    return {"id": step_id, "type": "state.set", "config": {"state": value}}


async def start(scenario: Scenario, key: str) -> Started:
    return await scenario.backend.runs.start(
        scenario.workflow_id, scenario.valid, version=scenario.version, idempotency_key=key, keep_refused=False
    )


async def test_one_workflow_is_told_as_in_the_list(scenario: Scenario) -> None:
    catalog = scenario.backend.workflows
    found = {row.workflow_id: row for row in await catalog.list()}[scenario.workflow_id]
    one = await catalog.get(scenario.workflow_id)
    assert (one.workflow_id, one.published_version, one.limit) == (
        found.workflow_id,
        found.published_version,
        found.limit,
    )
    assert one.active.value >= 1, "a run of the scenario waits"
    with refuses(NotFound, "WORKFLOW_NOT_FOUND", f"There is no workflow {NOBODY!r}."):
        await catalog.get(NOBODY)
    with refuses(NotFound, "WORKFLOW_NOT_FOUND", f"There is no workflow {NOBODY!r}."):
        await catalog.callers(NOBODY)


async def test_pause_and_unpause(scenario: Scenario) -> None:
    catalog, name = scenario.backend.workflows, scenario.workflow_id
    for reason in ("", " x "):
        with refuses(Invalid, "REASON_TOO_SHORT", "The reason needs at least 3 characters."):
            await catalog.pause(name, reason=reason)
    assert not (await catalog.get(name)).paused
    await catalog.pause(name, reason=f"  {REASON} ")
    paused = await catalog.get(name)
    assert paused.paused
    assert paused.pause is not None
    assert paused.pause.reason == REASON
    assert paused.pause.by == (await scenario.backend.system.session()).actor
    with refuses(Conflict, "WORKFLOW_PAUSED", f"The workflow {name} is paused, it starts no runs."):
        await start(scenario, "contract-paused")
    await catalog.pause(name, reason="another one")
    again = (await catalog.get(name)).pause
    assert again == paused.pause, "it was paused already: nothing changed"
    await catalog.unpause(name)
    active = await catalog.get(name)
    assert (active.paused, active.pause) == (False, None)
    assert (await start(scenario, "contract-unpaused")).created
    for change in (catalog.pause, catalog.unpause):
        with refuses(NotFound, "WORKFLOW_NOT_FOUND", f"There is no workflow {NOBODY!r}."):
            await change(NOBODY, reason=REASON)


async def test_a_limit_holds_and_can_be_taken_away(scenario: Scenario) -> None:
    catalog, name = scenario.backend.workflows, scenario.workflow_id
    active = (await catalog.get(name)).active.value
    await catalog.limit(name, active)
    row = await catalog.get(name)
    assert (row.limit, row.full) == (active, True)
    told = f"The workflow {name} has {active} active runs; its limit is {active}."
    with refuses(Conflict, "CONCURRENCY_LIMIT", told):
        await start(scenario, "contract-limited")
    for wrong in (-1, 2**31):
        with refuses(Invalid, "LIMIT_INVALID", f"{wrong} is no number of runs."):
            await catalog.limit(name, wrong)
    assert (await catalog.get(name)).limit == active
    await catalog.limit(name, 0)
    assert (await catalog.get(name)).limit == 0
    assert (await start(scenario, "contract-unlimited")).created
    with refuses(NotFound, "WORKFLOW_NOT_FOUND", f"There is no workflow {NOBODY!r}."):
        await catalog.limit(NOBODY, 1)


async def test_a_publish_makes_the_next_version_and_tells_who_did(scenario: Scenario) -> None:
    catalog = scenario.backend.workflows
    first = await catalog.publish(definition("contract.new", state("a"), state("gone")))
    assert (first.workflow_id, first.version, first.created) == ("contract.new", 1, True)
    again = await catalog.publish(definition("contract.new", state("a"), state("gone")), only_if_changed=True)
    assert (again.version, again.created, again.definition_hash) == (1, False, first.definition_hash)
    assert [version.version for version in await catalog.versions("contract.new")] == [1]
    second = await catalog.publish(definition("contract.new", state("a", "B"), state("new"), name="other"))
    assert (second.version, second.created) == (2, True)
    newest, oldest = await catalog.versions("contract.new")
    assert (newest.version, oldest.version) == (2, 1)
    assert newest.published_by == (await scenario.backend.system.session()).actor
    assert newest.published_at is not None
    row = await catalog.get("contract.new")
    assert (row.name, row.published_version, row.active.value) == ("other", 2, 0)
    old, new = [await catalog.definition("contract.new", number) for number in (1, 2)]
    lines = compare_definitions(old, new)
    assert {line.part.step_id or line.part.label: line.change for line in lines if line.part is not None} == {
        "definition": Change.CHANGED,
        "a": Change.CHANGED,
        "gone": Change.REMOVED,
        "new": Change.ADDED,
    }
    assert counted(compare_definitions(new, new)) == ""


async def test_every_finding_is_told_with_its_place_and_nothing_is_written(scenario: Scenario) -> None:
    catalog = scenario.backend.workflows
    inner = {"id": "a", "type": "state.set", "config": {"state": "A"}}
    branch = {"id": "b", "type": "control.if", "condition": {"$expr": "true"}, "then": [inner], "else": []}
    wrong = definition("contract.wrong", {"id": "a", "type": "no.such"}, branch)
    first = "UNKNOWN_NODE_TYPE at root.steps[0]: /type: There is no step type no.such."
    told = f"contract.wrong cannot be published: {first} (and 1 more)"
    with refuses(Invalid, "DEFINITION_INVALID", told) as refused:
        await catalog.publish(wrong)
    found = refused.value.details["issues"]
    assert [(one["severity"], one["code"], one["stepPath"], one["stepId"]) for one in found] == [
        ("error", "UNKNOWN_NODE_TYPE", "root.steps[0]", "a"),
        ("error", "DUPLICATE_STEP_ID", "root.steps[1].then.steps[0]", "a"),
    ]
    assert all(one["message"] for one in found)
    with refuses(NotFound, "WORKFLOW_NOT_FOUND", "There is no workflow 'contract.wrong'."):
        await catalog.get("contract.wrong")
    before = await catalog.versions(scenario.workflow_id)
    bad = definition(scenario.workflow_id, payloadSchemaRef="payload.NobodyKnows.v1")
    with pytest.raises(Invalid) as refusal:
        await catalog.publish(bad)
    assert "PAYLOAD_SCHEMA_REF_UNKNOWN" in {one["code"] for one in refusal.value.details["issues"]}
    assert await catalog.versions(scenario.workflow_id) == before


async def test_a_new_schema_is_that_of_the_new_version_alone(scenario: Scenario) -> None:
    catalog = scenario.backend.workflows
    schema = {"type": "object", "required": ["n"]}
    ref = {"payloadSchemaRef": "payload.Contract.v1"}
    await catalog.publish(definition("contract.schema", **ref), payload_schema=schema)
    await catalog.publish(definition("contract.schema", **ref), payload_schema={"type": "object"})
    assert await catalog.payload_schema("contract.schema", 1) == schema
    assert await catalog.payload_schema("contract.schema", 2) == {"type": "object"}
    assert await catalog.check_payload("contract.schema", 1, {})
    assert await catalog.check_payload("contract.schema", 2, {}) == ()
    with pytest.raises(Invalid) as refused:
        await catalog.publish(definition("contract.schema", **ref), payload_schema=[])
    assert refused.value.code == "PAYLOAD_SCHEMA_INVALID"
    assert len(await catalog.versions("contract.schema")) == 2


async def test_multiples_are_those_of_decimal_numbers(scenario: Scenario) -> None:
    catalog = scenario.backend.workflows
    schema = {"type": "object", "properties": {"price": {"multipleOf": 0.01}}}
    await catalog.publish(definition("contract.price", payloadSchemaRef="payload.Price.v1"), payload_schema=schema)
    found = {n: len(await catalog.check_payload("contract.price", 1, {"price": n})) for n in (19.99, 0.07, 19.995)}
    assert found == {19.99: 0, 0.07: 0, 19.995: 1}


async def test_callers_are_told_with_the_versions_they_start(scenario: Scenario) -> None:
    catalog = scenario.backend.workflows
    await catalog.publish(definition("contract.called"))
    assert await catalog.callers("contract.called") == ()
    call = {
        "id": "call",
        "type": "control.callWorkflow",
        "workflowId": "contract.called",
        "workflowVersion": 1,
        "inputMapping": {},
    }
    await catalog.publish(definition("contract.parent", call))
    [caller] = await catalog.callers("contract.called")
    assert (caller.workflow_id, caller.version, caller.calls) == ("contract.parent", 1, (1,))
    await catalog.publish(definition("contract.parent"))
    assert await catalog.callers("contract.called") == ()


async def timed(scenario: Scenario) -> str:
    """A workflow with a schedule that does not fire while anybody looks: one of the fake, or one that is published."""
    found = [row for row in await scenario.backend.workflows.list() if row.schedule is not None and row.schedule.cron]
    if found:
        return found[0].workflow_id
    trigger = {"type": "recurring", "cron": "30 7 1 1 *", "timezone": "UTC"}
    await scenario.backend.workflows.publish(definition(TIMED, trigger=trigger))
    return TIMED


async def test_a_schedule_tells_its_next_times(scenario: Scenario) -> None:
    name = await timed(scenario)
    schedules = scenario.backend.schedules
    row = (await scenario.backend.workflows.get(name)).schedule
    assert row is not None
    assert row == (await schedules.get(name)).row
    times = await schedules.next_times(name)
    assert times[0] == row.next_fire_at
    assert 1 < len(times) <= 5
    assert all(later - earlier > timedelta(0) for earlier, later in pairwise(times))
    assert await schedules.next_times(row.schedule_id, 2) == times[:2]
    await scenario.backend.workflows.pause(name, reason=REASON)
    assert await schedules.next_times(name) == times, "what comes due during a pause is queued"
    assert (await schedules.get(name)).row.status == "scheduled"
    await scenario.backend.workflows.unpause(name)
    assert (await schedules.get(name)).row.status == "scheduled"
    told = f"There is no schedule {NOBODY!r}, and no workflow of that id that is started by time."
    with refuses(NotFound, "SCHEDULE_NOT_FOUND", told):
        await schedules.next_times(NOBODY)


async def test_a_schedule_is_fired_once_per_key(scenario: Scenario) -> None:
    name = await timed(scenario)
    schedules = scenario.backend.schedules
    before = (await schedules.get(name)).row
    with refuses(Invalid, "REASON_TOO_SHORT", "The reason needs at least 3 characters."):
        await schedules.fire(name, " x")
    first = await schedules.fire(name, REASON, idempotency_key="contract-fire")
    again = await schedules.fire(name, REASON, idempotency_key="contract-fire")
    assert (first.created, again.created, again.run_id) == (True, False, first.run_id)
    other = await schedules.fire(before.schedule_id, REASON, idempotency_key="contract-fire-2")
    assert other.run_id != first.run_id
    run = (await scenario.backend.runs.get(first.run_id)).row
    assert (run.workflow_id, run.trigger) == (name, "recurring")
    fires = (await schedules.fires(before.schedule_id)).rows
    by_hand = [fire for fire in fires if fire.run_id == first.run_id]
    actor = (await scenario.backend.system.session()).actor
    assert [(fire.outcome, fire.reason) for fire in by_hand] == [("started", f"Fired by {actor}: {REASON}")]
    after = (await schedules.get(name)).row
    assert (after.next_fire_at, after.status, after.last_outcome) == (before.next_fire_at, "scheduled", "started")
    await scenario.backend.workflows.pause(name, reason=REASON)
    with refuses(Conflict, "WORKFLOW_PAUSED", f"The workflow {name} is paused, it starts no runs."):
        await schedules.fire(name, REASON)


async def test_only_what_is_started_by_time_is_fired(scenario: Scenario) -> None:
    told = f"There is no schedule {scenario.workflow_id!r}, and no workflow of that id that is started by time."
    with refuses(NotFound, "SCHEDULE_NOT_FOUND", told):
        await scenario.backend.schedules.fire(scenario.workflow_id, REASON)
