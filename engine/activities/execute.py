"""Running an action: secrets resolved, in its context, its output checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from engine.actions.context import ActionContext
from engine.actions.declaration import RegisteredAction
from engine.actions.invoke import invoke
from engine.activities.attempt import RequestedAttempt, checked
from engine.activities.dependencies import ActivityDependencies
from engine.errors import ACTION, StepFailure
from engine.store.database.transactions import Connection
from engine.store.trace.payloads import Sized

Beat = Callable[..., None]

NOT_ACCEPTED: Final = "SECRET_NOT_ACCEPTED"


async def execute(
    step: RequestedAttempt, dependencies: ActivityDependencies, connection: Connection | None, beat: Beat | None
) -> Sized:
    """The output, as it will be stored. Raises ``StepFailure``."""
    if step.refusal is not None:
        raise step.refusal
    call, identity = step.call, step.identity
    # Raises for an action that is not registered, and says what is registered instead.
    registered = _as_published(dependencies.actions.get(call.action_id, call.version), step.attempt.seconds)
    if call.secrets:
        _require_acceptance(registered)
    resolved = await dependencies.secrets.resolve(call.input, call.secrets, identity.tenant, call.action_id)
    optional: dict[str, Any] = {} if beat is None else {"heartbeat": beat}
    context = ActionContext(
        tenant=identity.tenant,
        run_id=identity.run_id,
        workflow_id=identity.workflow_id,
        workflow_version=identity.workflow_version,
        step_path=identity.step_path,
        iteration=identity.iteration,
        visit=identity.visit,
        attempt=identity.attempt,
        idempotency_key=step.attempt.key,
        connection=connection,
        **optional,
    )
    output = await invoke(registered, resolved.value, context, resolved.secrets)
    return checked(output, "output", dependencies.max_value_bytes)


async def outcome_of(step: RequestedAttempt, dependencies: ActivityDependencies, beat: Beat) -> Sized | StepFailure:
    """What the action answers outside of a transaction; it is not begun when its answer is in hand."""
    known = dependencies.in_hand.of(step.attempt)
    if known is not None:
        return known
    try:
        return await execute(step, dependencies, None, beat)
    except StepFailure as failure:
        # Kept for a while, it is not to keep what the action worked with.
        return failure.with_traceback(None)


def _as_published(registered: RegisteredAction, seconds: float | None) -> RegisteredAction:
    """The action with the time that the run knows of: this worker may be of a release that gives it another one."""
    if seconds in {None, registered.traits.timeout_seconds}:
        return registered
    return replace(registered, traits=replace(registered.traits, timeout_seconds=seconds))


def _require_acceptance(registered: RegisteredAction) -> None:
    if not registered.accepts_secrets:
        raise StepFailure(
            ACTION,
            f"{registered.label} takes no secrets, because what it is given or answers with can be read by people. An action that"
            " takes them is declared with accepts_secrets=True.",
            code=NOT_ACCEPTED,
        )
