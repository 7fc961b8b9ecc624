"""The cache of runs: its limit is memory, a worker says what it is, and a run that was dropped goes on."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Invalid
from engine.operations.context import OperationContext
from engine.operations.health import system_health
from engine.records import PartState
from engine.settings import Settings
from engine.store.database.transactions import Store, writing
from engine.store.tenant.workers import WorkerProcess, record_heartbeat
from engine.worker import temporal_worker
from engine.worker.run_cache import USUAL, RunCache
from tests.engine.operations.conftest import until
from tests.engine.worker.hosts import get, ready, running, settings


@pytest.mark.parametrize(("megabytes", "runs"), [(10, 100), (512, 5_120), (2_000, 20_000)])
def test_as_many_runs_as_fit_into_the_memory(megabytes: int, runs: int) -> None:
    assert RunCache(megabytes).runs == runs


def test_the_memory_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load().cache_megabytes == USUAL.megabytes
    monkeypatch.setenv("RUNSTUDIO_CACHE_MB", "64")
    assert Settings.load().cache_megabytes == 64
    monkeypatch.setenv("RUNSTUDIO_CACHE_MB", "9")
    with pytest.raises(Invalid, match="RUNSTUDIO_CACHE_MB"):
        Settings.load()


async def test_a_worker_keeps_that_many_and_says_so(
    context: OperationContext, database_url: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    made = temporal_worker.RunWorker

    def worker(*arguments: Any, **named: Any) -> Any:
        given.append(named["max_cached_workflows"])
        return made(*arguments, **named)

    monkeypatch.setattr(temporal_worker, "RunWorker", worker)
    async with running(settings(database_url, temporal_address, cache_megabytes=20)) as host:
        await ready(host)
        told = (await get(host, "/health")).json()["workers"]["temporal"]["cache"]

        async def known() -> bool:
            return "up to 200 runs in 20 MB of memory" in await _workers(context)

        await until(known)
    assert (given, told) == ([200], {"runs": 200, "megabytes": 20})


async def test_workers_of_two_releases_are_added_up_as_far_as_they_tell(
    context: OperationContext, store: Store
) -> None:
    parts = {"state": "running"}
    for number, cache in enumerate(({}, {"cache": RunCache(512).to_json()}, {"cache": RunCache(1_000).to_json()})):
        async with writing(store) as connection:
            process = WorkerProcess(f"worker-{number}", "host", number, "1", "queue")
            await record_heartbeat(connection, process, {"temporal": {**parts, **cache}})
    assert (await _workers(context)).endswith("; up to 15,120 runs in 1,512 MB of memory")


async def test_a_worker_of_an_earlier_release_tells_nothing_of_it(context: OperationContext, store: Store) -> None:
    async with writing(store) as connection:
        await record_heartbeat(
            connection, WorkerProcess("w", "host", 1, "1", "queue"), {"temporal": {"state": "running"}}
        )
    assert "memory" not in await _workers(context)


async def _workers(context: OperationContext) -> str:
    [part] = [part for part in await system_health(context) if part.name == "workers"]
    return part.detail if part.state is PartState.OK else ""
