"""Creates the run of a child workflow, when the rules every launch obeys allow it."""

from __future__ import annotations

from typing import Any, Final

from jsonschema import ValidationError
from jsonschema.validators import validator_for
from temporalio import activity

from engine.activities.dependencies import ActivityDependencies
from engine.activities.errors import run_closed
from engine.activities.fault_points import reach
from engine.errors import CHILD
from engine.store.child_runs import ChildFacts, NewChild, child_facts, open_child
from engine.store.payloads import sized
from engine.store.projection import Progress, Running, Waiting, projecting
from engine.store.single_statement import execute_alone
from engine.workflow.wire import OPEN_CHILD, OpenChildInput, OpenChildOutput, decode_step, decode_trace

MAX_DEPTH: Final = 16
"""Ancestors a run may have."""
MAX_PAYLOAD_BYTES: Final = 512 * 1024
"""Largest payload a run may be started with."""


class OpenChild:
    """See the module."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._store = dependencies.store

    @activity.defn(name=OPEN_CHILD)
    async def open_child(self, request: OpenChildInput) -> OpenChildOutput:
        """``{}``, or ``refused`` with the error of the parent's step. Repeatable: a repeat finds the child of the first time."""
        reach("open_child.before")
        progress = Progress(request["run"], decode_trace(request["trace"]), request["seq"], request["steps"])
        step = decode_step(request["step"])
        child = NewChild(request["child"], request["workflow"], request["version"], sized(request["input"]))
        facts = await child_facts(self._store, request["run"], child)
        if facts is None:
            raise run_closed()
        refusal = None if facts.exists else _refusal(facts, request, child.payload.size)
        if refusal is None:
            waiting = Waiting(step, "child", request["since"], request["attempt"])
            written = await open_child(self._store, progress, waiting, child)
        else:
            # The trace is written all the same: no later activity carries it again.
            row = await execute_alone(self._store, *projecting(progress, Running(step, request["attempt"])))
            written = row is not None and bool(row[0])
        if not written:
            raise run_closed()
        reach("open_child.after")
        return {} if refusal is None else {"refused": refusal}


def _refusal(facts: ChildFacts, request: OpenChildInput, payload_bytes: int) -> dict[str, Any] | None:
    name = f"workflow {request['workflow']} version {request['version']}"
    if not facts.workflow_exists or not facts.version_exists:
        return _error("WORKFLOW_VERSION_NOT_FOUND", f"The child {name} does not exist.")
    if facts.paused:
        return _error("WORKFLOW_PAUSED", f"The child {name} is paused.")
    if facts.depth > MAX_DEPTH:
        return _error(
            "CHILD_TOO_DEEP", f"The child {name} would have {facts.depth} ancestors; {MAX_DEPTH} are allowed."
        )
    if payload_bytes > MAX_PAYLOAD_BYTES:
        return _error(
            "PAYLOAD_TOO_LARGE",
            f"The input of the child {name} has {payload_bytes} bytes; {MAX_PAYLOAD_BYTES} are allowed.",
        )
    problems = _problems(facts.payload_schema, request["input"])
    if problems:
        return _error("PAYLOAD_INVALID", f"The input of the child {name} does not fit: {problems[0]}", problems)
    return None


def _problems(schema: Any, payload: dict[str, Any]) -> list[str]:
    if schema is None:
        return []
    found: list[ValidationError] = sorted(validator_for(schema)(schema).iter_errors(payload), key=lambda e: e.json_path)
    return [f"{problem.json_path}: {problem.message}"[:500] for problem in found[:20]]


def _error(code: str, message: str, problems: list[str] | None = None) -> dict[str, Any]:
    cause: dict[str, Any] = {"category": "ValidationError", "code": code, "message": message}
    if problems:
        cause["details"] = {"problems": problems}
    return {"category": CHILD, "code": code, "message": message, "details": {"cause": cause}}
