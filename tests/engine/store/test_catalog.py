"""The catalog of workflows, and the newest payload to start from."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import NotFound
from engine.redaction import PLACEHOLDER
from engine.store.reading.catalog import definition_of, latest_input, payload_schema_of, version_list, workflow_list
from engine.store.tables import workflow_definition_versions, workflow_definitions
from tests.engine.store.conftest import OTHER_TENANT, TENANT
from tests.engine.store.rows import at, insert, insert_run
from tests.engine.store.test_list_plans import Explained, on_runs, rows_read


def _definition(workflow_id: str, **values: Any) -> dict[str, Any]:
    return {
        "workflow_id": workflow_id,
        "name": workflow_id.title(),
        "payload_schema_ref": "x",
        "draft_definition": {},
        **values,
    }


async def test_workflows_are_listed_by_name_with_what_is_published(engine: AsyncEngine) -> None:
    await insert(
        engine,
        workflow_definitions,
        _definition("beta", is_paused=True, trigger={"type": "event", "eventName": "draft"}),
        _definition("alpha"),
        _definition("hidden", is_visible=False),
    )
    await insert(
        engine,
        workflow_definition_versions,
        {"workflow_id": "beta", "version": 9, "definition_json": {}, "published_at": at(1)},
        {"workflow_id": "beta", "version": 10, "definition_json": {"steps": [], "secret": "canary"}, "published_at": at(2),
         "definition_hash": "abc", "trigger": {"type": "event", "eventName": "order.placed"}, "payload_schema_json": {"a": 1}},
    )  # fmt: skip
    views = (await workflow_list(engine, TENANT)).value
    assert [(view.name, view.published_version, view.paused) for view in views] == [
        ("Alpha", None, False),
        ("Beta", 10, True),
    ]
    assert views[1].trigger == {"type": "event", "eventName": "order.placed"}
    assert [view.version for view in (await version_list(engine, TENANT, "beta")).value] == [10, 9]
    assert (await definition_of(engine, TENANT, "beta", 10)).value == {"steps": [], "secret": PLACEHOLDER}
    assert (await payload_schema_of(engine, TENANT, "beta", 10)).value == {"a": 1}
    assert (await payload_schema_of(engine, TENANT, "beta", 9)).value is None
    assert (await workflow_list(engine, OTHER_TENANT)).value == ()


@pytest.mark.parametrize("workflow_id", ["nothing", "", "\0", "\ud800", "'; --"])
async def test_a_workflow_or_version_that_is_not_there_is_not_found(engine: AsyncEngine, workflow_id: str) -> None:
    with pytest.raises(NotFound, match="WORKFLOW_NOT_FOUND"):
        await version_list(engine, TENANT, workflow_id)
    await insert(engine, workflow_definitions, _definition("alpha"))
    for version in (1, 0, -1, 2**40):
        with pytest.raises(NotFound, match="VERSION_NOT_FOUND"):
            await definition_of(engine, TENANT, "alpha", version)


async def test_the_newest_payload_is_that_of_any_status_that_has_one(engine: AsyncEngine) -> None:
    assert (await latest_input(engine, TENANT, "order-fulfilment")).value is None
    await insert_run(engine, started_at=at(1), status="SUCCEEDED", input_json={"n": 1})
    wanted = await insert_run(engine, started_at=at(3), status="FAILED", input_json={"n": 3, "token": "canary"})
    await insert_run(engine, started_at=at(2), input_json={"n": 2})
    await insert_run(engine, started_at=at(9))
    found = (await latest_input(engine, TENANT, "order-fulfilment")).value
    assert found is not None
    assert (found.run_id, found.document.value) == (wanted, {"n": 3, "token": PLACEHOLDER})


async def test_the_newest_payload_is_not_looked_for_among_all_runs(history: AsyncEngine, history_url: str) -> None:
    explained = Explained(history, history_url)
    await latest_input(history, TENANT, "wf-7")
    [plan] = explained.plans()
    assert {node["Index Name"] for node in on_runs(plan)} == {"workflow_runs_list_workflow"}
    assert sum(rows_read(node) for node in on_runs(plan)) <= 5
