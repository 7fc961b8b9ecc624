"""The conformance cases of kind ``publish`` and ``bundle-import``: what validation finds, and what an import would do."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

import pytest

from engine.actions.builtin.catalog import builtin_actions
from engine.actions.registry import ActionRegistry
from engine.definition.bundle import plan_import
from engine.definition.call_checks import calls_of
from engine.definition.publish_context import PublishContext, contracts_of
from engine.definition.validate import validate_definition
from engine.errors import Conflict, EngineError
from engine.settings import Settings
from tests.conformance.actions import Journal, conformance_actions
from tests.conformance.loader import Case, load_cases

SCHEMAS: dict[str, dict[str, Any]] = {
    "payload.Any.v1": {"type": "object", "additionalProperties": True},
    "payload.NeedsName.v1": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    "payload.Empty.v1": {"type": "object", "properties": {}, "additionalProperties": False},
}
"""As conformance/README.md describes them."""
CORRELATION_PATHS = {"PING": ["id"]}
"""What a case that names none can count on: PING has a key, other events have none."""


def _context(case: Case) -> PublishContext:
    registry = ActionRegistry((*builtin_actions(Settings()), *conformance_actions(lambda _ctx: Journal())))
    secrets, published = case.data.get("knownSecrets"), case.data.get("definitions")
    workflows: dict[str, dict[int, Any]] = {}
    for definition in published or ():
        workflows.setdefault(definition["id"], {})[definition["version"]] = calls_of(definition)
    return PublishContext(
        now=datetime(2026, 1, 1, tzinfo=UTC),
        schemas=SCHEMAS,
        actions=contracts_of(registry),
        correlation_paths=case.data.get("correlationPaths", CORRELATION_PATHS),
        known_secrets=None if secrets is None else frozenset(secrets),
        workflows=None if published is None else workflows,
        timezones=frozenset(available_timezones()),
    )


def _matches(expected: dict[str, Any], found: dict[str, Any]) -> bool:
    return all(found.get(name) == value for name, value in expected.items())


@pytest.mark.parametrize("case", load_cases("publish"), ids=lambda case: case.id)
def test_publish(case: Case) -> None:
    result = validate_definition(case.data["definition"], _context(case))
    expected = case.data["expect"]
    errors, warnings = ([issue.to_json() for issue in issues] for issues in (result.errors, result.warnings))
    assert result.ok is expected["ok"], errors
    keys = ("code", "stepPath", "stepId")
    found = Counter(tuple(error.get(key) for key in keys) for error in errors)
    assert found == Counter(tuple(error.get(key) for key in keys) for error in expected["errors"]), errors
    for wanted in expected.get("warnings", ()):
        assert any(_matches(wanted, warning) for warning in warnings), (wanted, warnings)
    if "secretRefs" in expected:
        assert list(result.secret_refs) == expected["secretRefs"]


@pytest.mark.parametrize("case", load_cases("bundle-import"), ids=lambda case: case.id)
def test_bundle_import(case: Case) -> None:
    """The plan, or the refusal: an import does the whole plan in one transaction, so a refusal creates nothing."""
    existing = {key: f"existing-{key}" for key in case.data.get("existingKeys", ())}
    force = bool(case.data.get("options", {}).get("force", False))
    expected = case.data["expect"]
    if not expected["ok"]:
        with pytest.raises(EngineError) as refused:
            plan_import(case.data["bundle"], existing=existing, force=force)
        assert refused.value.code == expected["error"]["code"]
        assert (409 if isinstance(refused.value, Conflict) else 400) == expected["error"]["status"]
        return
    plan = plan_import(case.data["bundle"], existing=existing, force=force)
    if "workflowIdPreserved" in expected:
        assert expected["workflowIdPreserved"] is all(item.workflow_id == existing[item.key] for item in plan.workflows)
    if "publishedVersions" in expected:
        assert [version.version for item in plan.workflows for version in item.versions] == expected[
            "publishedVersions"
        ]
