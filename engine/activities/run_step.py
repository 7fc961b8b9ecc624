"""One attempt of an action: claimed, run, settled. Killed anywhere, a repeat runs no finished one again and counts nothing twice.

The outcome is returned as a value, never raised. A business failure is an answer the interpreter works with, and as a value
it costs one event and no failure encoding, is the same whether it comes from the action or from the row of an earlier
execution, and cannot be confused with what Temporal must repeat: a lost worker, a database that is away.
"""

from __future__ import annotations

from temporalio import activity

from engine.activities.attempt import RequestedAttempt, read_request
from engine.activities.dependencies import ActivityDependencies
from engine.activities.errors import closed_or_lost, error_of, not_here
from engine.activities.execute import Beat, execute, outcome_of
from engine.activities.heartbeats import beating
from engine.activities.persistence import persistently
from engine.activities.refused import failure_of, without_claim
from engine.errors import StepFailure
from engine.fault_points import reach
from engine.interpreter.times import iso_of
from engine.store.database.refusals import DATABASE_ERRORS
from engine.store.trace import claiming_attempts, settling_attempts
from engine.store.trace.claiming_attempts import Claim
from engine.store.trace.payloads import INLINE_BYTES, Sized
from engine.store.trace.settling_attempts import RunClosed, Settled
from engine.values.json_size import json_size
from engine.workflow.wire import RUN_STEP, RunStepInput, RunStepOutput


class RunStep:
    """See the module."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._dependencies = dependencies
        self._store = dependencies.store

    @activity.defn(name=RUN_STEP)
    async def run_step(self, request: RunStepInput) -> RunStepOutput:
        """``{"ok": output}`` or ``{"error": RunError as JSON}``, and ``at``."""
        self._dependencies.memory.require_room(request["action"])
        step = read_request(request, self._dependencies)
        if step.missing:
            raise not_here(step.call.action_id, step.call.version, self._dependencies.identity)
        # From the claim on: as long as Postgres keeps that waiting, no other worker is to begin, too.
        async with beating() as beat:
            try:
                outcome = await (
                    self._in_one_transaction(step) if step.transactional else self._in_three_parts(step, beat)
                )
            except RunClosed:
                raise await closed_or_lost(self._store, request["run"]) from None
        answer: RunStepOutput = {"at": outcome.at_ms / 1000}
        if outcome.error is None:
            answer["ok"] = outcome.output
            size = json_size(outcome.output, self._dependencies.max_value_bytes)
            if size > INLINE_BYTES:
                answer["size"] = size
        else:
            answer["error"] = outcome.error
        return answer

    async def _in_three_parts(self, step: RequestedAttempt, beat: Beat) -> Settled:
        """The claim commits, the action runs, its outcome commits."""
        reach("run_step.before_claim")
        earlier = await self._claim(step)
        reach("run_step.after_claim")
        if earlier is not None:
            return earlier
        return await self._run_and_settle(step, beat)

    async def _claim(self, step: RequestedAttempt, claim: Claim = claiming_attempts.claim) -> Settled | None:
        """As ``claim``; an attempt that no row can hold has failed."""
        try:
            return await claim(self._store, step.attempt, step.progress)
        except DATABASE_ERRORS as error:
            return await without_claim(self._store, step, error)

    async def _run_and_settle(self, step: RequestedAttempt, beat: Beat) -> Settled:
        outcome = await outcome_of(step, self._dependencies, beat)
        reach("run_step.after_action")
        with self._dependencies.in_hand.until_written(step.attempt, outcome):
            return await self._settle(step, outcome)

    async def _settle(self, step: RequestedAttempt, outcome: Sized | StepFailure) -> Settled:
        if isinstance(outcome, StepFailure):
            return await self._failed(step, outcome)
        at_ms = step.now_ms()
        try:
            settled = await persistently(lambda: settling_attempts.succeed(self._store, step.attempt, outcome, at_ms))
        except DATABASE_ERRORS as error:
            return await self._failed(step, failure_of(error))
        reach("run_step.after_settle")
        return settled

    async def _in_one_transaction(self, step: RequestedAttempt) -> Settled:
        """Claim, action and outcome in one commit: what the action wrote and the record of it are both there, or neither."""
        reach("run_step.before_claim")
        try:
            async with self._store.begin() as connection:
                earlier = await claiming_attempts.claim_in(connection, step.attempt)
                if earlier is not None:
                    return earlier
                reach("run_step.in_transaction")
                output = await execute(step, self._dependencies, connection, None)
                at_ms = step.now_ms()
                await settling_attempts.succeed_in(connection, step.attempt, step.progress, output, at_ms)
                reach("run_step.before_commit")
        except (StepFailure, *DATABASE_ERRORS) as error:
            # What the action wrote is rolled back; its failure is recorded as that of any other action.
            failure = error if isinstance(error, StepFailure) else failure_of(error, in_transaction=True)
            earlier = await self._claim(step, claiming_attempts.claim_after_rollback)
            return earlier if earlier is not None else await self._failed(step, failure)
        reach("run_step.after_settle")
        return Settled(output.value, None, at_ms)

    async def _failed(self, step: RequestedAttempt, failure: StepFailure) -> Settled:
        at_ms = step.now_ms()
        error = error_of(failure, step.attempt.step.path, iso_of(at_ms))
        settled = await persistently(lambda: settling_attempts.fail(self._store, step.attempt, error, at_ms))
        reach("run_step.after_settle")
        return settled
