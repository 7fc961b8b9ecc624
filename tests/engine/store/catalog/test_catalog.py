"""The catalog of workflows, and the newest payload to start from."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import NotFound
from engine.ids import new_id
from engine.records import Caller, Count, Pause
from engine.store.catalog.reading import (
    callers_of,
    definition_of,
    latest_input,
    payload_schema_of,
    version_list,
    workflow_list,
    workflow_of,
)
from engine.store.schedules.schedules import schedule_id_of
from engine.store.tables import (
    workflow_audit_log,
    workflow_definition_versions,
    workflow_definitions,
    workflow_payload_schemas,
    workflow_run_waits,
    workflow_schedules,
    workflow_settings,
)
from engine.store.trace.exporting import WAITS, pages
from engine.store.trace.reading_waits import run_waits
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.store.conftest import OTHER_TENANT, TENANT
from tests.engine.store.rows import at, insert, insert_run
from tests.engine.store.runs.test_list_plans import Explained, on_runs, rows_read


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
    views = await workflow_list(engine, TENANT)
    assert [(view.name, view.published_version, view.paused) for view in views] == [
        ("Alpha", None, False),
        ("Beta", 10, True),
    ]
    assert views[1].trigger == {"type": "event", "eventName": "order.placed"}
    assert [view.version for view in (await version_list(engine, TENANT, "beta"))] == [10, 9]
    assert await definition_of(engine, TENANT, "beta", 10) == {"steps": [], "secret": PLACEHOLDER}
    assert await payload_schema_of(engine, TENANT, "beta", 10) == {"a": 1}
    assert await payload_schema_of(engine, TENANT, "beta", 9) is None
    assert (await workflow_list(engine, OTHER_TENANT)) == ()


async def test_what_a_marked_field_of_an_event_is_compared_with_is_hidden(engine: AsyncEngine) -> None:
    marked = {"type": "object", "properties": {"lines": {"items": {"properties": {"code": {"x-sensitive": True}}}}}}
    await insert(
        engine, workflow_payload_schemas, {"ref": "event.Paid.v1", "schema_json": marked, "created_by": "grace"}
    )
    filters = [
        {"path": "lines.0.code", "op": "=", "value": "canary"},
        {"path": "lines.0.code.first", "op": "in", "value": ["canary"]},
        {"path": "lines.0.name", "op": "=", "value": "shown"},
    ]
    shown = {"steps": [{"config": {"filters": [{**one, "value": PLACEHOLDER} for one in filters[:2]] + filters[2:]}}]}
    definition = {"steps": [{"config": {"filters": filters}}]}
    await insert(engine, workflow_definitions, _definition("alpha"))
    await insert(
        engine,
        workflow_definition_versions,
        {"workflow_id": "alpha", "version": 1, "definition_json": definition, "published_at": at(1)},
    )
    assert await definition_of(engine, TENANT, "alpha", 1) == shown
    run_id = await insert_run(engine)
    wait = {"run_id": run_id, "wait_type": "event", "status": "WAITING", "step_path": "root.steps[0]"}
    await insert(
        engine,
        workflow_run_waits,
        {**wait, "wait_id": new_id(), "created_at": at(1), "payload": {"filters": filters}, "event_name": "paid"},
    )
    [found] = await run_waits(engine, TENANT, run_id)
    assert found.payload == shown["steps"][0]["config"]
    [[exported]] = [page async for page in pages(engine, TENANT, run_id, WAITS, 5)]
    assert exported.payload == found.payload


@pytest.mark.parametrize("workflow_id", ["nothing", "", "\0", "\ud800", "'; --"])
async def test_a_workflow_or_version_that_is_not_there_is_not_found(engine: AsyncEngine, workflow_id: str) -> None:
    with pytest.raises(NotFound, match="WORKFLOW_NOT_FOUND"):
        await version_list(engine, TENANT, workflow_id)
    await insert(engine, workflow_definitions, _definition("alpha"))
    for version in (1, 0, -1, 2**40):
        with pytest.raises(NotFound, match="VERSION_NOT_FOUND"):
            await definition_of(engine, TENANT, "alpha", version)


async def test_the_newest_payload_is_that_of_any_status_that_has_one(engine: AsyncEngine) -> None:
    assert (await latest_input(engine, TENANT, "order-fulfilment")) is None
    await insert_run(engine, started_at=at(1), status="SUCCEEDED", input_json={"n": 1})
    wanted = await insert_run(engine, started_at=at(3), status="FAILED", input_json={"n": 3, "token": "canary"})
    await insert_run(engine, started_at=at(2), input_json={"n": 2})
    await insert_run(engine, started_at=at(9))
    found = await latest_input(engine, TENANT, "order-fulfilment")
    assert found is not None
    assert (found.run_id, found.document.value) == (wanted, {"n": 3, "token": PLACEHOLDER})


async def test_the_newest_payload_is_not_looked_for_among_all_runs(
    history: AsyncEngine, history_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    explained = Explained(history_url, monkeypatch)
    await latest_input(history, TENANT, "wf-7")
    plan, hidden = explained.plans()
    assert {node["Index Name"] for node in on_runs(plan)} == {"workflow_runs_list_workflow"}
    assert sum(rows_read(node) for node in on_runs(plan)) <= 5
    assert [(node["Index Name"], rows_read(node)) for node in on_runs(hidden)] == [("workflow_runs_pkey", 1)]


async def test_a_workflow_tells_its_active_runs_its_limit_and_its_pause(engine: AsyncEngine) -> None:
    await insert(
        engine,
        workflow_definitions,
        _definition("busy", concurrency_limit=2),
        _definition("resting", is_paused=True),
        _definition("quiet", is_paused=True),
        _definition("running again"),
    )
    for status in ("RUNNING", "WAITING", "FAILED", "SUCCEEDED"):
        await insert_run(engine, workflow_id="busy", status=status)
    await insert(
        engine,
        workflow_audit_log,
        _pause("resting", 1, "the first time"),
        _pause("resting", 5, "holiday"),
        _pause("resting", 9, "limit, no pause", operation="workflow_concurrency_limit"),
        _pause("resting", 9, "of a run", target_kind="run"),
        _pause("running again", 9, "over"),
    )
    views = {view.workflow_id: view for view in await workflow_list(engine, TENANT)}
    assert (views["busy"].active, views["busy"].limit, views["busy"].full) == (Count(2), 2, True)
    assert (views["quiet"].active, views["quiet"].limit, views["quiet"].full) == (Count(0), 0, False)
    assert views["resting"].pause == Pause(at(5), "grace", "holiday")
    assert (views["quiet"].paused, views["quiet"].pause) == (True, None), "paused by nobody the log knows"
    assert (views["running again"].paused, views["running again"].pause) == (False, None)
    for workflow_id, view in views.items():
        assert await workflow_of(engine, TENANT, workflow_id) == view
    await insert(engine, workflow_settings, {"redaction_pointers": "no list"})
    hidden = (await workflow_of(engine, TENANT, "resting")).pause
    assert hidden == Pause(at(5), "grace", PLACEHOLDER), "a policy nobody understands hides what people wrote"


def _pause(workflow_id: str, seconds: float, reason: str, **values: Any) -> dict[str, Any]:
    return {
        "audit_id": new_id(),
        "actor": "grace",
        "operation": "workflow_pause",
        "target_kind": "definition",
        "target_id": workflow_id,
        "reason": reason,
        "created_at": at(seconds),
        **values,
    }


async def test_the_schedule_of_a_workflow_is_its_own_and_only_while_it_is_started_by_time(engine: AsyncEngine) -> None:
    await insert(engine, workflow_definitions, _definition("timed"), _definition("once timed"), _definition("earlier"))
    row = {"workflow_version": 1, "name": "x", "trigger_type": "recurring", "cron": "* * * * *"}
    await insert(
        engine,
        workflow_schedules,
        {"schedule_id": schedule_id_of(TENANT, "timed"), "workflow_id": "timed", **row, "next_fire_at": at(60)},
        {"schedule_id": new_id(), "workflow_id": "timed", **row, "next_fire_at": at(1)},
        {"schedule_id": schedule_id_of(TENANT, "once timed"), "workflow_id": "once timed", **row, "status": "disabled"},
        {"schedule_id": new_id(), "workflow_id": "earlier", **row},
    )
    views = {view.workflow_id: view.schedule for view in await workflow_list(engine, TENANT)}
    assert views["timed"] is not None
    assert (views["timed"].next_fire_at, views["timed"].overdue) == (at(60), True)
    assert (views["once timed"], views["earlier"]) == (None, None)


async def test_versions_tell_who_published_them_and_what_was_worth_a_look(engine: AsyncEngine) -> None:
    await insert(engine, workflow_definitions, _definition("alpha"))
    warning = {"severity": "warning", "stepPath": "root.steps[0]", "code": "SLOW", "message": "It is slow."}
    await insert(
        engine,
        workflow_definition_versions,
        {"workflow_id": "alpha", "version": 1, "definition_json": {}},
        {"workflow_id": "alpha", "version": 2, "definition_json": {}, "published_by": "ada", "published_at": at(1),
         "validation_warnings": [warning, "not one"]},
    )  # fmt: skip
    newest, oldest = await version_list(engine, TENANT, "alpha")
    assert (newest.published_by, newest.published_at) == ("ada", at(1))
    [found] = newest.warnings
    assert (found.severity, found.step_path, found.step_id, found.code) == ("warning", "root.steps[0]", None, "SLOW")
    assert (found.message, found.suggestion) == ("It is slow.", None)
    assert (oldest.published_by, oldest.published_at, oldest.warnings) == (None, None, ())


async def test_callers_are_those_whose_latest_version_starts_it(engine: AsyncEngine) -> None:
    names = ("called", "deep", "earlier", "only-names-it", "other")
    await insert(engine, workflow_definitions, *(_definition(name) for name in names))

    def call(version: int, workflow_id: str = "called") -> dict[str, Any]:
        return {
            "id": f"c{version}",
            "type": "control.callWorkflow",
            "workflowId": workflow_id,
            "workflowVersion": version,
        }

    def version(workflow_id: str, number: int, *steps: dict[str, Any]) -> dict[str, Any]:
        return {"workflow_id": workflow_id, "version": number, "definition_json": {"steps": list(steps)}}

    inside = {"id": "if", "type": "control.if", "then": [{"id": "l", "type": "control.forEach", "body": [call(2)]}]}
    await insert(
        engine,
        workflow_definition_versions,
        version("deep", 1),
        version("deep", 2, call(3), inside, call(2)),
        version("earlier", 1, call(1)),
        version("earlier", 2),
        version("only-names-it", 1, {"id": "n", "type": "state.set", "config": call(1)}),
        version("other", 1, call(1, "elsewhere")),
    )
    assert await callers_of(engine, TENANT, "called") == (Caller("deep", "Deep", 2, (2, 3)),)
    assert await callers_of(engine, TENANT, "other") == ()
    for unknown in ("nothing", "\0", '" || true'):
        with pytest.raises(NotFound, match="WORKFLOW_NOT_FOUND"):
            await callers_of(engine, TENANT, unknown)
        with pytest.raises(NotFound, match="WORKFLOW_NOT_FOUND"):
            await workflow_of(engine, TENANT, unknown)


async def test_active_runs_are_counted_in_their_index(
    history: AsyncEngine, history_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    explained = Explained(history_url, monkeypatch)
    views = await workflow_list(history, TENANT)
    assert len(views) == 20
    plans = [plan for plan in explained.plans() if on_runs(plan)]
    assert len(plans) == 1
    [index] = {node["Index Name"] for node in on_runs(plans[0])}
    assert index.startswith("workflow_runs_list_workflow")
    active = sum(view.active.value for view in views)
    assert sum(rows_read(node) for node in on_runs(plans[0])) <= active + 20
