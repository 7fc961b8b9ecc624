"""What replaying the history of an execution is estimated to cost, from what is on record alone."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.contract import ReplayCost
    from engine.interpreter.machine import Machine


class Effort:
    """Counts from the start of an execution: what an earlier one of the run did is in another history."""

    def __init__(self, machine: Machine) -> None:
        """``machine``: as it was when this execution began."""
        self._machine = machine
        self._steps_before = machine.steps_started
        self._bytes = 0

    def read(self, size: int) -> None:
        """A replay reads or writes so many bytes that are not in the history: a large value, or a state."""
        self._bytes += size

    def nanoseconds(self, cost: ReplayCost) -> int:
        """The estimate, on an idle core, for the history as it is at the beginning of the present workflow task."""
        info = workflow.info()
        return self.of_history(cost, info.get_current_history_length(), info.get_current_history_size())

    def of_history(self, cost: ReplayCost, events: int, size: int) -> int:
        """The estimate for a history of so many events and bytes, whose replay led to the machine as it is now."""
        machine = self._machine
        return (
            cost["event"] * events
            + cost["byte"] * (size + self._bytes)
            + cost["step"] * (machine.steps_started - self._steps_before)
            + cost["evaluation"] * machine.evaluated
        )
