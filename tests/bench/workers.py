"""What more worker processes give: the same load on one, two and four of them, a core each where there are as many."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack

from tests.bench.contenders.process import ContenderProcess, contender
from tests.bench.measuring import Measurement, Sample, interleaved, number, stopwatch
from tests.bench.servers import Servers

NAME = "workers"

PROCESSES = (1, 2, 4)
STEPS, RUNS, AT_ONCE = 10, 128, 32


async def measure(servers: Servers, *, quick: bool) -> Measurement:
    """See the module."""
    cores = sorted(os.sched_getaffinity(0))
    result = Measurement(
        NAME,
        "More worker processes",
        f"{RUNS} runs of {STEPS} quick steps, {AT_ONCE} in flight, launched in equal parts by the worker processes. Each process"
        f" has a core of its own where there are as many; this machine has {len(cores)}, which Postgres and Temporal need too."
        " Steps per second of all together, medians; in brackets the smallest and the largest.",
        ("worker processes", "cores", "steps per second", "against one"),
    )
    url = servers.database()
    figures = await interleaved(
        tuple(str(count) for count in PROCESSES),
        1 if quick else 3,
        lambda count: _steps_per_second(servers, url, cores_of(int(count), cores)),
    )
    servers.drop(url)
    one = figures[str(PROCESSES[0])]
    for count in PROCESSES:
        sample = figures[str(count)]
        own = "one each" if None not in cores_of(count, cores) else f"{len(cores)} for all"
        result.rows.append((str(count), own, _shown(sample), f"{sample.over(one).median:.2f}x"))
    return result


def cores_of(processes: int, cores: list[int]) -> list[int | None]:
    """The core of each process; None for all when there are fewer cores than processes."""
    return list(cores[:processes]) if processes <= len(cores) else [None] * processes


async def _steps_per_second(servers: Servers, url: str, cores: list[int | None]) -> float:
    async with AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(contender("run_studio", url, servers.temporal.address, core=core))
            for core in cores
        ]
        await _share(workers, 4 * len(workers), len(workers))
        before = await _ran(workers)
        with stopwatch() as elapsed:
            await _share(workers, RUNS, AT_ONCE)
        ran = await _ran(workers) - before
        assert ran == RUNS * STEPS, f"{ran} steps instead of {RUNS * STEPS}"
        return ran / elapsed()


async def _share(workers: list[ContenderProcess], runs: int, at_once: int) -> None:
    part = {"steps": STEPS, "runs": runs // len(workers), "at_once": at_once // len(workers)}
    await asyncio.gather(*(worker.call("whole_runs", kind="quick", **part) for worker in workers))


async def _ran(workers: list[ContenderProcess]) -> int:
    return sum([int(await worker.call("ran", kind="quick")) for worker in workers])


def _shown(sample: Sample) -> str:
    return f"{number(sample.median)} ({sample.spread})"
