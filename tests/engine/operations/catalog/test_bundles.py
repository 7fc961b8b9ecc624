"""Bundles through the database: what goes out comes in again, all of it or nothing."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from engine.actions.registry import ActionRegistry, load_actions
from engine.errors import Conflict, Invalid, NotFound
from engine.operations.catalog.bundles import export_bundle, import_bundle
from engine.operations.catalog.publish import PublishRequest, publish_definition
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.store.catalog.reading import definition_of, payload_schema_of, stored_payload_schema
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import ORDER_SCHEMA, Execute, Query, add_version, definition

CALL = {"id": "child", "type": "control.callWorkflow", "workflowId": "billing", "workflowVersion": 1}


@pytest.fixture(scope="module")
def registry() -> ActionRegistry:
    return load_actions()


@pytest.fixture
async def bundle(context: OperationContext, registry: ActionRegistry) -> dict[str, Any]:
    """Two workflows, one calling the other, the caller in two versions."""
    for authored in (definition("billing"), definition("orders"), definition("orders", 2, steps=[CALL])):
        wanted = {**authored, "payloadSchemaRef": "payload.Order.v1"}
        await publish_definition(context, PublishRequest(wanted, payload_schema=ORDER_SCHEMA), registry)
    return await export_bundle(context, ["orders", "billing"])


async def emptied(execute: Execute) -> None:
    await execute("DELETE FROM workflow_definition_versions")
    await execute("DELETE FROM workflow_definitions")
    await execute("DELETE FROM workflow_payload_schemas")


VERSIONS = (
    "SELECT workflow_id, version, definition_json, definition_hash, payload_schema_json"
    " FROM workflow_definition_versions ORDER BY workflow_id, version"
)


async def test_what_goes_out_comes_in_again(
    context: OperationContext, registry: ActionRegistry, bundle: dict[str, Any], query: Query, execute: Execute
) -> None:
    before = await query(VERSIONS)
    await emptied(execute)
    heard: list[tuple[int, int]] = []
    imported = await import_bundle(context, bundle, registry, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(0, 4), (1, 4), (3, 4), (4, 4)]

    assert {(done.workflow_id, done.operation, done.versions) for done in imported} == {
        ("billing", "create", (1,)),
        ("orders", "create", (1, 2)),
    }
    assert await query(VERSIONS) == before
    assert (await export_bundle(context, ["billing", "orders"]))["workflows"] == bundle["workflows"]
    assert (await launch_published_run(context, LaunchRequest("orders", {"order": {"id": 1}}))).version == 2


async def test_what_is_there_is_replaced_only_with_force(
    context: OperationContext, registry: ActionRegistry, bundle: dict[str, Any], query: Query
) -> None:
    with pytest.raises(Conflict, match="WORKFLOW_KEY_CONFLICT"):
        await import_bundle(context, bundle, registry)
    changed = deepcopy(bundle)
    changed["workflows"][0]["publishedVersions"][0]["definition"]["name"] = "Changed"
    imported = await import_bundle(context, changed, registry, force=True)
    assert {done.operation for done in imported} == {"replace"}
    [row] = await query("SELECT definition_json FROM workflow_definition_versions WHERE workflow_id = 'billing'")
    assert row["definition_json"]["name"] == "Changed"


async def test_nothing_is_replaced_under_a_run(
    context: OperationContext, registry: ActionRegistry, bundle: dict[str, Any], query: Query
) -> None:
    await launch_published_run(context, LaunchRequest("orders", {"order": {"id": 1}}))
    before = await query(VERSIONS)
    with pytest.raises(Conflict, match="WORKFLOW_HAS_ACTIVE_RUNS"):
        await import_bundle(context, bundle, registry, force=True)
    assert await query(VERSIONS) == before


async def test_one_workflow_that_cannot_run_here_keeps_all_out(
    context: OperationContext, registry: ActionRegistry, bundle: dict[str, Any], query: Query, execute: Execute
) -> None:
    await emptied(execute)
    broken = deepcopy(bundle)
    step = {"id": "a", "type": "action.call", "config": {"actionId": "no.such", "version": 1}}
    broken["workflows"][1]["publishedVersions"][1]["definition"]["steps"] = [step]
    with pytest.raises(Invalid, match="BUNDLE_INVALID") as caught:
        await import_bundle(context, broken, registry)
    assert (caught.value.details["workflowId"], caught.value.details["version"]) == ("orders", 2)
    assert "--actions" in caught.value.hint
    assert await query(VERSIONS) == []
    assert await query("SELECT 1 FROM workflow_definitions") == []


async def test_f29_a_bundle_shows_what_the_workflow_shows_and_no_more(
    context: OperationContext, registry: ActionRegistry, query: Query, execute: Execute
) -> None:
    headers = {"authorization": {"$secret": "API_KEY"}, "x-api-key": "canary-1"}
    call = {
        "id": "a",
        "type": "action.call",
        "config": {
            "actionId": "http.request",
            "version": 1,
            "inputMapping": {"url": "https://u:canary-2@h/", "headers": headers},
        },
    }
    await publish_definition(context, PublishRequest(definition("billing", steps=[call])), registry)
    bundle = await export_bundle(context, ["billing"])
    assert "canary" not in str(bundle)
    [workflow] = bundle["workflows"]
    shown = await definition_of(context.store, context.tenant, "billing", 1)
    assert workflow["publishedVersions"][0]["definition"] == shown
    assert shown["steps"][0]["config"]["inputMapping"] == {
        "url": "[REDACTED]",
        "headers": {"authorization": {"$secret": "API_KEY"}, "x-api-key": "[REDACTED]"},
    }
    await emptied(execute)
    with pytest.raises(Invalid, match="PLACEHOLDER_IN_BUNDLE"):
        await import_bundle(context, bundle, registry)
    assert await query(VERSIONS) == []


async def test_a_bundle_hides_what_the_schema_of_a_payload_holds_of_it(
    context: OperationContext, registry: ActionRegistry, query: Query, execute: Execute
) -> None:
    marked = {"type": "string", "x-sensitive": True, "enum": ["canary-1", "canary-2"]}
    schema = {
        "type": "object",
        "properties": {"code": marked, "pin": {"type": "string"}},
        "examples": [{"pin": "canary-3"}],
    }
    wanted = {**definition("billing"), "payloadSchemaRef": "payload.Billing.v1"}
    await publish_definition(context, PublishRequest(wanted, payload_schema=schema), registry)
    assert "canary" not in str(await payload_schema_of(context.store, context.tenant, "billing", 1))
    assert await stored_payload_schema(context.store, context.tenant, "billing", 1) == schema
    bundle = await export_bundle(context, ["billing"])
    assert "canary" not in str(bundle)
    [workflow] = bundle["workflows"]
    exported = workflow["publishedVersions"][0]["payloadSchemaJson"]
    assert exported["properties"] == {
        "code": {**marked, "enum": ["[REDACTED]", "[REDACTED]"]},
        "pin": {"type": "string"},
    }
    assert exported["examples"] == [{"pin": "[REDACTED]"}]
    await emptied(execute)
    with pytest.raises(Invalid, match="PLACEHOLDER_IN_BUNDLE at root: /payloadSchemaJson/") as caught:
        await import_bundle(context, bundle, registry)
    assert "leave its keyword out" in caught.value.hint
    assert await query(VERSIONS) == []
    del exported["properties"]["code"]["enum"], exported["examples"]
    [imported] = await import_bundle(context, bundle, registry)
    assert imported.versions == (1,)


async def test_f43_an_id_that_no_bundle_can_have_is_refused_when_it_is_published(
    context: OperationContext, registry: ActionRegistry, store: Store
) -> None:
    for workflow_id in ("my orders", "orders\n", "a\tb", "a\0b", "\ud800", "a\u2003b"):
        with pytest.raises(Invalid, match="WORKFLOW_ID_INVALID"):
            await publish_definition(context, PublishRequest(definition(workflow_id)), registry)
    await add_version(store, "my orders")
    with pytest.raises(Invalid, match="WORKFLOW_ID_INVALID"):
        await export_bundle(context, ["my orders"])


@pytest.mark.parametrize(("schema", "written"), [(True, None), (False, {"not": {}})])
async def test_a_schema_that_is_true_or_false_has_its_form_in_a_bundle(
    context: OperationContext, registry: ActionRegistry, schema: bool, written: object
) -> None:
    wanted = {**definition("orders"), "payloadSchemaRef": "payload.Own.v1"}
    await publish_definition(context, PublishRequest(wanted, payload_schema=schema), registry)
    bundle = await export_bundle(context, ["orders"])
    assert bundle["workflows"][0]["publishedVersions"][0]["payloadSchemaJson"] == written


async def test_f43_everything_that_is_wrong_is_said_and_nothing_written(
    context: OperationContext, registry: ActionRegistry, bundle: dict[str, Any], query: Query, execute: Execute
) -> None:
    await emptied(execute)
    empty, spaced, foreign = deepcopy(bundle), deepcopy(bundle), deepcopy(bundle)
    empty["workflows"] = []
    spaced["workflows"][0]["key"] = "my orders"
    for wrong, place in ((empty, "/workflows"), (spaced, "/workflows/0/key")):
        with pytest.raises(Invalid, match="SCHEMA_VALIDATION_FAILED") as caught:
            await import_bundle(context, wrong, registry)
        assert [issue["path"] for issue in caught.value.details["issues"]] == [place]
    step = {"id": "a", "type": "action.call", "config": {"actionId": "no.such", "version": 1}}
    billing, orders = foreign["workflows"]
    billing["draft"]["definition"] |= {"steps": [step], "payloadSchemaRef": "payload.Nobody.v1"}
    orders["publishedVersions"][0]["definition"]["steps"] = [step, {**step, "id": "b"}]
    orders["publishedVersions"][1]["payloadSchemaJson"] = {"type": "no such type"}
    with pytest.raises(Invalid, match="BUNDLE_INVALID") as caught:
        await import_bundle(context, foreign, registry)
    found = {(issue["workflowId"], issue["version"], issue["code"]) for issue in caught.value.details["issues"]}
    assert found == {
        ("billing", None, "UNKNOWN_ACTION"),
        ("billing", None, "PAYLOAD_SCHEMA_REF_UNKNOWN"),
        ("orders", 1, "UNKNOWN_ACTION"),
        ("orders", 2, "PAYLOAD_SCHEMA_INVALID"),
    }
    assert len(caught.value.details["issues"]) == 5
    assert await query(VERSIONS) == await query("SELECT 1 FROM workflow_definitions") == []


async def test_a_file_that_is_none_is_refused(context: OperationContext, registry: ActionRegistry) -> None:
    for value in ({}, [], "bundle", {"format": "another", "formatVersion": 1}):
        with pytest.raises(Invalid, match="UNSUPPORTED_FORMAT"):
            await import_bundle(context, value, registry)
    with pytest.raises(NotFound, match="WORKFLOW_NOT_FOUND"):
        await export_bundle(context, ["nobody"])
    with pytest.raises(Invalid, match="BUNDLE_EMPTY"):
        await export_bundle(context, [])
