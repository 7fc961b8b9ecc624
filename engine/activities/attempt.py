"""One attempt of an action, ready to be claimed: who it is, its idempotency key and its input."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.actions.context import StepIdentity
from engine.actions.declaration import RegisteredAction
from engine.actions.idempotency import engine_key, idempotency_key
from engine.activities.dependencies import ActivityDependencies
from engine.definition.step_ref import StepRef
from engine.errors import ACTION, VALIDATION, Invalid, StepFailure
from engine.interpreter.effects import CallAction, RunFacts
from engine.interpreter.times import iso_of
from engine.store.trace.new_attempt import NewAttempt
from engine.store.trace.payloads import Sized, sized
from engine.store.trace.projection import Progress
from engine.values.json_size import surely_above
from engine.workflow.encoding import decode_step, decode_trace
from engine.workflow.wire import RunStepInput

PAYLOAD_TOO_LARGE: Final = "PAYLOAD_TOO_LARGE"


@dataclass(frozen=True, slots=True)
class Call:
    """What an attempt calls, and with what."""

    action_id: str
    version: int
    input: Any
    """Resolved, except for secret markers."""
    secrets: Sequence[str]
    """JSON pointers of the secret markers in ``input``."""
    key: str | None
    """The author's idempotency key."""


@dataclass(frozen=True, slots=True)
class RequestedAttempt:
    """One attempt of an action, ready to be claimed."""

    call: Call
    identity: StepIdentity
    attempt: NewAttempt
    progress: Progress
    transactional: bool
    missing: bool
    """This worker lacks the action; another may have it."""
    refusal: StepFailure | None
    """Why the action cannot be run at all; the attempt is recorded nevertheless."""
    claimed_ms: int

    def now_ms(self) -> int:
        """The worker's time, and not before the attempt began: what is put on record next is not older than what is there."""
        return max(worker_ms(), self.claimed_ms)


def worker_ms() -> int:
    """The worker's time, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def read_request(request: RunStepInput, dependencies: ActivityDependencies) -> RequestedAttempt:
    """The request of ``run_step``. Never raises for what is wrong with the step: that is its ``refusal``."""
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
    call = Call(request["action"], request["version"], request["input"], request["secrets"], request["key"])
    progress = Progress(request["run"], decode_trace(request["trace"]), request["seq"], request["steps"])
    claimed_ms = max(worker_ms(), request.get("now", 0))
    return _requested(call, identity, step, progress, claimed_ms, request.get("seconds"), dependencies)


def attempt_of(
    effect: CallAction, facts: RunFacts, progress: Progress, now_ms: int, dependencies: ActivityDependencies
) -> RequestedAttempt:
    """The attempt that a machine asks for. ``now_ms``: the run's time. Never raises, as ``read_request``."""
    step = effect.step
    identity = StepIdentity(
        tenant=facts.tenant,
        run_id=facts.run_id,
        workflow_id=facts.workflow_id,
        workflow_version=facts.workflow_version,
        step_path=step.path,
        iteration=step.iteration,
        visit=step.visit,
        attempt=effect.attempt,
    )
    call = Call(effect.action_id, effect.action_version, effect.input, effect.secret_paths, effect.idempotency_key)
    claimed_ms = max(worker_ms(), now_ms)
    return _requested(call, identity, step, progress, claimed_ms, effect.traits.timeout_seconds, dependencies)


def _requested(  # noqa: PLR0917  # put together in two places, above
    call: Call,
    identity: StepIdentity,
    step: StepRef,
    progress: Progress,
    claimed_ms: int,
    seconds: float | None,
    dependencies: ActivityDependencies,
) -> RequestedAttempt:
    """``seconds``: what the run knows of the action's time; None, of an earlier run: what this worker knows counts."""
    registered = dependencies.actions.find(call.action_id, call.version)
    refusal: StepFailure | None = None
    try:
        action_input = checked(call.input, "input", dependencies.max_value_bytes)
        key = _key(call, identity, registered)
    except StepFailure as failure:
        refusal = failure
        action_input = sized({"$omitted": failure.code})
        key = engine_key(identity, call.action_id, call.version, None)
    attempt = NewAttempt(
        run_id=identity.run_id,
        tenant=identity.tenant,
        step=step,
        attempt=identity.attempt,
        action_id=call.action_id,
        action_version=call.version,
        key=key,
        worker=dependencies.identity,
        input=action_input,
        claimed_at=iso_of(claimed_ms),
        seconds=registered.traits.timeout_seconds if registered is not None and seconds is None else seconds,
    )
    return RequestedAttempt(
        call=call,
        identity=identity,
        attempt=attempt,
        progress=progress,
        missing=registered is None,
        transactional=refusal is None and registered is not None and registered.traits.transaction,
        refusal=refusal,
        claimed_ms=claimed_ms,
    )


def checked(value: Any, what: str, limit: int) -> Sized:
    """``value`` as it will be stored. Raises ``StepFailure``: ``PAYLOAD_TOO_LARGE``, or a code of the JSON policy."""
    if surely_above(value, limit):
        raise StepFailure(
            ACTION,
            f"The {what} has more than {limit} bytes. Store it elsewhere and pass a reference.",
            code=PAYLOAD_TOO_LARGE,
            details={"limit": limit},
        )
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


def _key(call: Call, identity: StepIdentity, registered: RegisteredAction | None) -> str:
    if registered is None:
        return engine_key(identity, call.action_id, call.version, call.input)
    return idempotency_key(registered, identity, call.input, call.key)
