"""Replay: a new run with an old input. What was masked for the operator is never sent: the original stays in the server."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from engine.errors import Conflict, EngineError, Invalid
from engine.operations.actor import Level
from engine.operations.context import OperationContext
from engine.operations.json_changes import MAX_CHANGES, Change, apply_changes, changed_paths, placeholder_path
from engine.operations.launch import LaunchRequest, LaunchResult, launch_published_run
from engine.operations.run_access import checked_reason, require_run
from engine.redaction import PLACEHOLDER
from engine.store import runs
from engine.store.json_policy import canonical_json, clean_json
from engine.store.reader import open_reader
from engine.store.runs import Run

Json = Any

MAX_TARGETS = 1000
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Original:
    """The stored input, as it was."""


@dataclass(frozen=True, slots=True)
class Override:
    """Another input altogether; ``{}`` is an empty one."""

    value: Json


@dataclass(frozen=True, slots=True)
class Patch:
    """The stored input with changes, which an operator made in its redacted form."""

    base_digest: str
    """``ReplayBase.digest`` of what the operator edited."""
    changes: tuple[Change, ...]


ReplayInput = Original | Override | Patch


@dataclass(frozen=True, slots=True)
class ReplayBase:
    """What an operator edits: the stored input, redacted."""

    value: Json
    masked: frozenset[str]
    """JSON pointers of what is hidden, and stays as it was unless it is replaced."""
    digest: str


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """What became of one target of a bulk replay."""

    run_id: str
    result: LaunchResult | None = None
    error: EngineError | None = None


async def replay_base(context: OperationContext, run_id: str) -> ReplayBase:
    """The input of a run as it may be edited. Raises ``NotFound`` (RUN_NOT_FOUND), ``Conflict`` (INPUT_NOT_STORED)."""
    return (await _stored(context, run_id))[2]


async def replay_run(
    context: OperationContext,
    run_id: str,
    reason: str,
    replay_input: ReplayInput,
    *,
    version: int | None = None,
    idempotency_key: str | None = None,
) -> LaunchResult:
    """Start a new run with the input of an old one, in any state, also one from before the cutover. Needs the level admin.

    The same version as before, unless ``version`` names another. The rules of a launch apply. Raises, with nothing started:
    ``NotFound`` (RUN_NOT_FOUND), ``Invalid`` (REASON_TOO_SHORT, PLACEHOLDER_IN_PAYLOAD, PATCH_PATH_INVALID), ``Conflict``
    (INPUT_NOT_STORED, REPLAY_BASE_CHANGED), and what ``launch_published_run`` raises.
    """
    await context.require(Level.ADMIN)
    said = checked_reason(reason)
    run, payload, changed = await input_of(context, run_id, replay_input)
    kind: Literal["original", "override", "patch"] = "original"
    if changed:
        kind = "override" if isinstance(replay_input, Override) else "patch"
    return await launch_published_run(
        context,
        LaunchRequest(
            workflow_id=run.workflow_id,
            payload=payload,
            version=run.workflow_version if version is None else version,
            idempotency_key=idempotency_key,
            trigger_metadata={"replayOfRunId": run.run_id, "reason": said},
            event_type=run.event_type,
            source_payload_schema_ref=run.source_payload_schema_ref,
            trigger_mapping_applied=run.trigger_mapping_applied,
            replay_of=run.run_id,
            operation="workflow_run_replay",
            reason=said,
            audit_details={"input": kind, "changedPaths": changed},
            keep_refused=False,
        ),
    )


async def replay_runs(
    context: OperationContext, run_ids: Sequence[str], reason: str, *, idempotency_key: str | None = None
) -> list[ReplayOutcome]:
    """Replay many runs with their original input, each settled on its own; outcomes in the order of the distinct ids.

    ``idempotency_key`` makes a repeated request start nothing twice. Needs the level admin. Raises ``Invalid``
    (REASON_TOO_SHORT, TOO_MANY_TARGETS), ``Forbidden``; a refusal of one target is in its outcome.
    """
    await context.require(Level.ADMIN)
    said = checked_reason(reason)
    targets = list(dict.fromkeys(run_ids))
    if len(targets) > MAX_TARGETS:
        raise Invalid(
            "TOO_MANY_TARGETS", f"{len(targets)} runs; {MAX_TARGETS} at a time are allowed.", "Replay them in parts."
        )
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(run_id: str) -> ReplayOutcome:
        key = None if idempotency_key is None else f"{idempotency_key}:{run_id}"
        async with free:
            try:
                result = await replay_run(context, run_id, said, Original(), idempotency_key=key)
            except EngineError as error:
                return ReplayOutcome(run_id, error=error)
            return ReplayOutcome(run_id, result)

    return list(await asyncio.gather(*(one(run_id) for run_id in targets)))


async def input_of(context: OperationContext, run_id: str, replay_input: ReplayInput) -> tuple[Run, Json, list[str]]:
    """The run, the input of its replay, and where that differs from the stored one. Raises as ``replay_run`` does."""
    match replay_input:
        case Original():
            run, original, _ = await _stored(context, run_id)
            return run, original, []
        case Override(given):
            value = clean_json(given).value
            _refuse_placeholder(value)
            async with open_reader(context.store, context.tenant) as reader:
                run = await require_run(reader.connection, context.tenant, run_id)
                stored = await runs.load_payload(reader.connection, context.tenant, run.run_id)
            return run, value, changed_paths(stored, value)
        case Patch(base_digest, changes):
            run, original, base = await _stored(context, run_id)
            if base.digest != base_digest:
                raise Conflict(
                    "REPLAY_BASE_CHANGED",
                    "What was edited is not the input of this run as it is shown now.",
                    "Read the input again and repeat the edit.",
                )
            changed = _patched(original, base, changes)
            return run, changed, changed_paths(original, changed)


async def _stored(context: OperationContext, run_id: str) -> tuple[Run, Json, ReplayBase]:
    """The run, its raw input, and the input as it is shown."""
    async with open_reader(context.store, context.tenant) as reader:
        run = await require_run(reader.connection, context.tenant, run_id)
        original = await runs.load_payload(reader.connection, context.tenant, run.run_id)
        if not isinstance(original, dict):
            raise Conflict(
                "INPUT_NOT_STORED",
                f"The input of run {run.run_id} was never stored, so it cannot be replayed unedited.",
                "Replay it with an input of your own.",
            )
        shown = reader.document(original)
    digest = hashlib.sha256(canonical_json(shown.value).encode()).hexdigest()
    return run, original, ReplayBase(shown.value, shown.masked, digest)


def _patched(original: Json, base: ReplayBase, changes: Sequence[Change]) -> Json:
    if len(changes) > MAX_CHANGES:
        raise Invalid("PATCH_TOO_LONG", f"The edit has {len(changes)} changes.", "Send the whole input instead.")
    changes = [replace(change, value=clean_json(change.value).value) for change in changes]
    for change in changes:
        if change.op != "remove":
            _refuse_placeholder(change.value, change.path)
    # The operator saw the redacted form: a change that cannot be made there leads into what was hidden.
    apply_changes(base.value, changes)
    return apply_changes(original, changes)


def _refuse_placeholder(value: Json, at: str = "") -> None:
    found = placeholder_path(value, at)
    if found is not None:
        raise Invalid(
            "PLACEHOLDER_IN_PAYLOAD",
            f"The input holds {PLACEHOLDER} at {found or '/'}: a value that was hidden, not the value itself.",
            "Leave the hidden value as it is, or write the real one.",
            {"path": found},
        )
