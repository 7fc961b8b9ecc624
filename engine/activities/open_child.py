"""Creates the run of a child workflow, when the rules every launch obeys allow it."""

from __future__ import annotations

from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from engine.activities.dependencies import ActivityDependencies
from engine.activities.errors import require_repeat
from engine.errors import CHILD, VALIDATION, EngineError, Invalid
from engine.fault_points import reach
from engine.operations.runs.admission import admit, hash_of, payload_issues, storable_payload
from engine.store.database.transactions import Connection
from engine.store.runs.child_runs import NewChild, Parent, open_child, parent_of
from engine.store.trace.projection import Progress, Running, Waiting, write_progress
from engine.wording import clause
from engine.workflow.encoding import decode_step, decode_trace
from engine.workflow.wire import CALL_HELD, OPEN_CHILD, OpenChildInput, OpenChildOutput

MAX_GENERATIONS: Final = 16
"""Runs in a line from the topmost to the lowest, both counted."""


class OpenChild:
    """See the module."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._store = dependencies.store

    @activity.defn(name=OPEN_CHILD)
    async def open_child(self, request: OpenChildInput) -> OpenChildOutput:
        """``{}``, or ``refused`` with the error of the parent's step. Repeatable: a repeat finds the child of the first time.

        While the called workflow is paused it fails with ``CALL_HELD`` and is repeated; the parent's row says that it waits.
        """
        reach("open_child.before")
        progress = Progress(request["run"], decode_trace(request["trace"]), request["seq"], request["steps"])
        async with self._store.begin() as connection:
            written, refusal, held = await self._open(connection, request, progress)
        if not written:
            await require_repeat(self._store, progress)
        if held is not None:
            raise ApplicationError(f"{CALL_HELD}: {held}", type=CALL_HELD)
        reach("open_child.after")
        return {} if refusal is None else {"refused": refusal}

    async def _open(
        self, connection: Connection, request: OpenChildInput, progress: Progress
    ) -> tuple[bool, dict[str, Any] | None, str | None]:
        """Whether the parent was still open, why the child may never start, and why it may not start now."""
        step = decode_step(request["step"])
        refusal: dict[str, Any] | None = None
        held: str | None = None
        child: NewChild | None = None
        parent = await parent_of(connection, request["run"], request["child"])
        if parent is None:
            return False, None, None
        if not parent.child_exists:
            try:
                child = await _admitted(connection, parent, request)
            except EngineError as refused:
                if refused.code == CALL_HELD:
                    held = refused.message
                else:
                    refusal = _error(request, refused)
        if refusal is None:
            waiting = Waiting(step, "child", request["since"], request["attempt"])
            written = await open_child(connection, progress, waiting, child)
        else:
            # The trace is written all the same: no later activity carries it again.
            written = await write_progress(connection, progress, Running(step, request["attempt"]))
        return written, refusal, held


async def _admitted(connection: Connection, parent: Parent, request: OpenChildInput) -> NewChild:
    if parent.depth + 2 > MAX_GENERATIONS:
        raise Invalid("CHILD_TOO_DEEP", f"Child workflows are nested deeper than {MAX_GENERATIONS}.")
    payload = storable_payload(request["input"])
    admission = await admit(connection, parent.tenant, request["workflow"], request["version"], limited=False)
    issues = await payload_issues(admission, payload)
    if issues:
        raise Invalid(
            "PAYLOAD_REJECTED",
            f"The input does not fit the schema of the child: {issues[0].pointer or '/'} {clause(issues[0].message)}.",
            details={"issues": [issue.to_json() for issue in issues]},
        )
    return NewChild(
        run_id=request["child"],
        workflow_id=request["workflow"],
        workflow_version=request["version"],
        definition_hash=await hash_of(connection, parent.tenant, admission),
        payload=payload.value,
        payload_bytes=payload.size_bytes,
    )


def _error(request: OpenChildInput, refused: EngineError) -> dict[str, Any]:
    message = f"Child workflow {request['workflow']} version {request['version']} cannot start: {refused.message}"
    cause: dict[str, Any] = {"category": VALIDATION, "code": refused.code, "message": refused.message}
    if refused.details:
        cause["details"] = refused.details
    return {"category": CHILD, "code": refused.code, "message": message, "details": {"cause": cause}}
