"""How many runs a worker replays at once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.worker import SlotPermit

from engine.interpreter.machine import Machine
from engine.worker import replays, temporal_worker
from engine.worker.forgetting import RunsInMemory
from engine.worker.replays import WatchedRunner, WorkflowTaskSlots
from tests.engine.workflow.conftest import idle_bench
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import for_each, ordinary, quick, wait_event

__all__ = ["idle_bench"]


@dataclass(frozen=True)
class Slot:
    """As the SDK describes a workflow task."""

    is_sticky: bool
    workflow_type: str = "w"


LONGER_THAN_THE_SDK_WAITS = 2.5
NEW, KNOWN = Slot(is_sticky=False), Slot(is_sticky=True)


def reserved(slots: WorkflowTaskSlots, slot: Slot) -> SlotPermit | None:
    """What there is without waiting."""
    reserving = slots.reserve_slot(slot)  # type: ignore[arg-type] # what it looks at
    try:
        reserving.send(None)
    except StopIteration as found:
        permit: SlotPermit = found.value
        return permit
    reserving.close()
    return None


def used(slots: WorkflowTaskSlots, slot: Slot) -> SlotPermit:
    permit = reserved(slots, slot)
    assert permit is not None
    mark(slots, slot, permit)
    return permit


def mark(slots: WorkflowTaskSlots, slot: Slot, permit: SlotPermit) -> None:
    slots.mark_slot_used(SimpleNamespace(slot_info=slot, permit=permit))  # type: ignore[arg-type] # the same


def release(slots: WorkflowTaskSlots, permit: SlotPermit) -> None:
    slots.release_slot(SimpleNamespace(slot_info=None, permit=permit))  # type: ignore[arg-type] # the same


def refused(slots: WorkflowTaskSlots, slot: Slot) -> bool:
    permit = reserved(slots, slot)
    if permit is not None:
        release(slots, permit)
    return permit is None


async def test_runs_that_are_in_memory_are_not_held_up_by_replays() -> None:
    slots = WorkflowTaskSlots(4, 2)
    for _ in range(2):
        used(slots, NEW)
    assert refused(slots, NEW)
    assert not refused(slots, KNOWN)
    for _ in range(2):
        used(slots, KNOWN)
    assert refused(slots, KNOWN)


async def test_a_task_that_has_caught_up_is_no_replay_any_more() -> None:
    slots = WorkflowTaskSlots(4, 1)
    first = used(slots, NEW)
    slots.caught_up()
    second = used(slots, NEW)
    assert refused(slots, NEW)
    # That of the second is what is under way now, whichever of the two is done.
    release(slots, first)
    assert refused(slots, NEW)
    release(slots, second)
    assert not refused(slots, NEW)
    slots.caught_up()
    assert not refused(slots, NEW)


async def test_a_run_that_the_process_starts_itself_waits_for_no_replay() -> None:
    slots = WorkflowTaskSlots(4, 1)
    used(slots, NEW)
    started = slots.try_reserve_slot(NEW)  # type: ignore[arg-type] # what it looks at
    assert started is not None
    mark(slots, NEW, started)
    # One of the two has caught up, which is the started one; the replay goes on.
    slots.caught_up()
    assert refused(slots, NEW)
    used(slots, KNOWN)
    used(slots, KNOWN)
    assert slots.try_reserve_slot(NEW) is None  # type: ignore[arg-type] # the same


async def test_who_waits_goes_on_when_something_is_free() -> None:
    slots = WorkflowTaskSlots(2, 1)
    used(slots, NEW)
    behind = asyncio.create_task(slots.reserve_slot(NEW))  # type: ignore[arg-type] # what it looks at
    given_up = asyncio.create_task(slots.reserve_slot(NEW))  # type: ignore[arg-type] # the same
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.to_thread(slots.caught_up)
    permit = await behind
    assert refused(slots, KNOWN)
    waiting = asyncio.create_task(slots.reserve_slot(KNOWN))  # type: ignore[arg-type] # the same
    await asyncio.sleep(0)
    assert not waiting.done()
    release(slots, permit)
    await waiting


async def test_after_a_restart_two_runs_are_replayed_at_once_and_all_of_them_go_on(
    idle_bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench, number = idle_bench, 25
    await bench.publish([for_each("l", "[1..5]", [ordinary("o")]), wait_event("w"), quick("q")])
    async with bench.worker():
        runs = [await bench.start() for _ in range(number)]
        for run in runs:
            await run.waiting("event")
            await run.at_rest()

    at_once: list[int] = []
    behind: set[int] = set()

    class Watched(replays._Watched):
        def activate(self, act: Any) -> Any:
            if self._behind and act.is_replaying:
                behind.add(id(self))
                at_once.append(len(behind))
            answer = super().activate(act)
            if not self._behind:
                behind.discard(id(self))
            return answer

    monkeypatch.setattr(replays, "_Watched", Watched)
    for index, run in enumerate(runs):
        await run.send_event("PING", event_id=f"e{index}")
    async with bench.worker():
        for run in runs:
            assert (await run.ended())["status"] == "SUCCEEDED"
    assert len(at_once) >= number
    assert max(at_once) <= temporal_worker.CONCURRENT_REPLAYS


def test_the_runner_is_watched_whatever_it_is() -> None:
    prepared: list[Any] = []
    runner = SimpleNamespace(prepare_workflow=prepared.append, set_worker_level_failure_exception_types=prepared.append)
    watched = WatchedRunner(runner, lambda: None, RunsInMemory())  # type: ignore[arg-type] # what it calls
    watched.prepare_workflow("w")
    watched.set_worker_level_failure_exception_types(["t"])
    assert prepared == ["w", ["t"]]


async def test_a_workflow_that_computes_for_more_than_two_seconds_is_not_stuck(
    idle_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK's own limit; a busy core needs as long for what an idle one does in a third of a second."""
    advance, slow = Machine.advance, count()

    def slowly(machine: Machine) -> Any:
        if next(slow) == 0:
            time.sleep(LONGER_THAN_THE_SDK_WAITS)
        return advance(machine)

    monkeypatch.setattr(Machine, "advance", slowly)
    async with idle_bench.worker():
        run = await idle_bench.play([quick("q")])
        assert (await run.row())["status"] == "SUCCEEDED"
    assert (await run.events())["WORKFLOW_TASK_FAILED"] == 0
