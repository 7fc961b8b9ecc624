"""When a worker forgets the runs that it has in memory: after it had no Temporal for a moment, or stood still itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from engine.worker import forgetting
from engine.worker.forgetting import RunsInMemory, forget_after_outages

RESTING = "resting"


class Server:
    """Of a client: answers, or refuses with ``status``."""

    def __init__(self) -> None:
        self.status: RPCStatusCode | None = None
        self.asked = 0
        self.workflow_service = self

    async def get_system_info(self, _request: Any, **_settings: Any) -> None:
        self.asked += 1
        if self.status is not None:
            raise RPCError("no", self.status, b"")

    async def ask(self, times: int = 2) -> None:
        """Wait until it was asked so many times more, and what follows from that is done."""
        until = self.asked + times
        while self.asked < until:  # noqa: ASYNC110 - what it asks is only counted
            await asyncio.sleep(0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(forgetting, "CHECK_SECONDS", 0.0)
    # However long the machine lets this process wait.
    monkeypatch.setattr(forgetting, "LATE_SECONDS", float("inf"))
    return Server()


@asynccontextmanager
async def watching(server: Server) -> AsyncIterator[list[str]]:
    """What is forgotten of a run at rest and one in the middle of a task."""
    runs, forgotten = RunsInMemory(), []
    runs.add(RESTING)
    runs.add("under way")
    runs.count("under way", 1)
    worker = SimpleNamespace(_bridge_worker=SimpleNamespace(request_workflow_eviction=forgotten.append))
    task = asyncio.create_task(forget_after_outages(server, worker, runs))  # type: ignore[arg-type] # what it calls
    try:
        yield forgotten
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_while_temporal_is_there_nothing_is_forgotten(server: Server) -> None:
    async with watching(server) as forgotten:
        await server.ask(5)
        assert forgotten == []


@pytest.mark.parametrize("status", [RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNKNOWN, RPCStatusCode.INTERNAL])
async def test_while_it_is_away_and_once_when_it_is_back_runs_at_rest_are_forgotten(
    server: Server, status: RPCStatusCode
) -> None:
    async with watching(server) as forgotten:
        server.status = status
        await server.ask()
        server.status = None
        await server.ask(3)
        times = len(forgotten)
        assert set(forgotten) == {RESTING}
        assert times >= 2
        await server.ask(3)
        assert len(forgotten) == times


@pytest.mark.parametrize("status", [RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED])
async def test_one_that_is_only_slow_has_not_been_restored(server: Server, status: RPCStatusCode) -> None:
    async with watching(server) as forgotten:
        server.status = status
        await server.ask(3)
        assert forgotten == []


async def test_a_worker_that_stood_still_does_not_know_what_it_has_missed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(server) as forgotten:
        await server.ask()
        monkeypatch.setattr(forgetting, "LATE_SECONDS", -1.0)
        while not forgotten:  # noqa: ASYNC110 - a list tells nobody
            await asyncio.sleep(0)
        assert set(forgotten) == {RESTING}


def test_a_run_rests_when_its_local_activities_have_ended() -> None:
    runs = RunsInMemory()
    runs.add("r")
    runs.count("r", 2)
    runs.count("r", -1)
    assert runs.resting == []
    runs.count("r", -1)
    assert runs.resting == ["r"]
    runs.remove("r")
    assert runs.resting == []
