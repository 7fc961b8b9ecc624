"""One try of an action: claimed, run, settled. Killed anywhere, a repeat runs no finished try again and counts nothing twice.

The outcome is returned as a value, never raised. A business failure is an answer the interpreter works with, and as a value
it costs one event and no failure encoding, is the same whether it comes from the action or from the row of an earlier
execution, and cannot be confused with what Temporal must repeat: a lost worker, a database that is away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from temporalio import activity

from engine.actions.context import ActionContext
from engine.actions.invoke import invoke
from engine.activities.dependencies import ActivityDependencies
from engine.activities.errors import error_of, run_closed
from engine.activities.fault_points import reach
from engine.activities.heartbeats import beating
from engine.activities.persistence import persistently
from engine.activities.tried_step import TriedStep, checked, read_request
from engine.errors import StepFailure
from engine.store import invocations
from engine.store.invocations import RunClosed, Settled
from engine.store.transactions import Connection
from engine.workflow.wire import RUN_STEP, RunStepInput, RunStepOutput

Beat = Callable[..., None]


class RunStep:
    """See the module."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._dependencies = dependencies
        self._store = dependencies.store

    @activity.defn(name=RUN_STEP)
    async def run_step(self, request: RunStepInput) -> RunStepOutput:
        """``{"ok": output}`` or ``{"error": RunError as JSON}``, and ``at``."""
        step = read_request(request, self._dependencies)
        try:
            outcome = await (self._in_one_transaction(step) if step.transactional else self._in_three_parts(step))
        except RunClosed:
            raise run_closed() from None
        answer: RunStepOutput = {"at": time.time()}
        if outcome.error is None:
            answer["ok"] = outcome.output
        else:
            answer["error"] = outcome.error
        return answer

    async def _in_three_parts(self, step: TriedStep) -> Settled:
        """The claim commits, the action runs, its outcome commits."""
        reach("run_step.before_claim")
        earlier = await invocations.claim(self._store, step.attempt, step.progress)
        reach("run_step.after_claim")
        if earlier is not None:
            return earlier
        async with beating() as beat:
            return await self._run_and_settle(step, beat)

    async def _run_and_settle(self, step: TriedStep, beat: Beat) -> Settled:
        try:
            output = checked(await self._run(step, None, beat), "output", self._dependencies.max_value_bytes)
        except StepFailure as failure:
            reach("run_step.after_action")
            return await self._failed(step, failure)
        reach("run_step.after_action")
        settled = await persistently(lambda: invocations.succeed(self._store, step.attempt, output))
        reach("run_step.after_settle")
        return settled

    async def _in_one_transaction(self, step: TriedStep) -> Settled:
        """Claim, action and outcome in one commit: what the action wrote and the record of it are both there, or neither."""
        reach("run_step.before_claim")
        try:
            async with self._store.begin() as connection:
                earlier = await invocations.claim_in(connection, step.attempt)
                if earlier is not None:
                    return earlier
                reach("run_step.in_transaction")
                result = await self._run(step, connection, None)
                output = checked(result, "output", self._dependencies.max_value_bytes)
                settled = await invocations.succeed_in(connection, step.attempt, step.progress, output, _now())
                reach("run_step.before_commit")
        except StepFailure as failure:
            # What the action wrote is rolled back; its failure is recorded as that of any other action.
            earlier = await invocations.claim(self._store, step.attempt, step.progress)
            return earlier if earlier is not None else await self._failed(step, failure)
        reach("run_step.after_settle")
        return settled

    async def _run(self, step: TriedStep, connection: Connection | None, beat: Beat | None) -> Any:
        if step.refusal is not None:
            raise step.refusal
        request = step.request
        # Raises for an action that is not registered, and says what is registered instead.
        registered = self._dependencies.actions.get(request["action"], request["version"])
        resolved = await self._dependencies.secrets.resolve(request["input"], request["secrets"], request["tenant"])
        identity = step.identity
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
        return await invoke(registered, resolved.value, context, resolved.secrets)

    async def _failed(self, step: TriedStep, failure: StepFailure) -> Settled:
        error = error_of(failure, step.attempt.step.path, _now())
        settled = await persistently(lambda: invocations.fail(self._store, step.attempt, error))
        reach("run_step.after_settle")
        return settled


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
