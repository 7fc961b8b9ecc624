"""Bundles of workflows: what an import would do, planned before anything is written, and what an export contains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError as ModelError

from engine import advice
from engine.definition.bundle_format import (
    FORMAT,
    FORMAT_VERSION,
    ActionReference,
    Bundle,
    BundledWorkflow,
    Dependencies,
    Metadata,
)
from engine.definition.hash import canonical_json
from engine.definition.parse import parse_definition
from engine.definition.sites import sites
from engine.errors import Conflict, Invalid
from engine.values.json_pointer import pointer_of

Json = Any
_ISSUES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ImportedVersion:
    """A version to be written, its definition with the id and version it gets."""

    version: int
    definition: dict[str, Json]
    payload_schema: Json


@dataclass(frozen=True, slots=True)
class WorkflowImport:
    """One workflow of an import. ``replace`` keeps the workflow's id and puts these versions in place of its own."""

    operation: Literal["create", "replace"]
    key: str
    workflow_id: str
    metadata: Metadata
    draft_version: int
    draft_definition: dict[str, Json]
    versions: tuple[ImportedVersion, ...]
    """Ascending."""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import does: all of it in one transaction, or nothing."""

    workflows: tuple[WorkflowImport, ...]
    dependencies: Dependencies
    """Everything the workflows need together, for the importer to check against what is registered."""


def read_bundle(value: Json) -> Bundle:
    """Check the form of a bundle.

    Raises Invalid: NON_SERIALIZABLE (nested too deeply, or not JSON), UNSUPPORTED_FORMAT, UNSUPPORTED_FORMAT_VERSION, or
    SCHEMA_VALIDATION_FAILED with ``details.issues``, a list of ``{path, message}``, path a JSON pointer.
    """
    canonical_json(value)
    if not isinstance(value, Mapping) or value.get("format") != FORMAT:
        raise Invalid(
            "UNSUPPORTED_FORMAT", f"This is not a bundle: its format is not {FORMAT}.", "Export one to see the form."
        )
    if value.get("formatVersion") != FORMAT_VERSION:
        raise Invalid(
            "UNSUPPORTED_FORMAT_VERSION",
            f"Bundles of version {value.get('formatVersion')} cannot be read; version {FORMAT_VERSION} can.",
            "Export it again with a system of this version.",
        )
    try:
        bundle = Bundle.model_validate(value)
    except ModelError as failure:
        found = failure.errors(include_url=False, include_input=False, include_context=False)[:_ISSUES_SHOWN]
        raise _malformed([{"path": pointer_of(*item["loc"]), "message": item["msg"]} for item in found]) from failure
    keys = Counter(workflow.key for workflow in bundle.workflows)
    issues = [
        {"path": pointer_of("workflows", index, "key"), "message": f"the key {workflow.key} is there twice"}
        for index, workflow in enumerate(bundle.workflows)
        if keys[workflow.key] > 1
    ]
    for index, workflow in enumerate(bundle.workflows):
        issues += _workflow_issues(index, workflow)
    if issues:
        raise _malformed(issues[:_ISSUES_SHOWN])
    return bundle


def plan_import(
    value: Json, *, existing: Mapping[str, str], workflow_ids: Collection[str] = (), force: bool = False
) -> ImportPlan:
    """What importing the bundle would do.

    ``existing``: workflow id by key, of the workflows there are; ``workflow_ids``: ids in use besides those. A workflow whose key
    exists is replaced with ``force`` and keeps its id; otherwise its key becomes its id. Calls between workflows of the bundle
    follow them to their new ids.

    Raises Invalid as ``read_bundle`` does, and Conflict: WORKFLOW_KEY_CONFLICT (details.keys) for keys that exist, without
    ``force``; WORKFLOW_ID_CONFLICT (details.ids) when a new workflow's id is in use.
    """
    bundle = read_bundle(value)
    known = [workflow.key for workflow in bundle.workflows if workflow.key in existing]
    if known and not force:
        raise Conflict(
            "WORKFLOW_KEY_CONFLICT",
            f"Workflows with these keys exist already: {', '.join(known)}.",
            advice.IMPORT_OVER.to("Replace their versions by the bundle's"),
            {"keys": known},
        )
    taken = {*workflow_ids, *existing.values()}
    clashing = [workflow.key for workflow in bundle.workflows if workflow.key not in existing and workflow.key in taken]
    if clashing:
        raise Conflict(
            "WORKFLOW_ID_CONFLICT",
            f"Other workflows have these ids already: {', '.join(clashing)}.",
            "Rename the keys in the bundle, or the workflows.",
            {"ids": clashing},
        )
    renamed = _renamed(bundle, existing)
    imports = tuple(_import_of(workflow, existing, renamed) for workflow in bundle.workflows)
    return ImportPlan(imports, joined(workflow.dependencies for workflow in bundle.workflows))


def dependencies_of(definitions: Iterable[Json]) -> Dependencies:
    """What definitions need: the actions they call, the types of their steps, and their payload schemas."""
    actions: set[tuple[str, int]] = set()
    types: set[str] = set()
    refs: set[str] = set()
    for definition in definitions:
        trigger = definition.get("trigger") or {}
        candidates = (definition.get("payloadSchemaRef"), trigger.get("sourcePayloadSchemaRef"))
        refs.update(ref for ref in candidates if isinstance(ref, str) and ref)
        for site in sites(definition):
            if site.type:
                types.add(site.type)
            action_id, version = site.config.get("actionId"), site.config.get("version")
            if site.type == "action.call" and isinstance(action_id, str) and isinstance(version, int):
                actions.add((action_id, version))
    references = [ActionReference(action_id=action_id, version=version) for action_id, version in sorted(actions)]
    return Dependencies(actions=references, node_types=sorted(types), schema_refs=sorted(refs))


def joined(parts: Iterable[Dependencies]) -> Dependencies:
    """All dependencies of several workflows, once each."""
    known = list(parts)
    actions = {(action.action_id, action.version) for part in known for action in part.actions}
    return Dependencies(
        actions=[ActionReference(action_id=action_id, version=version) for action_id, version in sorted(actions)],
        node_types=sorted({name for part in known for name in part.node_types}),
        schema_refs=sorted({ref for part in known for ref in part.schema_refs}),
    )


def write_bundle(workflows: Iterable[BundledWorkflow], exported_at: str) -> dict[str, Json]:
    """The JSON of a bundle, workflows in the order of their keys. ``exported_at``: ISO-8601 in UTC."""
    ordered = sorted(workflows, key=lambda workflow: workflow.key)
    bundle = Bundle(format=FORMAT, format_version=FORMAT_VERSION, exported_at=exported_at, workflows=ordered)
    return bundle.model_dump(by_alias=True)


def _malformed(issues: list[dict[str, str]]) -> Invalid:
    first = issues[0]
    return Invalid(
        "SCHEMA_VALIDATION_FAILED",
        f"The bundle is not well-formed: {first['path'] or '/'}: {first['message']}",
        "Correct the places named in the issues, or export it again.",
        {"issues": issues},
    )


def _workflow_issues(index: int, workflow: BundledWorkflow) -> Iterable[dict[str, str]]:
    """What is wrong with the definitions of a workflow, and with its numbers."""
    counted = Counter(version.version for version in workflow.published_versions)
    for position, version in enumerate(workflow.published_versions):
        at = pointer_of("workflows", index, "publishedVersions", position)
        if counted[version.version] > 1:
            yield {"path": f"{at}/version", "message": f"version {version.version} is there twice"}
        try:
            parse_definition(version.definition)
        except Invalid as failure:
            yield {"path": f"{at}/definition", "message": failure.message}


def _renamed(bundle: Bundle, existing: Mapping[str, str]) -> dict[str, str]:
    """New id by the id a workflow had where it was exported; none for an id that several of them had."""
    new_ids: dict[str, set[str]] = {}
    for workflow in bundle.workflows:
        for definition in (workflow.draft.definition, *(version.definition for version in workflow.published_versions)):
            old = definition.get("id")
            if isinstance(old, str):
                new_ids.setdefault(old, set()).add(existing.get(workflow.key, workflow.key))
    return {old: next(iter(new)) for old, new in new_ids.items() if len(new) == 1}


def _import_of(workflow: BundledWorkflow, existing: Mapping[str, str], renamed: Mapping[str, str]) -> WorkflowImport:
    workflow_id = existing.get(workflow.key, workflow.key)
    versions = sorted(workflow.published_versions, key=lambda version: version.version)
    return WorkflowImport(
        operation="replace" if workflow.key in existing else "create",
        key=workflow.key,
        workflow_id=workflow_id,
        metadata=workflow.metadata,
        draft_version=workflow.draft.draft_version,
        draft_definition=_moved(workflow.draft.definition, workflow_id, workflow.draft.draft_version, renamed),
        versions=tuple(
            ImportedVersion(
                version.version,
                _moved(version.definition, workflow_id, version.version, renamed),
                version.payload_schema_json,
            )
            for version in versions
        ),
    )


def _moved(definition: Json, workflow_id: str, version: int, renamed: Mapping[str, str]) -> dict[str, Json]:
    """A copy of the definition with its new id and version, its calls following the workflows that moved with it."""
    moved: dict[str, Json] = _copied({**definition, "id": workflow_id, "version": version})
    for site in sites(moved):
        called = site.step.get("workflowId")
        if site.type == "control.callWorkflow" and isinstance(called, str):
            site.step["workflowId"] = renamed.get(called, called)
    return moved


def _copied(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
