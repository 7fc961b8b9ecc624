"""Runs that were started with the semantics before ``SEMANTICS_VERSION``: they go on as they began, until none is left.

Their clock and their chance are Temporal's, each of their quick steps is a local activity, and a wait ends without a record of
its own. So after a wait that something has not come to, nothing may be done before the workflow task has ended: it could come
still, before the end of the task, which would then be repeated and go the other way.
"""

from __future__ import annotations

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.actions.pure_host import PureHost
    from engine.definition.step_ref import StepRef
    from engine.errors import RunError
    from engine.interpreter import effects as fx
    from engine.interpreter.times import milliseconds_of
    from engine.workflow import wire
    from engine.workflow.calls import project, project_patiently, run_quick
    from engine.workflow.chains import activity_id
    from engine.workflow.perform import Performer
    from engine.workflow.position import Position
    from engine.workflow.waits import Answer, Ended, Wait, Waits


def temporal_ms() -> int:
    """Temporal's time: the same on replay, another when a task is repeated."""
    return milliseconds_of(workflow.now())


class EarlierHost(PureHost):
    """Draws from the execution's own random numbers."""

    def chance(self, run_id: str, step: StepRef, attempt: int) -> float:
        """The next one."""
        return workflow.random().random()


class EarlierPosition(Position):
    """Ends the workflow task before anything is done, when the last wait timed out."""

    undecided = False
    """The run has gone on because something has not come, and the server does not know that yet."""

    async def project(self, activity: str, request: Any) -> Any:
        """As an ordinary activity while the run is undecided."""
        if not self.undecided:
            return await project(activity, request)
        answer = await project_patiently(activity, request)
        self.task_ended()
        return answer

    def task_ended(self) -> None:
        """The run has waited for something."""
        super().task_ended()
        self.undecided = False

    def stop_if_canceled(self) -> None:
        """Everything can be stopped, and has been."""

    def task_should_end(self) -> bool:
        """Also when what comes next must not be done twice in different ways."""
        return self.undecided or super().task_should_end()


class EarlierWaits(Waits):
    """Waits that end by what the workflow sees."""

    async def end(
        self, effect: Wait | fx.StartChild, wait_type: str, status: str, event: fx.EventArrived | None = None
    ) -> Ended:
        """As it seems."""
        if status == "TIMED_OUT" and isinstance(self._position, EarlierPosition):
            self._position.undecided = True
        return Ended(status, None, event)


class EarlierPerformer(Performer):
    """Answers at Temporal's time."""

    def _make_waits(self, position: Position) -> Waits:
        return EarlierWaits(position)

    async def _answer(self, effect: fx.Effect) -> Answer:
        outcome, _ = await super()._answer(effect)
        return outcome, temporal_ms()

    async def _quick(self, effect: fx.CallAction) -> None:
        self.position.machine.resume(*await self._answer(effect))

    async def _call_action(self, effect: fx.CallAction) -> Answer:
        if not effect.traits.quick or self.position.task_should_end():
            return await super()._call_action(effect)
        request = self._step_request(effect)
        answer: wire.RunStepOutput = await run_quick(
            wire.RUN_STEP, request, effect.traits.timeout_seconds, activity_id(effect)
        )
        self.position.confirm()
        self.position.quick_step_ended(answer["at"])
        return self._step_answer(answer)

    async def _refused(self, error: RunError) -> Answer:
        return fx.StepFailed(error), None
