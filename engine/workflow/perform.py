"""Effects of the machine, done with Temporal: one function per effect, each giving the machine's answer."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.errors import RunError
    from engine.interpreter import effects as fx
    from engine.workflow import encoding, wire
    from engine.workflow.calls import project_patiently, run_ordinary
    from engine.workflow.chains import activity_id, run_chain
    from engine.workflow.child import run_child
    from engine.workflow.position import Position
    from engine.workflow.waits import Answer, Waits, described


class Performer:
    """Does effects for one run."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self.waits = self._make_waits(position)

    def _make_waits(self, position: Position) -> Waits:
        return Waits(position)

    async def perform(self, effect: fx.Effect) -> None:
        """Do any effect but Finish, and what follows from it in one go, and give the machine the answers."""
        if not isinstance(effect, fx.Flush | fx.Finish):
            self.position.current_path = effect.step.path
        try:
            if isinstance(effect, fx.CallAction) and effect.traits.quick:
                await self._quick(effect)
            else:
                self.position.machine.resume(*await self._answer(effect))
        finally:
            self.position.current_wait = self.position.wait_request = None

    async def _answer(self, effect: fx.Effect) -> Answer:
        match effect:
            case fx.CallAction():
                return await self._call_action(effect)
            case fx.Sleep():
                return await self.waits.sleep(effect)
            case fx.AwaitTime():
                return await self.waits.await_time(effect)
            case fx.AwaitEvent():
                return await self.waits.await_event(effect)
            case fx.AwaitTask():
                return await self.waits.await_task(effect)
            case fx.StartChild():
                return await self._start_child(effect)
            case fx.AwaitQuota():
                return await self._await_quota(effect)
            case fx.Flush():
                return await self._flush(effect)
            case fx.Finish():
                raise TypeError("the end of a run is not performed here")

    async def _quick(self, effect: fx.CallAction) -> None:
        await run_chain(self.position, effect)

    async def _call_action(self, effect: fx.CallAction) -> Answer:
        request = self._step_request(effect)
        answer = await run_ordinary(wire.RUN_STEP, request, effect.traits.timeout_seconds, activity_id(effect))
        self.position.confirm()
        self.position.task_ended()
        self.position.effort.read(answer.get("size", 0))
        return self._step_answer(answer)

    @staticmethod
    def _step_answer(answer: wire.RunStepOutput) -> Answer:
        at_ms = round(answer["at"] * 1000)
        if "error" in answer:
            return fx.StepFailed(RunError.from_json(answer["error"])), at_ms
        return fx.ActionSucceeded(answer["ok"]), at_ms

    def _step_request(self, effect: fx.CallAction) -> wire.RunStepInput:
        facts = self.position.facts
        return {
            **self.position.progress(effect),
            "workflow": facts.workflow_id,
            "workflow_version": facts.workflow_version,
            "step": encoding.encode_step(effect.step),
            "attempt": effect.attempt,
            "action": effect.action_id,
            "version": effect.action_version,
            "input": effect.input,
            "secrets": list(effect.secret_paths),
            "key": effect.idempotency_key,
            "now": self.position.machine.now_ms,
            "seconds": effect.traits.timeout_seconds,
        }

    async def _flush(self, effect: fx.Flush) -> Answer:
        request = {**self.position.progress(effect), "step": None}
        if self.position.task_should_end():
            await project_patiently(wire.FLUSH_TRACE, request)
            self.position.task_ended()
        else:
            await self.position.project(wire.FLUSH_TRACE, request)
        self.position.confirm()
        return fx.Flushed(), None

    async def _start_child(self, effect: fx.StartChild) -> Answer:
        self.position.machine.release_quota()
        request = {
            **self.position.progress(effect),
            "step": encoding.encode_step(effect.step),
            "attempt": effect.attempt,
            "since": self.position.machine.now_iso,
            "child": effect.child_run_id,
            "workflow": effect.workflow_id,
            "version": effect.workflow_version,
            "input": effect.input,
        }
        opened: wire.OpenChildOutput = await self.position.project(wire.OPEN_CHILD, request)
        self.position.confirm()
        if "refused" in opened:
            return await self._refused(RunError.from_json(opened["refused"]))
        self.position.waits_by(wire.OPEN_CHILD, request)
        outcome = await run_child(effect, self.position.run)
        self.position.task_ended()
        return outcome, (await self.waits.end(effect, "child", "RESOLVED")).at_ms

    async def _refused(self, error: RunError) -> Answer:
        """A child may not start, which is in no row: asked again it might. So history has it before anything is made of it."""
        await self.position.next_task()
        self.position.task_ended()
        return fx.StepFailed(error), None

    async def _await_quota(self, effect: fx.AwaitQuota) -> Answer:
        position = self.position
        position.current_wait = described("quota", effect.step, reason="workflow_step_quota_exceeded")
        while (granted := await self.reserve_quota(effect)) is None:
            await position.until(lambda: position.inbox.quota_resumed, None, "")
            position.inbox.quota_resumed = False
        return granted

    async def reserve_quota(self, effect: fx.AwaitQuota) -> Answer | None:
        """A lease, or the one that is on record; None when there is no unit left."""
        request: wire.ReserveQuotaInput = {
            **self.position.progress(effect),
            "step": encoding.encode_step(effect.step),
            "since": self.position.machine.now_iso,
        }
        reserved: wire.ReserveQuotaOutput = await self.position.project(wire.RESERVE_QUOTA, request)
        self.position.confirm()
        self.position.waits_by(wire.RESERVE_QUOTA, request)
        return (fx.QuotaGranted(reserved["units"]), reserved.get("at")) if reserved["granted"] else None
