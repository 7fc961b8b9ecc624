"""Where the time goes: processor time per step, by process, for every contender under the same load."""

from __future__ import annotations

from contextlib import AsyncExitStack

import psutil

from engine.devstack.processes import ProcessId
from tests.bench.measuring import Measurement, Verdict
from tests.bench.servers import Servers
from tests.bench.throughput import ALL, LABELS, processes

NAME = "cpu"

STEPS, AT_ONCE, RUNS = 10, 32, 64
MOST_OF_A_QUICK_STEP = 4_500.0
"""Microseconds, of all processes together."""


async def measure(servers: Servers, *, quick: bool) -> Measurement:
    """See the module."""
    result = Measurement(
        NAME,
        "Where the time goes",
        f"Microseconds of processor time per step, runs of {STEPS} steps with {AT_ONCE} in flight, in the process that has the"
        f" contender's worker and client, in all of Postgres, and in the Temporal server: the least of {_rounds(quick)} rounds."
        " All share the same cores, so who needs less is faster when they are busy; alone, the wait for round trips counts.",
        ("", "worker and client", "Postgres", "Temporal", "together"),
    )
    async with AsyncExitStack() as stack:
        contenders = await processes(stack, servers)
        for name in ALL:
            parties = [contenders[name].pid, *(process.pid for process in _of_the_servers(servers))]
            await contenders[name].call("seconds", kind=name, steps=STEPS, runs=8, at_once=8)
            least: tuple[float, ...] | None = None
            for _ in range(_rounds(quick)):
                before = _seconds(parties)
                await contenders[name].call("seconds", kind=name, steps=STEPS, runs=RUNS, at_once=AT_ONCE)
                used = tuple(b - a for a, b in zip(before, _seconds(parties), strict=True))
                least = used if least is None else min(least, used, key=sum)
            assert least is not None
            figures = [seconds / (RUNS * STEPS) * 1e6 for seconds in (*least, sum(least))]
            result.rows.append((LABELS[name], *(f"{figure:,.0f}" for figure in figures)))
            if name == "quick":
                result.verdicts.append(_verdict(figures[-1]))
    return result


def _verdict(together: float) -> Verdict:
    return Verdict(
        f"processor time per quick step, all processes, {STEPS} steps, {AT_ONCE} in flight",
        f"at most {MOST_OF_A_QUICK_STEP / 1000:g} ms",
        f"{together / 1000:.1f} ms",
        together <= MOST_OF_A_QUICK_STEP,
    )


def _rounds(quick: bool) -> int:
    return 1 if quick else 3


def _of_the_servers(servers: Servers) -> tuple[ProcessId, ProcessId]:
    postgres, temporal = servers.postgres.process(), servers.temporal.process
    assert postgres is not None
    assert temporal is not None
    return postgres, temporal


def _seconds(parties: list[int]) -> tuple[float, ...]:
    """Processor time so far of each of these processes with all its children."""
    return tuple(_with_children(psutil.Process(pid)) for pid in parties)


def _with_children(first: psutil.Process) -> float:
    total = 0.0
    for process in (first, *first.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
