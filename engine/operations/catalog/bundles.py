"""Carrying workflows from one system to another: all that is published of them, in one file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal

from engine import advice
from engine.actions.registry import ActionRegistry
from engine.definition.bundle import ImportPlan, WorkflowImport, dependencies_of, plan_import, write_bundle
from engine.definition.bundle_format import BundledWorkflow, Draft, Metadata, PublishedVersion
from engine.definition.hash import definition_hash
from engine.definition.issues import ROOT, Issue
from engine.definition.validate import validate_definition
from engine.errors import Conflict, Invalid, NotFound
from engine.operations.catalog.publish import publish_context, traits_of
from engine.operations.context import OperationContext
from engine.operations.json_schema import schema_problem
from engine.operations.progress import Progress, untold
from engine.operations.runs.json_changes import placeholder_path
from engine.operations.schedules.schedules import sync_schedule
from engine.records import Level
from engine.store.catalog import bundles
from engine.store.catalog.bundles import StoredVersion, StoredWorkflow
from engine.store.catalog.compared import hiding_compared
from engine.store.catalog.definitions import NewVersion, insert_version, lock_workflow
from engine.store.catalog.payload_schemas import load_schemas, register_schemas
from engine.store.database.reader import Reader, open_reader
from engine.store.database.transactions import Connection, writing
from engine.store.tenant.audit import AuditEntry
from engine.values.json_policy import clean_json
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.request_limits import NOT_IN_AN_ID
from engine.values.timestamps import iso_milliseconds

Json = Any

_WRITE_IT: Final = "Write the value into the bundle, or better a $secret."
_WRITE_SCHEMA: Final = "Write the value into the bundle, or leave its keyword out of the schema."
_NOBODY_HAS: Final = frozenset({"UNKNOWN_ACTION", "PAYLOAD_SCHEMA_REF_UNKNOWN"})


@dataclass(frozen=True, slots=True)
class ImportedWorkflow:
    """What became of one workflow of a bundle."""

    workflow_id: str
    operation: Literal["create", "replace"]
    versions: tuple[int, ...]
    warnings: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class _Finding:
    """What keeps a version, or the draft (None), from running here."""

    planned: WorkflowImport
    version: int | None
    issue: Issue

    @property
    def part(self) -> str:
        return "draft" if self.version is None else f"version {self.version}"

    def to_json(self) -> dict[str, Json]:
        return {"workflowId": self.planned.workflow_id, "version": self.version, **self.issue.to_json()}


async def import_bundle(
    context: OperationContext,
    bundle: Json,
    registry: ActionRegistry,
    *,
    force: bool = False,
    progress: Progress = untold,
) -> tuple[ImportedWorkflow, ...]:
    """Create the workflows of a bundle, or with ``force`` put its versions in place of those there are. All or none.

    Needs the level admin. ``progress`` counts the workflows that are put in place, and then again those that are checked there.
    Raises, with nothing written: ``Invalid`` (UNSUPPORTED_FORMAT, UNSUPPORTED_FORMAT_VERSION,
    SCHEMA_VALIDATION_FAILED, BUNDLE_INVALID with all findings in ``details.issues``, each with ``workflowId`` and ``version``,
    null for a draft), ``Conflict``
    (WORKFLOW_KEY_CONFLICT, WORKFLOW_ID_CONFLICT, WORKFLOW_HAS_ACTIVE_RUNS), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    async with writing(context.store) as connection:
        known = await bundles.workflow_keys(connection, context.tenant)
        plan: ImportPlan = plan_import(bundle, existing=known, workflow_ids=list(known.values()), force=force)
        planned, imported, findings = len(plan.workflows), list[ImportedWorkflow](), list[_Finding]()
        for number, workflow in enumerate(plan.workflows):
            progress(number, 2 * planned)
            await _put(context, connection, workflow, registry)
        # Checked where everything is in place already: the workflows of a bundle call each other.
        for number, workflow in enumerate(plan.workflows, start=1):
            done, errors = await _checked(context, connection, workflow, registry)
            imported.append(done)
            findings += errors
            progress(planned + number, 2 * planned)
        if findings:
            raise _refused(findings)
    for done in imported:
        await sync_schedule(context, done.workflow_id)
    return tuple(imported)


async def export_bundle(
    context: OperationContext, workflow_ids: Sequence[str], *, progress: Progress = untold
) -> dict[str, Json]:
    """The bundle of these workflows, as they may be shown: a secret written out in one or in its payload's schema is masked,
    references are not.

    Needs the level admin. Raises ``Invalid`` (BUNDLE_EMPTY; WORKFLOW_ID_INVALID: of an id that was published earlier),
    ``NotFound`` (WORKFLOW_NOT_FOUND), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    if not workflow_ids:
        raise Invalid("BUNDLE_EMPTY", "No workflow was named.", "Name at least one; a bundle cannot be empty.")
    distinct, found = list(dict.fromkeys(workflow_ids)), list[StoredWorkflow]()
    async with open_reader(context.store, context.tenant) as reader:
        for workflow_id in distinct:
            progress(len(found), len(distinct))
            stored = await _stored(reader.connection, context.tenant, workflow_id)
            written = [stored.draft, *(version.definition for version in stored.versions)]
            found.append(_shown(await hiding_compared(reader, written), stored))
            if re.search(f"[{NOT_IN_AN_ID}]", found[-1].key):
                raise Invalid(
                    "WORKFLOW_ID_INVALID",
                    f"The id {workflow_id!r} has white space or a control character, which the key of a bundle has not.",
                    advice.PUBLISH.to("Publish the workflow under another id, and export that"),
                )
    progress(len(found), len(distinct))
    exported_at = iso_milliseconds(datetime.now(UTC))
    return write_bundle([_bundled(workflow) for workflow in found], exported_at)


async def _put(
    context: OperationContext, connection: Connection, planned: WorkflowImport, registry: ActionRegistry
) -> None:
    actor, tenant = context.actor.name, context.tenant
    workflow = _as_stored(planned)
    if planned.operation == "replace":
        await lock_workflow(connection, tenant, planned.workflow_id)
        if await bundles.has_active_runs(connection, tenant, planned.workflow_id):
            raise Conflict(
                "WORKFLOW_HAS_ACTIVE_RUNS",
                f"Runs of {planned.workflow_id} are under way, and each is bound to its version.",
                advice.CANCEL.to("Wait until they have ended, or cancel them", run="RUN_ID ..."),
            )
        await bundles.clear_versions(connection, tenant, planned.workflow_id)
    elif not await bundles.create_workflow(connection, tenant, workflow, actor=actor):
        raise Conflict(
            "WORKFLOW_ID_CONFLICT",
            f"There is a workflow {planned.workflow_id} already.",
            advice.IMPORT_OVER.to("Replace its versions by the bundle's"),
        )
    registered = await load_schemas(connection, tenant)
    for version in workflow.versions:
        ref = version.definition.get("payloadSchemaRef")
        if isinstance(ref, str) and ref not in registered and version.payload_schema is not None:
            await register_schemas(connection, tenant, {ref: version.payload_schema}, created_by=actor)
        await insert_version(
            connection,
            tenant,
            NewVersion(
                workflow_id=planned.workflow_id,
                version=version.version,
                definition=version.definition,
                definition_hash=definition_hash(version.definition),
                payload_schema=version.payload_schema,
                validation_status="valid",
                warnings=[],
                published_by=actor,
                action_traits=_traits(version.definition, registry),
            ),
        )
    await bundles.set_workflow(connection, tenant, workflow, actor=actor)


def _traits(definition: dict[str, Json], registry: ActionRegistry) -> dict[str, dict[str, Json]] | None:
    try:
        return traits_of(definition, registry)
    except Invalid:
        # The check that follows says what is wrong with it.
        return None


async def _checked(
    context: OperationContext, connection: Connection, planned: WorkflowImport, registry: ActionRegistry
) -> tuple[ImportedWorkflow, list[_Finding]]:
    """What became of a workflow that is in place, and everything that keeps it from running here."""
    warnings: list[Issue] = []
    findings: list[_Finding] = []
    for version in planned.versions:
        hidden = placeholder_path(version.definition)
        hidden_in_schema = placeholder_path(version.payload_schema, "/payloadSchemaJson")
        for place, advised in ((hidden, _WRITE_IT), (hidden_in_schema, _WRITE_SCHEMA)):
            if place is not None:
                told = f"{place or '/'}: The bundle holds {PLACEHOLDER} in the place of a value that was hidden at the export."
                findings.append(_Finding(planned, version.version, ROOT.error("PLACEHOLDER_IN_BUNDLE", told, advised)))
        # A placeholder may stand where a schema cannot have a text, or twice in a list of different values.
        unread = version.payload_schema is None or hidden_in_schema is not None
        problem = None if unread else schema_problem(version.payload_schema)
        if problem is not None:
            findings.append(_Finding(planned, version.version, ROOT.error("PAYLOAD_SCHEMA_INVALID", problem)))
        world = await publish_context(connection, context.tenant, registry, version.definition)
        result = validate_definition(version.definition, world)
        findings += [_Finding(planned, version.version, issue) for issue in result.errors]
        warnings += result.warnings
    # A draft may be unfinished, but what it calls has to be there for whoever goes on with it.
    world = await publish_context(connection, context.tenant, registry, planned.draft_definition)
    unfinished = validate_definition(planned.draft_definition, world).errors
    findings += [_Finding(planned, None, issue) for issue in unfinished if issue.code in _NOBODY_HAS]
    numbers = tuple(version.version for version in planned.versions)
    details = {"operation": planned.operation, "versions": list(numbers)}
    entry = AuditEntry(
        "workflow_import", "definition", planned.workflow_id, workflow_id=planned.workflow_id, details=details
    )
    await context.audit(connection, entry)
    return ImportedWorkflow(planned.workflow_id, planned.operation, numbers, tuple(warnings)), findings


def _refused(findings: Sequence[_Finding]) -> Invalid:
    first = findings[0]
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    issue = first.issue
    return Invalid(
        "BUNDLE_INVALID",
        f"{first.planned.key} {first.part} cannot run here: {issue.code} at {issue.step_path}: {issue.message}{more}",
        f"Nothing was imported. {issue.suggestion or 'Correct the workflow where it was exported.'}",
        {
            "workflowId": first.planned.workflow_id,
            "version": first.version,
            "issues": [finding.to_json() for finding in findings],
        },
    )


async def _stored(connection: Connection, tenant: str, workflow_id: str) -> StoredWorkflow:
    found = await bundles.read_workflow(connection, tenant, workflow_id)
    if found is None:
        raise NotFound("WORKFLOW_NOT_FOUND", f"There is no workflow {workflow_id[:60]!r}.", "Check the id.")
    return found


def _shown(reader: Reader, workflow: StoredWorkflow) -> StoredWorkflow:
    versions = tuple(
        replace(
            each,
            definition=reader.definition(each.definition),
            payload_schema=reader.definition(each.payload_schema),
        )
        for each in workflow.versions
    )
    metadata = reader.definition(workflow.metadata)
    return replace(workflow, metadata=metadata, draft=reader.definition(workflow.draft), versions=versions)


def _as_stored(planned: WorkflowImport) -> StoredWorkflow:
    versions = (
        StoredVersion(version.version, clean_json(version.definition).value, clean_json(version.payload_schema).value)
        for version in planned.versions
    )
    return StoredWorkflow(
        workflow_id=planned.workflow_id,
        key=planned.key,
        metadata=planned.metadata.model_dump(),
        draft_version=planned.draft_version,
        draft=clean_json(planned.draft_definition).value,
        versions=tuple(versions),
    )


def _bundled(workflow: StoredWorkflow) -> BundledWorkflow:
    threshold = workflow.metadata["failure_rate_threshold"]
    metadata = workflow.metadata | {
        "failure_rate_threshold": float(threshold) if isinstance(threshold, Decimal) else threshold
    }
    return BundledWorkflow(
        key=workflow.key,
        metadata=Metadata(**metadata),
        dependencies=dependencies_of([workflow.draft, *(version.definition for version in workflow.versions)]),
        draft=Draft(draft_version=workflow.draft_version, definition=workflow.draft),
        published_versions=[
            PublishedVersion(
                version=version.version,
                definition=version.definition,
                # In a bundle a schema is an object, or null, which accepts any.
                payload_schema_json={True: None, False: {"not": {}}}[schema] if isinstance(schema, bool) else schema,
            )
            for version in workflow.versions
            for schema in (version.payload_schema,)
        ],
    )
