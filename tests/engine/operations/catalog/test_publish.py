"""Publishing: everything wrong is told at once, nothing wrong is written, and what is written never changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel, Field

from engine.actions.declaration import declarations_of
from engine.actions.registry import ActionRegistry, action, load_actions
from engine.definition.hash import definition_hash
from engine.errors import Conflict, Forbidden, Invalid, NotFound
from engine.ids import new_id
from engine.operations.catalog.publish import PublishRequest, limit_concurrency, pause_workflow, publish_definition
from engine.operations.context import OperationContext
from engine.operations.redaction import marked_as_sensitive
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.records import Level, MarkedKind, MarkedPlaces
from engine.store.trace.reading_attempts import attempt_body
from engine.store.trace.reading_logs import run_logs
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.operations.conftest import ORDER_SCHEMA, AsUser, Execute, Query, definition

PAYLOAD = {"order": {"id": 7}}


@pytest.fixture(scope="module")
def registry() -> ActionRegistry:
    return load_actions()


def request(**changes: Any) -> PublishRequest:
    return PublishRequest(definition(payloadSchemaRef="payload.Order.v1", **changes), payload_schema=ORDER_SCHEMA)


async def test_a_version_is_written_with_what_it_was_checked_against(
    context: OperationContext, registry: ActionRegistry, query: Query
) -> None:
    result = await publish_definition(context, request(description="Takes orders"), registry)

    assert (result.workflow_id, result.version, result.created) == ("orders", 1, True)
    [row] = await query("SELECT * FROM workflow_definition_versions")
    assert row["definition_json"]["version"] == 1
    assert row["definition_hash"] == definition_hash(row["definition_json"]) == result.definition_hash
    assert row["payload_schema_json"] == ORDER_SCHEMA
    assert row["published_by"] == "tester"
    [workflow] = await query("SELECT status, description, draft_version FROM workflow_definitions")
    assert workflow == {"status": "published", "description": "Takes orders", "draft_version": 2}
    [entry] = await query("SELECT operation, actor, workflow_id FROM workflow_audit_log")
    assert entry == {"operation": "workflow_publish", "actor": "tester", "workflow_id": "orders"}


async def test_each_publish_gets_the_next_number_and_leaves_the_earlier_ones_alone(
    context: OperationContext, registry: ActionRegistry, query: Query
) -> None:
    await publish_definition(context, request(), registry)
    [first] = await query("SELECT md5(v::text) AS was FROM workflow_definition_versions v WHERE version = 1")
    await publish_definition(context, request(name="Renamed"), registry)

    rows = await query("SELECT version FROM workflow_definition_versions ORDER BY version")
    assert [row["version"] for row in rows] == [1, 2]
    [again] = await query("SELECT md5(v::text) AS was FROM workflow_definition_versions v WHERE version = 1")
    assert again == first


async def test_publishes_at_once_get_different_numbers(
    context: OperationContext, registry: ActionRegistry, query: Query
) -> None:
    results = await asyncio.gather(*(publish_definition(context, request(), registry) for _ in range(4)))
    assert sorted(result.version for result in results) == [1, 2, 3, 4]
    assert len(await query("SELECT 1 FROM workflow_definitions")) == 1


async def test_the_same_again_writes_nothing_when_that_is_asked(
    context: OperationContext, registry: ActionRegistry, query: Query
) -> None:
    once = PublishRequest(
        definition(payloadSchemaRef="payload.Order.v1"), payload_schema=ORDER_SCHEMA, only_if_changed=True
    )
    first = await publish_definition(context, once, registry)
    second = await publish_definition(context, once, registry)
    assert (second.version, second.created, second.definition_hash) == (1, False, first.definition_hash)
    assert len(await query("SELECT 1 FROM workflow_audit_log")) == 1


class Looked(BaseModel):
    name: str = Field(default="", json_schema_extra={"x-sensitive": True})


class Nothing(BaseModel):
    pass


class LookedAgain(BaseModel):
    name: str = ""
    found: list[Looked] = []


def crm(output: type[BaseModel]) -> ActionRegistry:
    """A registry with one more action."""

    @action("crm.look", input=Nothing, output=output)
    async def look(given: Nothing, ctx: Any) -> BaseModel:
        return output()

    known = load_actions()
    for declared in declarations_of(look):
        known.register(declared)
    return known


async def test_what_an_action_marks_is_kept_with_the_version_shown_and_hidden(
    context: OperationContext, query: Query, execute: Execute
) -> None:
    steps = [{"id": "look", "type": "action.call", "config": {"actionId": "crm.look", "version": 1}}]
    wanted = PublishRequest(definition(steps=steps), only_if_changed=True)
    await publish_definition(context, wanted, crm(Nothing))
    assert await marked_as_sensitive(context) == ()
    marking = await publish_definition(context, wanted, crm(LookedAgain))
    assert (marking.version, marking.created) == (2, True)
    assert not (await publish_definition(context, wanted, crm(LookedAgain))).created
    assert await marked_as_sensitive(context) == (
        MarkedPlaces(MarkedKind.ACTION_OUTPUT, "crm.look@1", ("/found/*/name",)),
    )
    run = await launch_published_run(context, LaunchRequest("orders", {}))
    attempt_id = new_id()
    await execute(
        "INSERT INTO workflow_action_invocations (invocation_id, run_id, tenant, step_path, visit, action_id, action_version,"
        " idempotency_key, status, output_json) SELECT CAST(:attempt AS uuid), run_id, tenant, 'root.steps[0]', 1, 'crm.look',"
        ' 1, \'k\', \'SUCCEEDED\', \'{"name": "Ada", "found": [{"name": "Countess of Lovelace"}]}\' FROM workflow_runs',
        attempt=attempt_id,
    )
    await execute(
        "INSERT INTO workflow_run_logs (run_id, tenant, level, message) SELECT run_id, tenant, 'INFO',"
        " 'found COUNTESS OF LOVELACE' FROM workflow_runs"
    )
    body = await attempt_body(context.store, context.tenant, run.run_id, attempt_id)
    assert body.output is not None
    assert body.output.value == {"name": "Ada", "found": [{"name": PLACEHOLDER}]}
    messages = [line.message for line in (await run_logs(context.store, context.tenant, run.run_id)).rows]
    assert "COUNTESS" not in str(messages)
    assert PLACEHOLDER in messages


async def test_every_error_is_told_at_once_and_nothing_is_written(
    context: OperationContext, registry: ActionRegistry, query: Query
) -> None:
    steps = [
        {"id": "same", "type": "action.call", "config": {"actionId": "no.such", "version": 1}},
        {"id": "same", "type": "control.if", "condition": {"$expr": "1 +"}, "then": []},
    ]
    with pytest.raises(Invalid) as caught:
        await publish_definition(context, request(steps=steps), registry)

    codes = {issue["code"] for issue in caught.value.details["issues"]}
    assert caught.value.code == "DEFINITION_INVALID"
    assert {"UNKNOWN_ACTION", "DUPLICATE_STEP_ID", "INVALID_EXPR"} <= codes
    for table in (
        "workflow_definitions",
        "workflow_definition_versions",
        "workflow_payload_schemas",
        "workflow_audit_log",
    ):
        assert await query(f"SELECT 1 FROM {table}") == []


async def test_a_called_workflow_must_be_published(context: OperationContext, registry: ActionRegistry) -> None:
    call = {"id": "child", "type": "control.callWorkflow", "workflowId": "billing", "workflowVersion": 1}
    with pytest.raises(Invalid, match="billing"):
        await publish_definition(context, request(steps=[call]), registry)

    billing = PublishRequest(definition("billing", payloadSchemaRef="payload.Order.v1"), payload_schema=ORDER_SCHEMA)
    await publish_definition(context, billing, registry)
    assert (await publish_definition(context, request(steps=[call]), registry)).version == 1


async def test_examples_are_kept_with_the_schema_and_must_fit_it(
    context: OperationContext, registry: ActionRegistry, query: Query
) -> None:
    base = definition(payloadSchemaRef="payload.Order.v1")
    with pytest.raises(Invalid, match="EXAMPLE_INVALID") as caught:
        await publish_definition(
            context, PublishRequest(base, payload_schema=ORDER_SCHEMA, examples={"bad": {"order": {}}}), registry
        )
    assert caught.value.details["issues"][0]["pointer"] == "/order"

    good = PublishRequest(base, payload_schema=ORDER_SCHEMA, examples={"usual": PAYLOAD})
    await publish_definition(context, good, registry)
    [row] = await query("SELECT payload_schema_json AS schema FROM workflow_definition_versions")
    assert (row["schema"]["examples"], row["schema"]["x-example-titles"]) == ([PAYLOAD], ["usual"])


@pytest.mark.parametrize("schema", [{"type": 5}, {"description": "x" * 1024 * 1024}])
async def test_a_schema_that_is_none_or_too_large_is_refused(
    context: OperationContext, registry: ActionRegistry, schema: Any
) -> None:
    wrong = PublishRequest(definition(payloadSchemaRef="payload.Order.v1"), payload_schema=schema)
    with pytest.raises(Invalid, match="PAYLOAD_SCHEMA_INVALID"):
        await publish_definition(context, wrong, registry)


async def test_an_example_is_no_larger_than_a_payload_may_be(
    context: OperationContext, registry: ActionRegistry
) -> None:
    base = definition(payloadSchemaRef="payload.Order.v1")
    large = PublishRequest(base, payload_schema={"type": "object"}, examples={"large": {"a": "x" * 512 * 1024}})
    with pytest.raises(Invalid, match="EXAMPLE_INVALID: The example 'large' has 524296 bytes"):
        await publish_definition(context, large, registry)


async def test_a_schema_that_nobody_registered_is_an_error(context: OperationContext, registry: ActionRegistry) -> None:
    with pytest.raises(Invalid) as caught:
        await publish_definition(context, PublishRequest(definition(payloadSchemaRef="payload.Nowhere.v1")), registry)
    assert any("PAYLOAD_SCHEMA_REF" in issue["code"] for issue in caught.value.details["issues"])


async def test_pausing_refuses_new_runs_until_it_ends(
    context: OperationContext, registry: ActionRegistry, query: Query
) -> None:
    await publish_definition(context, request(), registry)
    await pause_workflow(context, "orders", paused=True, reason="wrong prices")
    with pytest.raises(Conflict, match="WORKFLOW_PAUSED"):
        await launch_published_run(context, LaunchRequest("orders", PAYLOAD))
    await pause_workflow(context, "orders", paused=False)
    assert (await launch_published_run(context, LaunchRequest("orders", PAYLOAD))).created
    operations = [row["operation"] for row in await query("SELECT operation FROM workflow_audit_log ORDER BY audit_id")]
    assert operations == ["workflow_publish", "workflow_pause", "workflow_unpause", "workflow_run_start"]
    with pytest.raises(NotFound, match="WORKFLOW_NOT_FOUND"):
        await pause_workflow(context, "nobody", paused=True)


async def test_a_concurrency_limit_is_set_and_lifted(context: OperationContext, registry: ActionRegistry) -> None:
    await publish_definition(context, request(), registry)
    await limit_concurrency(context, "orders", 1)
    await launch_published_run(context, LaunchRequest("orders", PAYLOAD))
    with pytest.raises(Conflict, match="CONCURRENCY_LIMIT"):
        await launch_published_run(context, LaunchRequest("orders", PAYLOAD))
    await limit_concurrency(context, "orders", 0)
    assert (await launch_published_run(context, LaunchRequest("orders", PAYLOAD))).created
    wrong: list[Any] = [-1, 2**31, True, 1.5, "2", None]
    for limit in wrong:
        with pytest.raises(Invalid, match="LIMIT_INVALID"):
            await limit_concurrency(context, "orders", limit)


async def test_only_an_admin_may_publish(as_user: AsUser, registry: ActionRegistry) -> None:
    async with as_user(Level.OPERATE) as operator:
        with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
            await publish_definition(operator, request(), registry)


def caller(workflow_id: str, *called: tuple[str, int], **changes: Any) -> PublishRequest:
    steps = [
        {"id": f"call-{name}", "type": "control.callWorkflow", "workflowId": name, "workflowVersion": version}
        for name, version in called
    ]
    return PublishRequest(definition(workflow_id, steps=steps, **changes))


async def test_called_versions_must_exist_and_never_come_back_to_the_caller(
    context: OperationContext, registry: ActionRegistry
) -> None:
    await publish_definition(context, PublishRequest(definition("leaf")), registry)
    await publish_definition(context, caller("middle", ("leaf", 1)), registry)
    await publish_definition(context, caller("top", ("middle", 1), ("leaf", 1)), registry)
    for request, code in (
        (caller("other", ("leef", 1)), "UNKNOWN_CALLED_WORKFLOW"),
        (caller("other", ("leaf", 2)), "UNKNOWN_CALLED_VERSION"),
        (caller("self", ("self", 1)), "CALL_CYCLE"),
    ):
        with pytest.raises(Invalid) as caught:
            await publish_definition(context, request, registry)
        assert code in {issue["code"] for issue in caught.value.details["issues"]}


@pytest.mark.parametrize("ref", ["payload.Any.v1", "payload.Empty.v1", "payload.WorkflowClockTrigger.v1"])
async def test_built_in_schemas_need_no_registration_and_cannot_be_changed(
    context: OperationContext, registry: ActionRegistry, query: Query, ref: str
) -> None:
    base = definition(payloadSchemaRef=ref)
    await publish_definition(context, PublishRequest(base), registry)
    [row] = await query("SELECT payload_schema_json AS schema FROM workflow_definition_versions")
    assert row["schema"]["type"] == "object"
    with pytest.raises(Invalid, match="PAYLOAD_SCHEMA_BUILT_IN"):
        await publish_definition(
            context, PublishRequest(base, payload_schema={"type": "object", "title": "x"}), registry
        )


async def test_the_built_in_schema_of_an_empty_payload_takes_no_field(
    context: OperationContext, registry: ActionRegistry
) -> None:
    await publish_definition(context, PublishRequest(definition(payloadSchemaRef="payload.Empty.v1")), registry)
    assert (await launch_published_run(context, LaunchRequest("orders"))).created
    with pytest.raises(Invalid, match="PAYLOAD_REJECTED"):
        await launch_published_run(context, LaunchRequest("orders", {"a": 1}))
