"""How many workflow tasks a worker does at once, and how many of them may be replays.

A task whose run the worker has in memory costs little, and for most of its time its chain waits for Postgres. A task whose run it
has not costs the replay of a whole history, and Python runs one at a time: after a restart with many live runs, all of them
at once would each be as slow as all together, until Temporal took them for lost. What is not taken waits on the queue, where
no time runs out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Lock
from typing import Any

from temporalio.worker import (
    CustomSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.workflow import Info

from engine.worker.forgetting import RunsInMemory


class WorkflowTaskSlots(CustomSlotSupplier):
    """At most ``most`` tasks at once, and ``replays`` of runs that may have to be replayed. Called from any thread."""

    def __init__(self, most: int, replays: int) -> None:
        self._most = most
        self._replays = replays
        self._lock = Lock()
        self._taken = 0
        self._awaited: set[SlotPermit] = set()
        """For tasks of runs that may have to be replayed, which have not come yet."""
        self._eager: set[SlotPermit] = set()
        """For first tasks of runs that this process is starting."""
        self._behind: dict[SlotPermit, None] = {}
        """Tasks in whose run the worker is behind, as far as it knows; the oldest first."""
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        """Wait for one."""
        while True:
            freed = asyncio.Event()
            with self._lock:
                if ctx.is_sticky or len(self._awaited) + len(self._behind) < self._replays:
                    permit = self._reserved()
                    if permit is not None:
                        if not ctx.is_sticky:
                            self._awaited.add(permit)
                        return permit
                self._waiting[freed] = asyncio.get_running_loop()
            try:
                await freed.wait()
            finally:
                with self._lock:
                    self._waiting.pop(freed, None)

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        """One for a run that this process is starting, if there is one now: there is nothing to replay yet."""
        with self._lock:
            permit = self._reserved()
            if permit is not None:
                self._eager.add(permit)
            return permit

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """A task has come."""
        with self._lock:
            if ctx.permit in self._awaited or ctx.permit in self._eager:
                self._forget(ctx.permit)
                self._behind[ctx.permit] = None

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        """It is done, or none has come."""
        with self._lock:
            self._taken -= 1
            self._forget(ctx.permit)
            self._behind.pop(ctx.permit, None)
            self._tell()

    def caught_up(self) -> None:
        """The replay of a run has come to its end, or it needed none. Which task it was for makes no difference."""
        with self._lock:
            if self._behind:
                del self._behind[next(iter(self._behind))]
                self._tell()

    def _reserved(self) -> SlotPermit | None:
        if self._taken >= self._most:
            return None
        self._taken += 1
        return SlotPermit()

    def _forget(self, permit: SlotPermit) -> None:
        self._awaited.discard(permit)
        self._eager.discard(permit)

    def _tell(self) -> None:
        for freed, loop in self._waiting.items():
            loop.call_soon_threadsafe(freed.set)


class WatchedRunner(WorkflowRunner):
    """Another runner, and a word when an execution that came to this worker has caught up with its history."""

    def __init__(self, runner: WorkflowRunner, caught_up: Callable[[], None], in_memory: RunsInMemory) -> None:
        self._runner = runner
        self._caught_up = caught_up
        self._in_memory = in_memory

    def prepare_workflow(self, defn: Any) -> None:
        """As the other."""
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """That of the other, watched."""
        self._in_memory.add(det.info.run_id)
        return _Watched(self._runner.create_instance(det), self._caught_up, self._in_memory)

    def set_worker_level_failure_exception_types(self, types: Any) -> None:
        """As the other."""
        self._runner.set_worker_level_failure_exception_types(types)


class _Watched(WorkflowInstance):
    __slots__ = ("_behind", "_caught_up", "_in_memory", "_instance")

    def __init__(self, instance: WorkflowInstance, caught_up: Callable[[], None], in_memory: RunsInMemory) -> None:
        self._instance = instance
        self._caught_up = caught_up
        self._in_memory = in_memory
        self._behind = True

    def activate(self, act: Any) -> Any:
        leaving = any(job.HasField("remove_from_cache") for job in act.jobs)
        if self._behind and not act.is_replaying and not leaving:
            self._behind = False
            self._caught_up()
        if leaving:
            self._in_memory.remove(act.run_id)
        completion = self._instance.activate(act)
        if not leaving:
            self._in_memory.count(act.run_id, _local_activities(act, completion))
        return completion

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> Info:
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        return self._instance.get_thread_id()


def _local_activities(act: Any, completion: Any) -> int:
    """How many more there are after this step of an execution."""
    begun = [command for command in completion.successful.commands if command.HasField("schedule_local_activity")]
    ended = [job for job in act.jobs if job.HasField("resolve_activity") and job.resolve_activity.is_local]
    return len(begun) - len(ended)
