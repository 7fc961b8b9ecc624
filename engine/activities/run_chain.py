"""Quick steps that follow each other, with one commit each. Killed anywhere, a repeat does only what was not done.

The activity goes on as long as the run does nothing but quick actions and pure steps. What needs a decision of the workflow (a
wait, a child, a back-off, quota, an ordinary action) ends the chain before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from temporalio import activity

from engine.activities.attempt import RequestedAttempt
from engine.activities.chain import Chain, key_of
from engine.activities.dependencies import ActivityDependencies
from engine.activities.errors import closed_or_lost, error_of, not_here
from engine.activities.execute import Beat, execute, outcome_of
from engine.activities.heartbeats import beating
from engine.activities.known_plans import plan_by_hash
from engine.activities.memory_ceiling import MemoryFull
from engine.activities.persistence import persistently
from engine.activities.refused import failure_of, without_claim
from engine.errors import StepFailure
from engine.fault_points import reach
from engine.interpreter import effects as fx
from engine.interpreter.times import iso_of
from engine.store.database.refusals import DATABASE_ERRORS, as_refusal
from engine.store.database.transactions import Connection, Store
from engine.store.trace import chains, claiming_attempts, settling_attempts
from engine.store.trace.chains import OnRecord, Ours, Overtaken, Written
from engine.store.trace.claiming_attempts import Claim, KeyHeld
from engine.store.trace.payloads import Sized, sized
from engine.store.trace.projection import Progress, Running, write_progress
from engine.store.trace.settling_attempts import RunClosed, Settled
from engine.workflow.wire import RUN_CHAIN, RunChainInput, RunChainOutput

MAX_SECONDS: Final = 1.0
"""A chain claims no further step after this long: a cancel or an event has to be seen."""
MOST_REPEATED: Final = 1_000
"""So many outcomes a repeat reads at once."""


class RunChain:
    """See the module."""

    def __init__(self, dependencies: ActivityDependencies) -> None:
        self._dependencies = dependencies

    @activity.defn(name=RUN_CHAIN)
    async def run_chain(self, request: RunChainInput) -> RunChainOutput:
        """The outcomes, in order, and where they have led; none only when nothing but to tell what is on record was asked."""
        async with beating() as beat:
            try:
                return await _Running(self._dependencies, request, beat).run()
            except RunClosed:
                raise await closed_or_lost(self._dependencies.store, request["run"]) from None


class _Running:
    """One execution of a chain."""

    def __init__(self, dependencies: ActivityDependencies, request: RunChainInput, beat: Beat) -> None:
        self._dependencies = dependencies
        self._store = dependencies.store
        self._request = request
        self._beat = beat
        self._record: OnRecord | None = None
        self._alone = False
        """Whether every outcome is written without what comes next."""
        self._deadline = asyncio.get_running_loop().time() + MAX_SECONDS

    async def run(self) -> RunChainOutput:
        plan = await plan_by_hash(self._store, self._request["run"], self._request["hash"])
        look_first = self._request["tell"] or activity.info().attempt > 1
        while True:
            chain = Chain(plan, self._request, self._dependencies)
            if look_first:
                await self._look(chain)
            try:
                await self._follow(chain)
            except Overtaken:
                # Somebody else does this chain too, or has ended the run: what is on record stands.
                look_first = True
            else:
                return chain.answer()

    async def _look(self, chain: Chain) -> None:
        """Read what is on record from here on."""
        if chain.step is not None:
            first = key_of(chain.step)
            self._record = await chains.on_record(self._store, self._request["run"], first, MOST_REPEATED)

    async def _follow(self, chain: Chain) -> None:
        claimed = False
        # What is claimed is done.
        while chain.step is not None and (not chain.begun or claimed or self._may_go_on(chain)):
            step = chain.step
            settled = None if self._record is None else self._record.outcomes.get(key_of(step))
            if settled is not None:
                chain.take(settled)
                chain.ended = (
                    isinstance(chain.effect, fx.Finish) and self._record is not None and self._record.succeeded
                )
                claimed = False
            elif self._request["tell"]:
                return
            elif step.missing:
                if not chain.begun:
                    raise not_here(step.call.action_id, step.call.version, self._dependencies.identity)
                return
            else:
                try:
                    claimed = await self._do(chain, step, claimed)
                except (KeyHeld, MemoryFull):
                    if not chain.begun:
                        raise
                    return

    async def _do(self, chain: Chain, step: RequestedAttempt, claimed: bool) -> bool:
        """Do the step, if it is ours to do; whether the step after it is claimed."""
        if not claimed:
            self._dependencies.memory.require_room(step.call.action_id)
        if step.transactional:
            return await self._in_one_transaction(chain, step)
        ours = claimed or await self._claim(chain, step)
        return ours and await self._run_and_settle(chain, step)

    def _may_go_on(self, chain: Chain) -> bool:
        if asyncio.get_running_loop().time() >= self._deadline:
            chain.long = True
            return False
        return not chain.full and not activity.is_worker_shutdown()

    async def _claim(self, chain: Chain, step: RequestedAttempt, claim: Claim = claiming_attempts.claim) -> bool:
        """Whether the step is ours to do. What came of it before is taken, and what came after it is looked up."""
        reach("run_chain.before_claim")
        earlier: Settled | None
        try:
            earlier = await claim(self._store, step.attempt, step.progress)
        except DATABASE_ERRORS as error:
            chain.take(await without_claim(self._store, step, error))
            return False
        reach("run_chain.after_claim")
        if earlier is None:
            return True
        await self._take_earlier(chain, earlier)
        return False

    async def _take_earlier(self, chain: Chain, earlier: Settled) -> None:
        if self._record is None:
            await self._look(chain)
        chain.take(earlier)
        chain.ended = isinstance(chain.effect, fx.Finish) and self._record is not None and self._record.succeeded

    async def _run_and_settle(self, chain: Chain, step: RequestedAttempt) -> bool:
        """Do the step and write its outcome; whether the step after it is claimed."""
        outcome = await outcome_of(step, self._dependencies, self._beat)
        ours = Ours(step.attempt, outcome, step.now_ms()) if isinstance(outcome, Sized) else _failed(step, outcome)
        reach("run_chain.after_action")
        with self._dependencies.in_hand.until_written(step.attempt, outcome):
            claimed = await self._settle(chain, step, ours, None)
        reach("run_chain.after_end" if chain.ended else "run_chain.after_settle")
        return claimed

    async def _in_one_transaction(self, chain: Chain, step: RequestedAttempt) -> bool:
        """Claim, action, outcome and the claim of the step after it in one commit."""
        reach("run_chain.before_claim")
        settling = claimed = False
        try:
            async with self._store.begin() as connection:
                earlier = await claiming_attempts.claim_in(connection, step.attempt)
                if earlier is None:
                    reach("run_chain.in_transaction")
                    output = await execute(step, self._dependencies, connection, None)
                    ours = Ours(step.attempt, output, step.now_ms())
                    settling = True
                    claimed = await self._settle(chain, step, ours, connection)
                    reach("run_chain.before_commit")
        except (StepFailure, *DATABASE_ERRORS) as error:
            # What the action wrote is rolled back; its failure is recorded as that of any other action.
            failure = error if isinstance(error, StepFailure) else failure_of(error, in_transaction=True)
            if settling:
                await self._refused_at_the_end(step, failure)
            if not await self._claim(chain, step, claiming_attempts.claim_after_rollback):
                return False
            return await self._settle(chain, step, _failed(step, failure), None)
        if earlier is not None:
            # Looked up with another connection: who held one meanwhile would wait for all who do the same.
            await self._take_earlier(chain, earlier)
            return False
        reach("run_chain.after_end" if chain.ended else "run_chain.after_settle")
        return claimed

    async def _refused_at_the_end(self, step: RequestedAttempt, failure: StepFailure) -> NoReturn:
        """The chain has gone on with an outcome that is rolled back, so it begins anew.

        The first time the claim of the step after it may be what was refused; from then on steps are settled alone.
        """
        if (
            self._alone
            and await claiming_attempts.claim_after_rollback(self._store, step.attempt, step.progress) is None
        ):
            ours = _failed(step, failure)
            await persistently(lambda: chains.settle(self._store, ours))
        self._alone = True
        raise Overtaken

    async def _settle(self, chain: Chain, step: RequestedAttempt, ours: Ours, connection: Connection | None) -> bool:
        """Write the outcome, with what comes next if that can be written too; whether the step after it is claimed."""
        chain.take(ours.settled)
        if self._alone or (isinstance(ours.outcome, Sized) and ours.outcome.large):
            return await self._settle_alone(chain, step, ours, connection)
        try:
            return await self._settle_and_go_on(chain, step, ours, connection)
        except DATABASE_ERRORS as error:
            if connection is not None or as_refusal(error) is None:
                raise
            # What comes next is refused, and told when it is its turn.
            return await self._settle_alone(chain, step, ours, None)

    async def _settle_and_go_on(
        self, chain: Chain, step: RequestedAttempt, ours: Ours, connection: Connection | None
    ) -> bool:
        following = chain.step
        progress = chain.progress()
        if connection is not None:
            # The trace up to the step rode along.
            progress = Progress(
                progress.run_id, (*step.progress.trace, *progress.trace), progress.seq, progress.steps_started
            )
        where: Store | Connection = self._store if connection is None else connection
        if following is not None and _can_be_claimed(following) and self._may_go_on(chain):
            written = await self._written(
                connection, lambda: chains.settle_and_claim(where, ours, progress, following.attempt)
            )
        elif (variables := self._end_of(chain)) is not None:
            written = await self._written(
                connection, lambda: chains.settle_and_end(where, ours, progress, variables.text)
            )
            chain.ended = written.went_on
        else:
            return await self._settle_alone(chain, step, ours, connection)
        if not written.went_on:
            chain.end_here()
            if connection is not None:
                await self._keep_trace(connection, step, ours)
        return written.claimed

    @staticmethod
    async def _written(connection: Connection | None, write: Callable[[], Awaitable[Written]]) -> Written:
        """In a transaction there is no second try of one statement."""
        return await (persistently(write) if connection is None else write())

    async def _settle_alone(
        self, chain: Chain, step: RequestedAttempt, ours: Ours, connection: Connection | None
    ) -> bool:
        if connection is None:
            canceling = not (await persistently(lambda: chains.settle(self._store, ours))).went_on
        else:
            output = ours.outcome
            if not isinstance(output, Sized):
                raise TypeError("what failed in a transaction is not settled in it")
            settling = await settling_attempts.succeed_in(connection, step.attempt, step.progress, output, ours.at_ms)
            canceling = settling.canceling
        if canceling:
            chain.end_here()
        return False

    @staticmethod
    async def _keep_trace(connection: Connection, step: RequestedAttempt, ours: Ours) -> None:
        progress = settling_attempts.with_success(step.progress, step.attempt.step, ours.at_ms)
        await write_progress(connection, progress, Running(step.attempt.step, step.attempt.attempt))

    def _end_of(self, chain: Chain) -> Sized | None:
        """The final vars of a run that has succeeded, if its end is written by no more than one statement."""
        effect = chain.effect
        if not isinstance(effect, fx.Finish) or effect.status != "SUCCEEDED" or self._request["child"]:
            return None
        variables = sized(effect.scopes["vars"])
        return None if variables.large else variables


def _failed(step: RequestedAttempt, failure: StepFailure) -> Ours:
    at_ms = step.now_ms()
    return Ours(step.attempt, error_of(failure, step.attempt.step.path, iso_of(at_ms)), at_ms)


def _can_be_claimed(step: RequestedAttempt) -> bool:
    """Whether one statement can claim it: a transactional one claims itself, a large input is kept elsewhere first, and one whose
    action is on another worker is claimed there."""
    return not step.transactional and not step.missing and not step.attempt.input.large
