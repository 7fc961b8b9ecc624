"""Where a run is in its workflow: its machine, what its rows are known to have, and how it waits and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NoReturn

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.contract import RunInput
    from engine.interpreter import effects as fx
    from engine.interpreter.machine import Machine
    from engine.interpreter.times import milliseconds_of, parse_instant
    from engine.workflow import continuation, encoding, wire
    from engine.workflow.calls import project, project_patiently
    from engine.workflow.cancellation import requested
    from engine.workflow.effort import Effort
    from engine.workflow.inbox import Inbox
    from engine.workflow.lookback import Lookback
    from engine.workflow.pace import Pace

Traits = Mapping[str, dict[str, Any]]
"""What is known of the actions, as ``load_run`` told."""
_TASKS: Final = 20
"""With more than some fifty signals a second, no task is without one."""


class Position:
    """Shared by everything that does effects for one run. Holds what the queries answer."""

    def __init__(  # noqa: PLR0917  # assembled in one place
        self, run: RunInput, facts: fx.RunFacts, machine: Machine, inbox: Inbox, traits: Traits, is_child: bool
    ) -> None:
        """What an earlier execution of the run handed over is in ``run``."""
        carried = run["checkpoint"] or {}
        self.run = run
        self.facts = facts
        self.machine = machine
        self.effort = Effort(machine)
        self.inbox = inbox
        self.traits = traits
        self.is_child = is_child
        self.ended = False
        """The end of the run is in its row already."""
        self.lookback = Lookback(carried.get("lookback"), carried.get("filteredLookback"))
        self._pace = Pace()
        self.current_path: str | None = None
        self.current_wait: dict[str, Any] | None = None
        self.wait_request: wire.WaitRequest | None = None
        """What has put the present wait on record."""
        self._seq: int = carried.get("seq", 0)
        self._unconfirmed: fx.Trace = ()

    def progress(self, effect: fx.Effect) -> wire.Progress:
        """What every projecting activity is told; see ``wire.Progress``.

        With it goes what an activity was to write that a cancel has stopped, maybe before it began.
        """
        held = self._unconfirmed
        trace = held if held and held[-1:] == effect.trace[-1:] else (*held, *effect.trace)
        self._unconfirmed = trace
        if trace:
            self._seq = trace[-1].seq
        return {
            "run": self.facts.run_id,
            "tenant": self.facts.tenant,
            "trace": encoding.encode_trace(trace),
            "seq": self._seq,
            "steps": effect.steps_started,
        }

    def whereabouts(self) -> wire.Whereabouts:
        """Where the run is, for whoever compares it with its rows."""
        waiting = self.wait_request
        if waiting is not None:
            trace = encoding.encode_trace(self.machine.waiting_records)
            waiting = {**waiting, "request": {**waiting["request"], "trace": trace}}
        return {"seq": self._seq, "canceled": requested(), "waiting": waiting, "noted": self.lookback.latest}

    def waits_by(self, activity: str, request: Mapping[str, Any]) -> None:
        """The present wait is on record by this call. Its trace is not kept: the machine has it."""
        self.wait_request = {"activity": activity, "request": {**request, "trace": []}}

    def confirm(self, trace: fx.Trace = ()) -> None:
        """What was handed to an activity is written, and so is ``trace``."""
        self._unconfirmed = ()
        if trace:
            self._seq = trace[-1].seq

    async def project(self, activity: str, request: Any) -> Any:
        """Call an activity that only works on our database; what ``calls.project`` says holds."""
        return await project(activity, request)

    def quick_step_ended(self, at: float) -> None:
        """A quick step ended at ``at``, Unix seconds."""
        self._pace.quick_step_ended(at)

    def chain_lasted(self) -> None:
        """A chain of quick steps went on for as long as one may."""
        self._pace.chain_lasted()

    def task_ended(self) -> None:
        """The run has waited for the server."""
        self._pace.task_ended()

    def task_should_end(self) -> bool:
        """Whether what comes next must be something that ends the workflow task."""
        return self._pace.task_should_end()

    def stop_if_canceled(self) -> None:
        """Raise ``asyncio.CancelledError`` when the run is canceled and did something meanwhile that nothing may stop."""
        if requested():
            raise asyncio.CancelledError

    def take_in_events(self) -> None:
        """Give the machine what has come by signal."""
        for event in self.inbox.take_events():
            self.machine.deliver(event)

    async def until(self, arrived: Callable[[], bool], due_at: str | None, summary: str) -> bool:
        """Wait; True when ``arrived``, False when ``due_at`` is there first. Both at once: arrived."""
        due = None if due_at is None else parse_instant(due_at)
        while not arrived():
            remaining = None if due is None else due - milliseconds_of(workflow.now())
            if remaining is not None and remaining <= 0:
                return False
            if self.should_continue_elsewhere():
                await self.continue_elsewhere()
            # What comes together with the timer is seen by the next turn of the loop.
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: arrived() or self.should_continue_elsewhere(),
                    timeout=None if remaining is None else remaining / 1000,
                    timeout_summary=summary or None,
                )
            self.task_ended()
        return True

    def should_continue_elsewhere(self) -> bool:
        """Whether a replay of this execution costs as much as it may."""
        return continuation.due(self.run, self.effort)

    async def continue_elsewhere(self) -> NoReturn:
        """Go on as a new execution, with everything the run is and has received.

        A task tells its signals first, and only then the cancel that came with them; a run that went on at once would leave that
        cancel behind. And Temporal refuses a task that ends an execution when a signal came meanwhile: the next try replays
        the whole history, for seconds. So the task that counts is a new one, of milliseconds, which no signal came with.
        Raises ``asyncio.CancelledError`` when the run is canceled.
        """
        for _ in range(_TASKS):
            told = self.inbox.signals
            await self.next_task()
            if self.inbox.signals == told:
                break
        self.take_in_events()
        checkpoint = {
            "machine": self.machine.snapshot(),
            "seq": self._seq,
            "inbox": self.inbox.to_json(),
            "lookback": self.lookback.to_json(),
            "filteredLookback": self.lookback.filtered_to_json(),
        }
        continuation.continue_with(self.run, checkpoint)

    async def next_task(self) -> None:
        """End the workflow task: from then on its history has what local activities have answered."""
        await project_patiently(wire.NEXT_TASK, {"run": self.facts.run_id})
