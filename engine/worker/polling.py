"""The Temporal worker as a part of the process: connects for as long as it takes, polls, and checks that Temporal sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from engine.activities.dependencies import ActivityDependencies
from engine.contract import TASK_QUEUE
from engine.errors import Unavailable
from engine.temporal.connection import RPC_TIMEOUT, TemporalConnection, unavailable
from engine.wording import sentence
from engine.worker.forgetting import RunsInMemory, forget_after_outages
from engine.worker.parts import PartReport
from engine.worker.run_cache import RunCache
from engine.worker.temporal_worker import RunWorker, build_worker

CHECK_SECONDS: Final = 5.0
_SOONEST_CHECK_SECONDS: Final = 0.2
LONGEST_CONNECT_PAUSE_SECONDS: Final = 10.0
_POLL_FAILURE: Final = "Poll failure: "
"""How the SDK begins to tell that a poll was refused, which it does not repeat."""


class Polling:
    """A part of the worker process."""

    def __init__(
        self, temporal: TemporalConnection, dependencies: ActivityDependencies, *, sandboxed: bool, cache: RunCache
    ) -> None:
        self._temporal = temporal
        self._dependencies = dependencies
        self._sandboxed = sandboxed
        self._cache = cache

    async def run(self, report: PartReport) -> None:
        """Poll until the process stops; then finish what is under way, for at most the worker's grace."""
        report.facts["cache"] = self._cache.to_json()
        client = await self._connected(report)
        if client is None:
            return
        in_memory = RunsInMemory()
        worker = build_worker(
            client,
            self._dependencies,
            sandboxed=self._sandboxed,
            identity=self._dependencies.identity,
            cache=self._cache,
            in_memory=in_memory,
        )
        polling = asyncio.create_task(_run(worker))
        stopping = asyncio.create_task(report.stopping.wait())
        forgetting = asyncio.create_task(forget_after_outages(client, worker, in_memory))
        try:
            await self._watch(client, report, until=(polling, stopping, forgetting))
        finally:
            stopping.cancel()
            forgetting.cancel()
            await worker.shutdown()
            await polling
            with suppress(asyncio.CancelledError):
                await forgetting

    async def _connected(self, report: PartReport) -> Client | None:
        """None: told to stop before Temporal answered."""
        pause = 1.0
        while not report.stopping.is_set():
            try:
                return await self._temporal.client()
            except Unavailable as error:
                report.failed(error.message)
            await report.pause(pause)
            pause = min(pause * 2, LONGEST_CONNECT_PAUSE_SECONDS)
        return None

    async def _watch(self, client: Client, report: PartReport, until: Iterable[asyncio.Task[Any]]) -> None:
        pause = _SOONEST_CHECK_SECONDS
        while True:
            try:
                seen = await _is_seen(client, self._dependencies.identity)
            except RPCError as error:
                report.failed(unavailable(error, "describe the task queue").message)
            else:
                if seen:
                    report.succeeded()
                    pause = CHECK_SECONDS
                else:
                    report.not_yet("Temporal does not see this worker poll yet.")
            done, _ = await asyncio.wait(until, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return
            pause = min(pause * 2, CHECK_SECONDS)


async def _run(worker: RunWorker) -> None:
    """``worker.run()``. Raises ``Unavailable`` when Temporal does not let it begin, be it that it does not answer, or go on."""
    try:
        await worker.run()
    except RuntimeError as error:
        if worker._started:
            raise _refused(error) or error from error.__cause__
        # The client takes no second worker for a task queue while it knows of this one, which never began.
        await worker.hold_eager_starts()
        worker._bridge_worker.initiate_shutdown()
        said = str(error).partition("\n")[0]
        raise Unavailable(
            "WORKER_NOT_BEGUN",
            sentence(f"Temporal did not let the worker begin: {said}"),
            "It is tried again; `runstudio doctor` shows whether Temporal can be reached.",
        ) from error


def _refused(error: RuntimeError) -> Unavailable | None:
    """What Temporal answered to the polling of a worker that had begun; None when something else has ended it."""
    said = str(error.__cause__).partition("\n")[0]
    if not said.startswith(_POLL_FAILURE):
        return None
    return Unavailable(
        "POLLING_REFUSED",
        sentence(f"Temporal does not let the worker poll: {said.removeprefix(_POLL_FAILURE)}"),
        "Check TEMPORAL_NAMESPACE, the API key and its rights. It is tried again.",
    )


async def _is_seen(client: Client, identity: str) -> bool:
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=TASK_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        ),
        timeout=RPC_TIMEOUT,
    )
    return any(poller.identity == identity for poller in described.pollers)
