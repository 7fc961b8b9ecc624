"""Steps that act on nothing: loops, conditions, assignments. They cost no event and no activity, only the worker's time."""

from __future__ import annotations

from tests.bench.contenders.process import contender
from tests.bench.measuring import Measurement, Verdict, interleaved, number
from tests.bench.servers import Servers

NAME = "control"

LEAST_PER_SECOND = 2_000
STEPS_PER_ITEM = 3
ITEMS = 2_000
LOADS = {"1 run": (1, 1), "8 runs in flight": (8, 8)}


async def measure(servers: Servers, *, quick: bool) -> Measurement:
    """See the module."""
    result = Measurement(
        NAME,
        "Control steps on Temporal",
        f"Runs of one loop over {ITEMS:,} items, with an if, a state and an assignment per turn, as whole runs on one worker"
        " process. Every step leaves its row in Postgres. Medians; in brackets the smallest and the largest.",
        ("", "steps per second"),
    )
    async with contender("run_studio", servers.database(), servers.temporal.address) as process:

        async def steps_per_second(load: str) -> float:
            runs, at_once = LOADS[load]
            seconds = await process.call("control_seconds", items=ITEMS, runs=runs, at_once=at_once)
            return runs * (ITEMS * STEPS_PER_ITEM + 1) / float(seconds)

        await steps_per_second("1 run")
        figures = await interleaved(tuple(LOADS), 1 if quick else 3, steps_per_second)
    for load, sample in figures.items():
        result.rows.append((load, f"{number(sample.median)} ({sample.spread})"))
    best = max(figures.values(), key=lambda sample: sample.median)
    result.verdicts.append(
        Verdict(
            "control steps on Temporal, one worker process",
            f"at least {LEAST_PER_SECOND:,}/s",
            f"{number(best.median)}/s",
            best.median >= LEAST_PER_SECOND,
        )
    )
    return result
