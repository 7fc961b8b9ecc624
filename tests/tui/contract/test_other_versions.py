"""What every backend says of a replay in another version of the workflow, told before."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from engine.errors import NotFound
from engine.records import Difference, Original, ReplayPreview

from .conftest import Scenario, refuses


@pytest.fixture
def scenario(own_scenario: Scenario) -> Scenario:
    return own_scenario


async def previewed(scenario: Scenario, version: int | None) -> ReplayPreview:
    return await scenario.backend.runs.preview(scenario.succeeded, Original(), version=version)


async def test_a_preview_in_another_version(scenario: Scenario) -> None:
    catalog = scenario.backend.workflows
    ran: Any = await catalog.definition(scenario.workflow_id, scenario.version)
    own = await previewed(scenario, None)
    assert await previewed(scenario, scenario.version) == own

    async def published(change: Any) -> int:
        definition = copy.deepcopy(ran)
        change(definition["steps"])
        return (await catalog.publish(definition)).version

    extra = {"id": "extra", "type": "state.set", "config": {"state": "done"}}
    longer = await previewed(scenario, await published(lambda steps: steps.append(extra)))
    place = f"root.steps[{len(ran['steps'])}]"
    assert (longer.status, longer.stop) == ("SUCCEEDED", None)
    assert longer.differences == (Difference(place, "", "extra", "added", None, "SUCCEEDED"),)

    shorter = await previewed(scenario, await published(lambda steps: steps.pop()))
    assert (shorter.status, shorter.stop) == ("SUCCEEDED", None)
    assert {difference.kind for difference in shorter.differences} == {"dropped"}
    assert shorter.differences[0].step_id == ran["steps"][-1]["id"]

    version = await published(lambda steps: steps[0].update(id="renamed"))
    changed = await previewed(scenario, version)
    assert changed.status is None
    assert changed.stop is not None
    assert (changed.stop.code, changed.stop.path, changed.stop.step_id) == (
        "STEP_CHANGED",
        "root.steps[0]",
        "renamed",
    )
    assert changed.stop.message == f"Step renamed of version {version} is not one that the run executed."
    assert changed.differences == ()

    with refuses(NotFound, "VERSION_NOT_FOUND", f"The workflow {scenario.workflow_id} has no version 999999."):
        await previewed(scenario, 999_999)
