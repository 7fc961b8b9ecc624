"""Replay: a new run with an old input. What was masked for the operator is never sent: the original stays in the server."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from engine import advice
from engine.errors import Conflict, EngineError, Invalid
from engine.operations.context import OperationContext
from engine.operations.progress import Progress, untold
from engine.operations.runs.json_changes import apply_changes, changed_paths, placeholder_path
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.runs.run_access import checked_reason, distinct_runs, require_run
from engine.records import JsonChange, Level, Original, Override, Patch, ReplayBase, Replayed, ReplayInput, Started
from engine.store.database.reader import open_reader, run_id_text
from engine.store.runs.payload import load_payload
from engine.store.runs.reading import why_input_is_missing
from engine.store.runs.runs import Run
from engine.values.json_policy import canonical_json, clean_json
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.request_limits import MAX_CHANGES
from engine.wording import counted

Json = Any

_AT_ONCE = 8


async def replay_base(context: OperationContext, run_id: str) -> ReplayBase:
    """The input of a run as it may be edited. Needs the level admin: its digest is that of what is masked.

    Raises ``NotFound`` (RUN_NOT_FOUND), ``Conflict`` (INPUT_NOT_STORED), ``Forbidden``.
    """
    await context.require(Level.ADMIN)
    return (await _stored(context, run_id))[2]


async def replay_run(
    context: OperationContext,
    run_id: str,
    reason: str,
    replay_input: ReplayInput,
    *,
    version: int | None = None,
    idempotency_key: str | None = None,
) -> Started:
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
    context: OperationContext,
    run_ids: Sequence[str],
    reason: str,
    *,
    idempotency_key: str | None = None,
    progress: Progress = untold,
) -> list[Replayed]:
    """Replay many runs with their original input, each settled on its own; outcomes in the order of the distinct ids.

    ``idempotency_key`` makes a repeated request start nothing twice; ``progress`` is told how many are settled.
    Needs the level admin. Raises ``Invalid``
    (REASON_TOO_SHORT, TOO_MANY_TARGETS), ``Forbidden``; a refusal of one target is in its outcome.
    """
    await context.require(Level.ADMIN)
    said = checked_reason(reason)
    targets = distinct_runs(run_ids)
    free = asyncio.Semaphore(_AT_ONCE)
    done = 0

    async def one(run_id: str) -> Replayed:
        nonlocal done
        key = None if idempotency_key is None else f"{idempotency_key}:{run_id}"
        async with free:
            try:
                outcome = Replayed(run_id, await replay_run(context, run_id, said, Original(), idempotency_key=key))
            except EngineError as error:
                outcome = Replayed(run_id, error=error)
        done += 1
        progress(done, len(targets))
        return outcome

    progress(0, len(targets))
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
                stored = await load_payload(reader.connection, context.tenant, run.run_id)
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
    async with open_reader(context.store, context.tenant, run_id_text(run_id)) as reader:
        run = await require_run(reader.connection, context.tenant, run_id)
        original = await load_payload(reader.connection, context.tenant, run.run_id)
        if not isinstance(original, dict):
            raise Conflict(
                "INPUT_NOT_STORED",
                f"{await why_input_is_missing(reader, run.run_id)} So it cannot be replayed unedited.",
                advice.REPLAY_WITH_INPUT.to("Replay it with an input of your own", run=run.run_id),
            )
        shown = reader.payload(original)
    digest = hashlib.sha256(canonical_json(shown.value).encode()).hexdigest()
    return run, original, ReplayBase(shown.value, shown.masked, digest)


def _patched(original: Json, base: ReplayBase, changes: Sequence[JsonChange]) -> Json:
    if len(changes) > MAX_CHANGES:
        raise Invalid(
            "PATCH_TOO_LONG", f"The edit has {counted(len(changes), 'change')}.", "Send the whole input instead."
        )
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
