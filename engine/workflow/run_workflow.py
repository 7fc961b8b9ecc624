"""The one workflow: hosts the interpreter's machine and does what it asks for.

Errors of a definition or of data end the run as FAILED. An exception nobody expected is a bug of ours: it fails the workflow
task, which Temporal repeats, so a deployed correction resumes the run where it was.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from engine.actions.pure_host import PureHost
    from engine.contract import (
        QUERY_CURRENT_STEP,
        QUERY_CURRENT_WAIT,
        QUERY_SUMMARY,
        QUERY_WHEREABOUTS,
        SIGNAL_EVENT,
        SIGNAL_HUMAN_TASK,
        SIGNAL_QUOTA_RESUME,
        SUPPORTED_SEMANTICS,
        TEMPORAL_CLOCK_SEMANTICS,
        WORKFLOW_TYPE,
        RunInput,
    )
    from engine.interpreter.effects import ActionTraits, Finish, RunFacts
    from engine.interpreter.machine import Machine
    from engine.interpreter.scopes import system_of
    from engine.interpreter.times import milliseconds_of
    from engine.workflow import cancellation, wire
    from engine.workflow.calls import project
    from engine.workflow.catching_up import catch_up
    from engine.workflow.child import failure_of
    from engine.workflow.earlier import EarlierHost, EarlierPerformer, EarlierPosition, temporal_ms
    from engine.workflow.inbox import Inbox
    from engine.workflow.perform import Performer
    from engine.workflow.plans import plan_of, unread_of
    from engine.workflow.position import Position

RUN_CLOSED: Final = "RunClosed"
"""Type of the failure with which an execution ends whose row was closed from outside."""


class EndedEarlier(Exception):
    """The run's row is closed, and not by this execution as far as it knows. What the row says stands.

    The row can know more: a workflow task that is repeated, because a signal or a cancel came at its end, finds what it did.
    """

    def __init__(self, end: wire.EarlierEnd) -> None:
        super().__init__(end["status"])
        self.end = end


@workflow.defn(name=WORKFLOW_TYPE)
class RunWorkflow:
    """One run, or one execution in the chain of a long one."""

    @workflow.init
    def __init__(self, run_input: RunInput) -> None:
        """Signals are handled before ``run`` begins, so what they fill exists from here on."""
        self._input = run_input
        checkpoint = run_input["checkpoint"] or {}
        self._inbox = Inbox(checkpoint.get("inbox"))
        self._running: Performer | None = None
        self._earlier = run_input["semantics_version"] == TEMPORAL_CLOCK_SEMANTICS
        self._is_child = False
        self._system: dict[str, Any] = {}

    # --- what others may send and ask -------------------------------------------------------------------------------

    @workflow.signal(name=SIGNAL_EVENT)
    def on_event(self, *signal: Any) -> None:
        """``{eventId, eventName, correlationKey, payload, receivedAt, stored?}``; see ``EventArrived``."""
        self._inbox.put_event(_only(signal))

    @workflow.signal(name=SIGNAL_HUMAN_TASK)
    def on_human_task(self, *signal: Any) -> None:
        """``{taskId, eventName?, payload?}``, or ``{taskId, canceled: true, reason?}``."""
        self._inbox.put_answer(_only(signal))

    @workflow.signal(name=SIGNAL_QUOTA_RESUME)
    def on_quota_resume(self, *_signal: Any) -> None:
        """``{waitId?, reason?, resumedBy?, resumedAt?}``, none of which matters: any resume makes the run ask again."""
        self._inbox.put_quota_resume()

    @workflow.query(name=QUERY_CURRENT_STEP)
    def current_step(self) -> dict[str, Any]:
        """``{runId, currentStepPath}``; the path stays the last one after the end."""
        path = self._running.position.current_path if self._running else None
        return {"runId": self._input["run_id"], "currentStepPath": path}

    @workflow.query(name=QUERY_CURRENT_WAIT)
    def current_wait(self) -> dict[str, Any] | None:
        """None, or ``{type, stepPath, descriptor}``."""
        return self._running.position.current_wait if self._running else None

    @workflow.query(name=QUERY_SUMMARY)
    def summary(self) -> dict[str, Any]:
        """``{runId, stepCount, currentStepPath, frameDepth}``."""
        steps, depth = 0, 0
        if self._running:
            machine = self._running.position.machine
            steps, depth = machine.steps_started, machine.frame_depth
        return {**self.current_step(), "stepCount": steps, "frameDepth": depth}

    @workflow.query(name=QUERY_WHEREABOUTS)
    def whereabouts(self) -> wire.Whereabouts | None:
        """Where the run is, to be compared with its rows; None while it has not begun."""
        return self._running.position.whereabouts() if self._running else None

    # --- the run ----------------------------------------------------------------------------------------------------

    @workflow.run
    async def run(self, run_input: RunInput) -> dict[str, Any]:
        """``{"scopes": ...}`` of a run that succeeded.

        Raises ApplicationError of type ``WorkflowRuntimeV2.<category>`` when it failed, CancelledError when it was canceled.
        """
        if run_input["semantics_version"] not in SUPPORTED_SEMANTICS:
            # Another build can: this workflow task is not ours to do.
            raise RuntimeError(f"This build does not know the semantics {run_input['semantics_version']}.")
        try:
            return await self._run()
        except EndedEarlier as ended:
            return _as_ended(ended.end)

    async def _run(self) -> dict[str, Any]:
        try:
            finish = await self._until_the_end()
        except (asyncio.CancelledError, FailureError) as stopped:
            if isinstance(stopped, FailureError) and not _closed_by_its_cancel(stopped):
                raise
            finish = await cancellation.to_the_end(self._cancel())
            if finish.status == "CANCELED":
                raise asyncio.CancelledError from stopped
        else:
            if self._running is None or not self._running.position.ended:
                await cancellation.to_the_end(self._finish(finish))
        if finish.status == "FAILED":
            raise failure_of(finish.error or {})
        return {"scopes": self._final_scopes(finish)}

    async def _until_the_end(self) -> Finish:
        loaded = await self._load()
        if isinstance(loaded, Finish):
            return loaded
        self._running = performer = loaded
        position = performer.position
        while True:
            position.take_in_events()
            if position.machine.at_boundary and not position.ended and position.should_continue_elsewhere():
                await position.continue_elsewhere()
            effect = position.machine.advance()
            if isinstance(effect, Finish):
                return effect
            await performer.perform(effect)
            if not position.ended:
                position.stop_if_canceled()

    async def _load(self, *, to_cancel: bool = False) -> Performer | Finish:
        """Prepare the machine. A Finish when the run can never run.

        ``to_cancel``: one that only another release can read is not waited for.
        """
        checkpoint = self._input["checkpoint"]
        request: wire.LoadRunInput = {
            "run": self._input["run_id"],
            "resumed": checkpoint is not None,
            "place": self._input.get("place"),
            "to_cancel": to_cancel,
        }
        loaded: wire.LoadRunOutput = await project(wire.LOAD_RUN, request)
        if "closed" in loaded:
            raise EndedEarlier(loaded["closed"])
        if "refused" in loaded:
            return Finish((), "FAILED", loaded["refused"], {}, 0)
        facts = RunFacts(
            run_id=self._input["run_id"],
            workflow_id=loaded["workflow"],
            workflow_version=loaded["version"],
            tenant=loaded["tenant"],
            definition_hash=loaded["hash"],
            semantics_version=self._input["semantics_version"],
            root_run_id=loaded["root"],
        )
        unread = unread_of(loaded["definition"]) if loaded.get("published") else None
        if unread is not None:
            # Another build can: this workflow task is not ours to do.
            raise RuntimeError(
                f"This build cannot read what another release has published of {facts.workflow_id}: {unread}."
            )
        plan = plan_of(loaded["definition"])
        traits = {name: ActionTraits(**value) for name, value in loaded["traits"].items()}
        earlier = self._earlier
        host = EarlierHost() if earlier else PureHost()
        if checkpoint is None:
            units = 0 if loaded["limited"] else None
            began = temporal_ms() if earlier else milliseconds_of(workflow.info().workflow_start_time)
            machine = Machine.start(plan, facts, loaded["payload"], loaded["meta"], host, traits, units, at_ms=began)
        else:
            now = temporal_ms() if earlier else None
            machine = Machine.restore(plan, facts, checkpoint["machine"], host, traits, at_ms=now)
        self._is_child = loaded["child"]
        self._system = system_of(facts)
        known = (self._input, facts, machine, self._inbox, loaded["traits"], loaded["child"])
        return EarlierPerformer(EarlierPosition(*known)) if earlier else Performer(Position(*known))

    async def _cancel(self) -> Finish:
        """End the run as canceled, with everything its rows have of it; or as what they have has led to already."""
        if self._running is None and not self._earlier:
            loaded = await self._load(to_cancel=True)
            self._running = loaded if isinstance(loaded, Performer) else None
        if self._running is None or self._earlier:
            finish = self._canceled()
            await self._finish(finish)
            return replace(finish, status="CANCELED")
        machine, reached = self._running.position.machine, 0
        while True:
            await catch_up(self._running, reached)
            known, state = machine.seq, machine.snapshot()
            finish = self._canceled()
            # Rows that lead on from what cannot be taken in would be asked for ever; then the end is written all the same.
            behind = await self._finish(finish, None if known < reached else known)
            if behind is None:
                return finish
            machine.rewind(state)
            self._running.position.confirm()
            reached = behind["reached"]

    def _canceled(self) -> Finish:
        reason = cancellation.reason()
        if self._running is None:
            error = {"category": "Cancellation", "message": reason or "The run was canceled"}
            return Finish((), "CANCELED", error, {}, 0)
        return self._running.position.machine.cancel(reason, milliseconds_of(workflow.now()))

    async def _finish(self, finish: Finish, known: int | None = None) -> wire.Behind | None:
        """Write the end. ``known``: the last record the run knows of, when its rows may be further."""
        progress = self._running.position.progress(finish) if self._running else self._no_progress()
        request = {
            **progress,
            "status": finish.status,
            "error": finish.error,
            "scopes": self._final_scopes(finish),
            "keep_scopes": self._is_child,
            "known": known,
        }
        call = self._running.position.project if self._running else project
        earlier: wire.EarlierEnd | wire.Behind | None = await call(wire.FINISH_RUN, request)
        if earlier is None:
            return None
        if "reached" in earlier:
            return earlier
        raise EndedEarlier(earlier)

    def _final_scopes(self, finish: Finish) -> dict[str, Any]:
        """What a parent's outputs are made of."""
        return {**finish.scopes, "system": self._system} if finish.scopes else {}

    def _no_progress(self) -> wire.Progress:
        checkpoint = self._input["checkpoint"]
        return {
            "run": self._input["run_id"],
            "tenant": self._input["tenant"],
            "trace": [],
            "seq": checkpoint["seq"] if checkpoint else 0,
            "steps": 0,
        }


def _only(signal: tuple[Any, ...]) -> Any:
    """The one argument of a signal. Whoever sends one by hand may give none or several, and no task may fail for that."""
    return signal[0] if len(signal) == 1 else None


def _closed_by_its_cancel(failure: FailureError) -> bool:
    """Whether an activity found the row closed because an earlier try of this task has canceled the run already."""
    cause = failure.cause
    return cancellation.requested() and isinstance(cause, ApplicationError) and cause.type == RUN_CLOSED


def _as_ended(end: wire.EarlierEnd) -> dict[str, Any]:
    """End this execution as the row says."""
    if end["status"] == "SUCCEEDED":
        return {"scopes": end["scopes"]}
    if end["status"] == "FAILED":
        raise failure_of(end["error"] or {})
    if cancellation.requested():
        raise asyncio.CancelledError
    raise ApplicationError("The run's row was closed as CANCELED from outside.", type=RUN_CLOSED, non_retryable=True)
