"""What ``run_step`` was asked, read once: who tries what, under which key, with which input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from engine.actions.context import StepIdentity
from engine.actions.declaration import RegisteredAction
from engine.actions.idempotency import engine_key, idempotency_key
from engine.activities.dependencies import ActivityDependencies
from engine.errors import ACTION, VALIDATION, Invalid, StepFailure
from engine.store.invocations import Try
from engine.store.payloads import Sized, sized
from engine.store.projection import Progress
from engine.workflow.wire import RunStepInput, decode_step, decode_trace

PAYLOAD_TOO_LARGE: Final = "PAYLOAD_TOO_LARGE"


@dataclass(frozen=True, slots=True)
class TriedStep:
    """One try of an action, ready to be claimed."""

    request: RunStepInput
    identity: StepIdentity
    attempt: Try
    progress: Progress
    transactional: bool
    refusal: StepFailure | None
    """Why the action cannot be run at all; the try is recorded nevertheless."""


def read_request(request: RunStepInput, dependencies: ActivityDependencies) -> TriedStep:
    """Never raises for what is wrong with the step: that is its ``refusal``."""
    step = decode_step(request["step"])
    identity = StepIdentity(
        tenant=request["tenant"],
        run_id=request["run"],
        workflow_id=request["workflow"],
        workflow_version=request["workflow_version"],
        step_path=step.path,
        iteration=step.iteration,
        visit=step.visit,
        attempt=request["attempt"],
    )
    registered = dependencies.actions.find(request["action"], request["version"])
    refusal: StepFailure | None = None
    try:
        action_input = checked(request["input"], "input", dependencies.max_value_bytes)
        key = _key(request, identity, registered)
    except StepFailure as failure:
        refusal = failure
        action_input = sized({"$omitted": failure.code})
        key = engine_key(identity, request["action"], request["version"], None)
    attempt = Try(
        run_id=request["run"],
        tenant=request["tenant"],
        step=step,
        attempt=request["attempt"],
        action_id=request["action"],
        action_version=request["version"],
        key=key,
        worker=dependencies.identity,
        input=action_input,
    )
    return TriedStep(
        request=request,
        identity=identity,
        attempt=attempt,
        progress=Progress(request["run"], decode_trace(request["trace"]), request["seq"], request["steps"]),
        transactional=refusal is None and registered is not None and registered.traits.transaction,
        refusal=refusal,
    )


def checked(value: Any, what: str, limit: int) -> Sized:
    """``value`` as it will be stored. Raises ``StepFailure``: ``PAYLOAD_TOO_LARGE``, or a code of the JSON policy."""
    try:
        result = sized(value)
    except Invalid as refused:
        raise StepFailure(
            VALIDATION, f"The {what} cannot be stored: {refused.message}", code=refused.code, details=refused.details
        ) from None
    if result.size > limit:
        raise StepFailure(
            ACTION,
            f"The {what} has {result.size} bytes; {limit} are allowed. Store it elsewhere and pass a reference.",
            code=PAYLOAD_TOO_LARGE,
            details={"bytes": result.size, "limit": limit},
        )
    return result


def _key(request: RunStepInput, identity: StepIdentity, registered: RegisteredAction | None) -> str:
    if registered is None:
        return engine_key(identity, request["action"], request["version"], request["input"])
    return idempotency_key(registered, identity, request["input"], request["key"])
