"""Admission of runs: the checks that every launch passes, by hand, by an event, a schedule, a replay or a parent run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from engine import advice
from engine.definition.hash import definition_hash
from engine.errors import Conflict, Invalid, NotFound
from engine.operations.json_schema import check_value
from engine.records import SchemaIssue
from engine.store.catalog.definitions import (
    Version,
    Workflow,
    load_definition,
    load_version,
    load_workflow,
    lock_workflow,
)
from engine.store.database.transactions import Connection
from engine.store.runs import runs
from engine.values.json_policy import clean_json, size_bytes, storable_text
from engine.values.request_limits import MAX_PAYLOAD_BYTES, MAX_VERSION
from engine.wording import counted

Json = Any

SKIP: Final = "skip"
"""The choice of a workflow whose triggers do not wait for their turn."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload that may be stored."""

    value: dict[str, Json]
    size_bytes: int
    replaced: tuple[str, ...]
    """JSON pointers of strings in which NUL or lone surrogates were replaced."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What a run would be started from."""

    workflow: Workflow
    version: Version
    busy: Conflict | None = None
    """Why it may not start now: the run waits for its turn."""


def storable_payload(value: Json) -> Payload:
    """``value`` as a run's payload.

    Raises ``Invalid``: PAYLOAD_NOT_OBJECT, PAYLOAD_TOO_LARGE, or a code of the JSON policy (JSON_NUMBER_NOT_FINITE, ...).
    """
    if not isinstance(value, dict):
        raise Invalid(
            "PAYLOAD_NOT_OBJECT", f"The payload is {_json_type(value)}.", "Send a JSON object; {} is an empty payload."
        )
    clean = clean_json(value)
    size = size_bytes(clean.value)
    if size > MAX_PAYLOAD_BYTES:
        raise Invalid(
            "PAYLOAD_TOO_LARGE",
            f"The payload has {size} bytes; {MAX_PAYLOAD_BYTES} are allowed.",
            "Store large data elsewhere and send a reference to it.",
            {"bytes": size, "limit": MAX_PAYLOAD_BYTES},
        )
    return Payload(clean.value, size, clean.replaced)


async def admit(
    connection: Connection,
    tenant: str,
    workflow_id: str,
    version: int | None,
    *,
    limited: bool = True,
    may_wait: bool = False,
) -> Admission:
    """The version to start: ``version``, else the latest.

    Raises ``NotFound`` (WORKFLOW_NOT_FOUND, VERSION_NOT_FOUND) and ``Conflict`` (WORKFLOW_PAUSED, CONCURRENCY_LIMIT,
    NOT_PUBLISHED). ``limited=False`` for child runs: their parent holds a slot already, and may wait for them with the last one.
    ``may_wait``: a pause and a full limit are in the answer, unless the workflow wants such triggers skipped.
    """
    named = storable_text(str(workflow_id))
    workflow = await load_workflow(connection, tenant, workflow_id) if named == workflow_id else None
    if workflow is None:
        raise NotFound(
            "WORKFLOW_NOT_FOUND", f"There is no workflow {named[:60]}.", advice.PUBLISH.to("Publish it first")
        )
    busy = await _busy(connection, tenant, workflow) if limited else _paused(workflow)
    if busy is not None and not (may_wait and workflow.when_busy != SKIP):
        raise busy
    wanted = version if version is not None else workflow.latest_version
    if wanted is None:
        raise Conflict(
            "NOT_PUBLISHED",
            f"The workflow {workflow_id} has no published version.",
            advice.PUBLISH.to("Publish it first"),
        )
    found = (
        await load_version(connection, tenant, workflow_id, wanted)
        if isinstance(wanted, int) and 0 < wanted <= MAX_VERSION
        else None
    )
    if found is None:
        raise NotFound(
            "VERSION_NOT_FOUND",
            f"The workflow {workflow_id} has no version {wanted}.",
            f"The latest is {workflow.latest_version}."
            if workflow.latest_version
            else advice.PUBLISH.to("Publish it first"),
        )
    return Admission(workflow, found, busy)


async def take_slot(connection: Connection, tenant: str, admission: Admission, *, may_wait: bool = False) -> Admission:
    """Make the concurrency limit hold until the transaction ends, in which the run is to be inserted.

    Launches of a limited workflow queue here, so two of them never see the same last slot. Raises ``Conflict`` as ``admit``.
    """
    workflow = await lock_workflow(connection, tenant, admission.workflow.workflow_id)
    if workflow is None:
        return admission
    busy = await _busy(connection, tenant, workflow)
    if busy is not None and not (may_wait and workflow.when_busy != SKIP):
        raise busy
    return replace(admission, workflow=workflow, busy=busy)


async def payload_issues(admission: Admission, payload: Payload) -> tuple[SchemaIssue, ...]:
    """What the version's payload schema has against a payload; empty when nothing."""
    return await check_value(admission.version.payload_schema, payload.value, size_bytes=payload.size_bytes)


async def hash_of(connection: Connection, tenant: str, admission: Admission) -> str:
    """The hash a run is pinned to. (Versions from before the cutover were stored without one.)"""
    version = admission.version
    if version.definition_hash is not None:
        return version.definition_hash
    return definition_hash(await load_definition(connection, tenant, admission.workflow.workflow_id, version.version))


def _paused(workflow: Workflow) -> Conflict | None:
    if not workflow.is_paused:
        return None
    return Conflict(
        "WORKFLOW_PAUSED",
        f"The workflow {workflow.workflow_id} is paused, it starts no runs.",
        advice.UNPAUSE.to("Wait, or unpause it", workflow=workflow.workflow_id),
    )


async def _busy(connection: Connection, tenant: str, workflow: Workflow) -> Conflict | None:
    """Why no run of it may start now."""
    if workflow.is_paused or not workflow.concurrency_limit:
        return _paused(workflow)
    active = await runs.count_active(connection, tenant, workflow.workflow_id)
    if active < workflow.concurrency_limit:
        return None
    return Conflict(
        "CONCURRENCY_LIMIT",
        f"The workflow {workflow.workflow_id} has {counted(active, 'active run')};"
        f" its limit is {workflow.concurrency_limit}.",
        advice.LIMIT.to("Wait until one ends, or raise the limit", workflow=workflow.workflow_id),
        {"active": active, "limit": workflow.concurrency_limit},
    )


def _json_type(value: Json) -> str:
    names = {type(None): "null", bool: "a boolean", str: "text", list: "a list", int: "a number", float: "a number"}
    return names.get(type(value), "not JSON")
