"""Bundles: what is refused, what an import would do, and that an export comes back as it went."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from engine.definition.bundle import dependencies_of, plan_import, read_bundle, write_bundle
from engine.errors import Conflict, Invalid

METADATA = {
    "name": "n",
    "description": None,
    "payloadSchemaRef": "payload.Any.v1",
    "payloadSchemaMode": "pinned",
    "pinnedPayloadSchemaRef": None,
    "trigger": None,
    "isSystem": False,
    "isVisible": True,
    "isPaused": False,
    "concurrencyLimit": None,
    "autoPauseOnFailure": False,
    "failureRateThreshold": None,
    "failureRateMinRuns": None,
    "retentionPolicyOverride": None,
}


def definition(workflow_id: str, version: int, calls: str | None = None) -> dict[str, Any]:
    steps: list[Any] = [{"id": "e", "type": "action.call", "config": {"actionId": "test.echo", "version": 2}}]
    if calls:
        steps.append(
            {
                "id": "i",
                "type": "control.if",
                "condition": {"$expr": "true"},
                "then": [{"id": "c", "type": "control.callWorkflow", "workflowId": calls, "workflowVersion": 1}],
            }
        )
    return {"id": workflow_id, "version": version, "name": "n", "payloadSchemaRef": "payload.Any.v1", "steps": steps}


def workflow(key: str, source: dict[str, Any], *versions: int) -> dict[str, Any]:
    return {
        "key": key,
        "metadata": METADATA,
        "dependencies": dependencies_of([source]).model_dump(by_alias=True),
        "draft": {"draftVersion": 9, "definition": source},
        "publishedVersions": [
            {"version": number, "definition": {**source, "version": number}, "payloadSchemaJson": None}
            for number in versions
        ],
    }


def bundle(*workflows: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": "alga-psa.workflow-bundle",
        "formatVersion": 1,
        "exportedAt": "2026-01-01T00:00:00.000Z",
        "workflows": list(workflows),
    }


PARENT = workflow("parent", definition("old-parent", 9, calls="old-child"), 2, 1)
CHILD = workflow("child", definition("old-child", 9), 1)


def test_an_import_that_creates_and_replaces() -> None:
    source = bundle(PARENT, CHILD)
    before = copy.deepcopy(source)
    plan = plan_import(source, existing={"child": "wf.child"}, force=True)
    parent, child = plan.workflows
    assert (parent.operation, parent.workflow_id, child.operation, child.workflow_id) == (
        "create",
        "parent",
        "replace",
        "wf.child",
    )
    assert [version.version for version in parent.versions] == [1, 2]
    assert [version.definition["version"] for version in parent.versions] == [1, 2]
    assert all(version.definition["id"] == "parent" for version in parent.versions)
    assert parent.draft_definition["version"] == parent.draft_version == 9
    assert parent.versions[0].definition["steps"][1]["then"][0]["workflowId"] == "wf.child"
    assert [(action.action_id, action.version) for action in plan.dependencies.actions] == [("test.echo", 2)]
    assert plan.dependencies.node_types == ["action.call", "control.callWorkflow", "control.if"]
    assert source == before


def test_calls_stay_when_an_id_is_not_one_workflow() -> None:
    plan = plan_import(bundle(PARENT, CHILD, workflow("twin", definition("old-child", 9), 1)), existing={})
    assert plan.workflows[0].versions[0].definition["steps"][1]["then"][0]["workflowId"] == "old-child"


def test_conflicts() -> None:
    with pytest.raises(Conflict) as caught:
        plan_import(bundle(PARENT, CHILD), existing={"child": "wf.child"})
    assert (caught.value.code, caught.value.details) == ("WORKFLOW_KEY_CONFLICT", {"keys": ["child"]})
    with pytest.raises(Conflict) as caught:
        plan_import(bundle(PARENT), existing={}, workflow_ids={"parent"})
    assert (caught.value.code, caught.value.details) == ("WORKFLOW_ID_CONFLICT", {"ids": ["parent"]})


def _without(source: dict[str, Any], *path: Any) -> dict[str, Any]:
    changed = copy.deepcopy(source)
    current: Any = changed
    for part in path[:-1]:
        current = current[part]
    del current[path[-1]]
    return changed


@pytest.mark.parametrize(
    ("source", "code", "path"),
    [
        ([], "UNSUPPORTED_FORMAT", None),
        ({**bundle(), "format": "x"}, "UNSUPPORTED_FORMAT", None),
        ({**bundle(), "formatVersion": 2}, "UNSUPPORTED_FORMAT_VERSION", None),
        ({**bundle(CHILD), "more": 1}, "SCHEMA_VALIDATION_FAILED", "/more"),
        (
            _without(bundle(CHILD), "workflows", 0, "publishedVersions", 0, "payloadSchemaJson"),
            "SCHEMA_VALIDATION_FAILED",
            "/workflows/0/publishedVersions/0/payloadSchemaJson",
        ),
        (
            _without(bundle(CHILD), "workflows", 0, "publishedVersions", 0, "definition", "steps"),
            "SCHEMA_VALIDATION_FAILED",
            "/workflows/0/publishedVersions/0/definition",
        ),
        (
            bundle(workflow("a", definition("a", 1), 1, 1)),
            "SCHEMA_VALIDATION_FAILED",
            "/workflows/0/publishedVersions/0/version",
        ),
        (bundle(CHILD, CHILD), "SCHEMA_VALIDATION_FAILED", "/workflows/0/key"),
        ({**bundle(), "exportedAt": float("nan")}, "NON_SERIALIZABLE", None),
    ],
)
def test_what_is_no_bundle(source: Any, code: str, path: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        plan_import(source, existing={})
    assert caught.value.code == code
    if path is not None:
        assert caught.value.details["issues"][0]["path"] == path


def test_an_export_comes_back() -> None:
    source = bundle(CHILD, PARENT)
    written = write_bundle(read_bundle(source).workflows, source["exportedAt"])
    assert json.loads(json.dumps(written)) == source
