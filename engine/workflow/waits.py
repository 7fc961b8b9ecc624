"""The waits of a run: opened and ended by an activity each, so that rows tell of both, and decide how a wait has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.definition.step_ref import StepRef
    from engine.interpreter import effects as fx
    from engine.interpreter.times import parse_instant
    from engine.workflow import encoding, wire
    from engine.workflow.cancellation import to_the_end
    from engine.workflow.position import Position

Wait = fx.Sleep | fx.AwaitTime | fx.AwaitEvent | fx.AwaitTask
Answer = tuple[fx.Outcome, int | None]
"""An outcome, and when it was put on record."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a wait has ended."""

    status: str
    at_ms: int | None
    event: fx.EventArrived | None = None


class Waits:
    """Waits for one run, one at a time."""

    def __init__(self, position: Position) -> None:
        self._position = position

    async def sleep(self, effect: fx.Sleep) -> Answer:
        """A back-off. Nothing is made of its end but the next try, so it ends when it is due, which is on record already."""
        await self._open(effect, "retry", effect.attempt)
        await self._position.until(lambda: False, effect.due_at, f"next try of {effect.step.step_id}")
        return fx.Elapsed(), parse_instant(effect.due_at)

    async def await_time(self, effect: fx.AwaitTime) -> Answer:
        """A time."""
        self._position.current_wait = described("time.wait", effect.step, dueAt=effect.due_at)
        await self._open(effect, "time")
        await self._position.until(lambda: False, effect.due_at, f"time.wait {effect.step.step_id}")
        return fx.Elapsed(), (await self.end(effect, "time", "RESOLVED")).at_ms

    async def await_event(self, effect: fx.AwaitEvent) -> Answer:
        """An event, or its deadline."""
        position = self._position
        position.current_wait = described(
            "event.wait",
            effect.step,
            eventName=effect.event_name,
            correlationKey=effect.key,
            timeoutAt=effect.timeout_at,
        )
        filters = position.machine.event_filters
        looked = position.lookback.place(effect.event_name, effect.key, filters)
        page: wire.EventSubscription = {
            "name": effect.event_name,
            "key": effect.key,
            "after": position.lookback.seen(looked),
            "recent": True,
            "filters": filters,
        }
        early: wire.EarlyEvents = await self._open(effect, "event", event=page)

        def arrived() -> bool:
            position.take_in_events()
            return position.machine.matching_event() is not None

        while True:
            for event_id, name, key, payload, received_at in early["events"]:
                position.machine.deliver(fx.EventArrived(event_id, name, key, payload, received_at, stored=True))
            if early["last"] is not None:
                position.lookback.note(looked, early["last"])
            if arrived() or not early["more"]:
                break
            # Nothing of that page will do: refused, or used before.
            page = {**page, "after": position.lookback.seen(looked), "recent": False}
            early = await position.project(wire.LOOK_BACK, {"run": position.facts.run_id, "event": page})
        await position.until(arrived, effect.timeout_at, f"timeout of {effect.step.step_id}")
        event = position.machine.matching_event()
        return self.event_answer(await self.end(effect, "event", "RESOLVED" if event else "TIMED_OUT", event))

    def event_answer(self, ended: Ended) -> Answer:
        """What the end of a wait for an event means to the machine, which has used that event from now on."""
        if ended.event is None:
            return fx.TimedOut(), ended.at_ms
        self._position.machine.use_event(ended.event)
        return ended.event, ended.at_ms

    async def await_task(self, effect: fx.AwaitTask) -> Answer:
        """A person."""
        position = self._position
        position.current_wait = described("human.task", effect.step, taskId=effect.task_id, taskType=effect.task_type)
        form: wire.TaskForm = {
            "id": effect.task_id,
            "type": effect.task_type,
            "title": effect.title,
            "description": effect.description,
            "context": effect.context,
        }
        await self._open(effect, "human", task=form)
        await position.until(lambda: position.inbox.has_answer(effect.task_id), None, "")
        answer = position.inbox.take_answer(effect.task_id)
        status = "CANCELED" if isinstance(answer, fx.StepFailed) else "RESOLVED"
        return answer, (await self.end(effect, "human", status)).at_ms

    async def end(
        self, effect: Wait | fx.StartChild, wait_type: str, status: str, event: fx.EventArrived | None = None
    ) -> Ended:
        """Put on record that the wait has ended, and how; what is on record already stands.

        Nothing may stop it half-way: what is on record the run has to know, also one that is canceled in this moment.
        """
        request = self._end_request(effect, wait_type, status, event)
        answer: wire.EndWaitOutput = await to_the_end(self._position.project(wire.END_WAIT, request))
        return _ended(answer, event)

    async def recorded_end(self, effect: Wait, wait_type: str) -> Ended | None:
        """How the wait has ended, if that is on record."""
        request = self._end_request(effect, wait_type, None, None)
        answer: wire.EndWaitOutput = await self._position.project(wire.END_WAIT, request)
        return _ended(answer, None) if answer else None

    def _end_request(
        self, effect: Wait | fx.StartChild, wait_type: str, status: str | None, event: fx.EventArrived | None
    ) -> wire.EndWaitInput:
        return {
            "run": self._position.facts.run_id,
            "step": encoding.encode_step(effect.step),
            "attempt": effect.attempt if isinstance(effect, fx.StartChild) else 1,
            "type": wait_type,
            "status": status,
            # The machine makes this record as soon as it knows.
            "seq": self._position.machine.seq + 1,
            "event": None if event is None else encoding.encode_event(event),
        }

    async def _open(self, effect: Wait, waiting_on: str, attempt: int = 1, **more: Any) -> Any:
        position = self._position
        position.machine.release_quota()
        request = {
            **position.progress(effect),
            "step": encoding.encode_step(effect.step),
            "attempt": attempt,
            "waiting_on": waiting_on,
            "since": position.machine.now_iso,
            "event": None,
            "task": None,
            **more,
        }
        opened = await position.project(wire.OPEN_WAIT, request)
        position.confirm()
        position.waits_by(wire.OPEN_WAIT, request)
        return opened


def described(kind: str, step: StepRef, **descriptor: Any) -> dict[str, Any]:
    """What the query for the current wait answers."""
    return {"type": kind, "stepPath": step.path, "descriptor": descriptor}


def _ended(answer: wire.EndWaitOutput, proposed: fx.EventArrived | None) -> Ended:
    """``proposed`` is the event that was to end it: it has, unless the answer names another or says that none did."""
    if answer["status"] != "RESOLVED":
        return Ended(answer["status"], answer["at"])
    event = fx.EventArrived(*answer["event"]) if "event" in answer else proposed
    return Ended(answer["status"], answer["at"], event)
