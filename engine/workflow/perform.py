"""Effects of the machine, done with Temporal: one function per effect, each giving the machine's answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.contract import RunInput
    from engine.errors import RunError
    from engine.interpreter import effects as fx
    from engine.interpreter.machine import Machine
    from engine.interpreter.times import iso_of, milliseconds_of, parse_instant
    from engine.workflow import continuation, wire
    from engine.workflow.calls import project, project_patiently, run_ordinary, run_quick
    from engine.workflow.child import run_child
    from engine.workflow.inbox import Inbox
    from engine.workflow.lookback import Lookback
    from engine.workflow.pace import Pace

_TASKS: Final = 20
"""With more than some fifty signals a second, no task is without one."""

Wait = fx.Sleep | fx.AwaitTime | fx.AwaitEvent | fx.AwaitTask


class Performer:
    """Does effects for one run. Holds what the queries answer: where the run is and what it waits for."""

    def __init__(self, run: RunInput, facts: fx.RunFacts, machine: Machine, inbox: Inbox) -> None:
        """What an earlier execution of the run handed over is in ``run``."""
        carried = run["checkpoint"] or {}
        self.machine = machine
        self._run = run
        self._facts = facts
        self._inbox = inbox
        self._lookback = Lookback(carried.get("lookback"))
        self._seq: int = carried.get("seq", 0)
        self._unconfirmed: fx.Trace = ()
        self._pace = Pace()
        self.current_path: str | None = None
        self.current_wait: dict[str, Any] | None = None

    async def perform(self, effect: fx.Effect) -> fx.Outcome:
        """The answer to any effect but Finish."""
        if not isinstance(effect, fx.Flush | fx.Finish):
            self.current_path = effect.step.path
        try:
            match effect:
                case fx.CallAction():
                    return await self._call_action(effect)
                case fx.Sleep():
                    return await self._sleep(effect)
                case fx.AwaitTime():
                    return await self._await_time(effect)
                case fx.AwaitEvent():
                    return await self._await_event(effect)
                case fx.AwaitTask():
                    return await self._await_task(effect)
                case fx.StartChild():
                    return await self._start_child(effect)
                case fx.AwaitQuota():
                    return await self._await_quota(effect)
                case fx.Flush():
                    return await self._flush(effect)
                case fx.Finish():
                    raise TypeError("the end of a run is not performed here")
        finally:
            self.current_wait = None

    def progress(self, effect: fx.Effect) -> dict[str, Any]:
        """What every projecting activity is told; see ``wire.Progress``.

        With the end of a run goes what an activity was to write that a cancel has stopped, maybe before it began.
        """
        trace = (*self._unconfirmed, *effect.trace) if isinstance(effect, fx.Finish) else effect.trace
        self._unconfirmed = trace
        if trace:
            self._seq = trace[-1].seq
        return {
            "run": self._facts.run_id,
            "tenant": self._facts.tenant,
            "trace": wire.encode_trace(trace),
            "seq": self._seq,
            "steps": effect.steps_started,
        }

    async def project(self, activity: str, request: Any) -> Any:
        """Call an activity that only works on our database; what ``calls.project`` says holds."""
        if not self._pace.undecided:
            return await project(activity, request)
        answer = await project_patiently(activity, request)
        self._pace.task_ended()
        return answer

    def take_in_events(self) -> None:
        """Give the machine what has come by signal."""
        for event in self._inbox.take_events():
            self.machine.deliver(event)

    async def continue_elsewhere(self) -> NoReturn:
        """Go on as a new execution, with everything the run is and has received.

        A task tells its signals first, and only then the cancel that came with them; a run that went on at once would leave that
        cancel behind. And Temporal refuses a task that ends an execution when a signal came meanwhile: the next try replays
        the whole history, for seconds. So the task that counts is a new one, of milliseconds, which no signal came with.
        Raises ``asyncio.CancelledError`` when the run is canceled.
        """
        for _ in range(_TASKS):
            told = self._inbox.signals
            await project_patiently(wire.NEXT_TASK, {"run": self._facts.run_id})
            if self._inbox.signals == told:
                break
        self.take_in_events()
        checkpoint = {
            "machine": self.machine.snapshot(),
            "seq": self._seq,
            "inbox": self._inbox.to_json(),
            "lookback": self._lookback.to_json(),
        }
        continuation.continue_with(self._run, checkpoint)

    # --- actions ----------------------------------------------------------------------------------------------------

    async def _call_action(self, effect: fx.CallAction) -> fx.Outcome:
        request = {
            **self.progress(effect),
            "workflow": self._facts.workflow_id,
            "workflow_version": self._facts.workflow_version,
            "step": wire.encode_step(effect.step),
            "attempt": effect.attempt,
            "action": effect.action_id,
            "version": effect.action_version,
            "input": effect.input,
            "secrets": list(effect.secret_paths),
            "key": effect.idempotency_key,
        }
        quick = effect.traits.quick and not self._pace.task_should_end()
        call = run_quick if quick else run_ordinary
        answer = await call(wire.RUN_STEP, request, effect.traits.timeout_seconds, _activity_id(effect))
        self._unconfirmed = ()
        if quick:
            self._pace.quick_step_ended(answer["at"])
        else:
            self._pace.task_ended()
        if "error" in answer:
            return fx.StepFailed(RunError.from_json(answer["error"]))
        return fx.ActionSucceeded(answer["ok"])

    async def _flush(self, effect: fx.Flush) -> fx.Outcome:
        request = {**self.progress(effect), "step": None}
        if self._pace.task_should_end():
            await project_patiently(wire.FLUSH_TRACE, request)
            self._pace.task_ended()
        else:
            await project(wire.FLUSH_TRACE, request)
        self._unconfirmed = ()
        return fx.Flushed()

    # --- waits ------------------------------------------------------------------------------------------------------

    async def _sleep(self, effect: fx.Sleep) -> fx.Outcome:
        await self._open_wait(effect, "retry", effect.attempt)
        await self._until(lambda: False, effect.due_at, f"next try of {effect.step.step_id}")
        return fx.Elapsed()

    async def _await_time(self, effect: fx.AwaitTime) -> fx.Outcome:
        self.current_wait = _described("time.wait", effect.step, dueAt=effect.due_at)
        await self._open_wait(effect, "time")
        await self._until(lambda: False, effect.due_at, f"time.wait {effect.step.step_id}")
        return fx.Elapsed()

    async def _await_event(self, effect: fx.AwaitEvent) -> fx.Outcome:
        self.current_wait = _described(
            "event.wait",
            effect.step,
            eventName=effect.event_name,
            correlationKey=effect.key,
            timeoutAt=effect.timeout_at,
        )
        seen = self._lookback.seen(effect.event_name, effect.key)
        page: wire.EventSubscription = {"name": effect.event_name, "key": effect.key, "after": seen, "recent": True}
        early: wire.EarlyEvents = await self._open_wait(effect, "event", event=page)
        found: list[fx.EventArrived] = []

        def arrived() -> bool:
            if not found:
                self.take_in_events()
                event = self.machine.take_event()
                if event is not None:
                    found.append(event)
            return bool(found)

        while True:
            for event_id, name, key, payload, received_at in early["events"]:
                self.machine.deliver(fx.EventArrived(event_id, name, key, payload, received_at, stored=True))
            if early["last"] is not None:
                self._lookback.note(effect.event_name, effect.key, early["last"])
            if arrived() or not early["more"]:
                break
            # Filters have refused a whole page of early events.
            page = {**page, "after": self._lookback.seen(effect.event_name, effect.key), "recent": False}
            early = await project(wire.LOOK_BACK, {"run": self._facts.run_id, "event": page})
        if await self._until(arrived, effect.timeout_at, f"timeout of {effect.step.step_id}"):
            return found[0]
        self._pace.undecided = True
        return fx.TimedOut()

    async def _await_task(self, effect: fx.AwaitTask) -> fx.Outcome:
        self.current_wait = _described("human.task", effect.step, taskId=effect.task_id, taskType=effect.task_type)
        form: wire.TaskForm = {
            "id": effect.task_id,
            "type": effect.task_type,
            "title": effect.title,
            "description": effect.description,
            "context": effect.context,
        }
        await self._open_wait(effect, "human", task=form)
        await self._until(lambda: self._inbox.has_answer(effect.task_id), None, "")
        return self._inbox.take_answer(effect.task_id)

    async def _open_wait(self, effect: Wait, waiting_on: str, attempt: int = 1, **more: Any) -> Any:
        self.machine.release_quota()
        request = {
            **self.progress(effect),
            "step": wire.encode_step(effect.step),
            "attempt": attempt,
            "waiting_on": waiting_on,
            "since": _now(),
            "event": None,
            "task": None,
            **more,
        }
        opened = await self.project(wire.OPEN_WAIT, request)
        self._unconfirmed = ()
        return opened

    async def _until(self, arrived: Callable[[], bool], due_at: str | None, summary: str) -> bool:
        """Wait; True when ``arrived``, False when ``due_at`` is there first. Both at once: arrived."""
        due = None if due_at is None else parse_instant(due_at)
        while not arrived():
            remaining = None if due is None else due - milliseconds_of(workflow.now())
            if remaining is not None and remaining <= 0:
                return False
            if continuation.due():
                await self.continue_elsewhere()
            # What comes together with the timer is seen by the next turn of the loop.
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: arrived() or continuation.due(),
                    timeout=None if remaining is None else remaining / 1000,
                    timeout_summary=summary or None,
                )
            self._pace.task_ended()
        return True

    # --- children and quota -----------------------------------------------------------------------------------------

    async def _start_child(self, effect: fx.StartChild) -> fx.Outcome:
        self.machine.release_quota()
        request = {
            **self.progress(effect),
            "step": wire.encode_step(effect.step),
            "attempt": effect.attempt,
            "since": _now(),
            "child": effect.child_run_id,
            "workflow": effect.workflow_id,
            "version": effect.workflow_version,
            "input": effect.input,
        }
        opened: wire.OpenChildOutput = await self.project(wire.OPEN_CHILD, request)
        self._unconfirmed = ()
        if "refused" in opened:
            return fx.StepFailed(RunError.from_json(opened["refused"]))
        outcome = await run_child(effect, self._run)
        self._pace.task_ended()
        return outcome

    async def _await_quota(self, effect: fx.AwaitQuota) -> fx.Outcome:
        self.current_wait = _described("quota", effect.step, reason="workflow_step_quota_exceeded")
        while True:
            request = {**self.progress(effect), "step": wire.encode_step(effect.step), "since": _now()}
            reserved: wire.ReserveQuotaOutput = await self.project(wire.RESERVE_QUOTA, request)
            self._unconfirmed = ()
            if reserved["granted"]:
                return fx.QuotaGranted(reserved["units"])
            await self._until(lambda: self._inbox.quota_resumed, None, "")
            self._inbox.quota_resumed = False


def _described(kind: str, step: fx.StepRef, **descriptor: Any) -> dict[str, Any]:
    return {"type": kind, "stepPath": step.path, "descriptor": descriptor}


def _activity_id(effect: fx.CallAction) -> str:
    """What Temporal's own tools show for a pending try. Unique: a run has one at a time, and a try one call."""
    step = effect.step
    return f"{step.path}[{step.iteration}]#{step.visit}.{effect.attempt}"


def _now() -> str:
    return iso_of(milliseconds_of(workflow.now()))
