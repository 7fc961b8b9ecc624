"""What a worker holds and repeats: replay of a history it has lost from its cache, and memory of the runs it keeps there."""

from __future__ import annotations

from engine.worker.run_cache import KILOBYTES_PER_RUN
from tests.bench.contenders.process import ContenderProcess, contender
from tests.bench.measuring import Measurement, Verdict
from tests.bench.servers import Servers

NAME = "worker"

MOST_MILLISECONDS = {"ordinary": 3.0, "quick": 0.1}
MOST_KILOBYTES = 60.0
HISTORIES = (("ordinary", 30), ("ordinary", 200), ("quick", 30), ("quick", 200), ("quick", 1_000))
ESTIMATED = (("ordinary", 200), ("quick", 1_000), ("assign", 2_000), ("filter", 20))
"""One of a kind each of what ``REPLAY_COST`` has a figure for."""
IDLE_RUNS = 500
PAYLOAD_CHARACTERS = 1_000
FLOORS = (
    ("only waits", 0, 0),
    ("has the payload", 0, PAYLOAD_CHARACTERS),
    ("has ten times the payload", 0, 10 * PAYLOAD_CHARACTERS),
    ("has the payload and did two local activities", 2, PAYLOAD_CHARACTERS),
)
"""What of it is Temporal's: how far a workflow has got, its local activities, the characters of its payload."""


async def measure(servers: Servers, *, quick: bool) -> Measurement:
    """See the module."""
    result = Measurement(
        NAME,
        "Replay and memory",
        "Replay: the fastest of five replays of a finished run's whole history, per acting step. Memory: growth of the"
        f" worker's resident memory per run that did three steps, has a payload of {PAYLOAD_CHARACTERS:,} characters and waits"
        f" for an event, over {IDLE_RUNS} runs after a fifth as many to warm up; of hand-written workflows, too,"
        " which is what Temporal's SDK needs for them.",
        ("", "history", "figure"),
    )
    async with contender("run_studio", servers.database(), servers.temporal.address) as process:
        await _memory(result, servers, process, IDLE_RUNS // 5 if quick else IDLE_RUNS)
        for kind, steps in HISTORIES:
            await _replay(result, process, kind, steps)
        for kind, steps in ESTIMATED:
            await _estimate(result, process, kind, steps)
    return result


async def _replay(result: Measurement, process: ContenderProcess, kind: str, steps: int) -> None:
    found = await process.call("replay_milliseconds", kind=kind, steps=steps, repeats=5)
    label, value = f"replay of {steps} {kind} steps", float(found["milliseconds"])
    result.rows.append((label, f"{found['events']:.0f} events", f"{value:.2f} ms per step"))
    most = MOST_MILLISECONDS[kind]
    result.verdicts.append(Verdict(label, f"at most {most:g} ms per step", f"{value:.2f} ms per step", value <= most))


async def _estimate(result: Measurement, process: ContenderProcess, kind: str, steps: int) -> None:
    """Compare what makes a run go on in a new execution with what it stands for."""
    found = await process.call("replay_milliseconds", kind=kind, steps=steps, repeats=5)
    label = f"estimate of a replay of {steps:,} {kind} steps"
    measured, estimated = found["milliseconds"] * steps, found["estimated"] * steps
    figure = f"{estimated:.0f} ms, measured {measured:.0f} ms"
    result.rows.append((label, f"{found['events']:.0f} events", figure))
    result.verdicts.append(Verdict(label, "at least what is measured", figure, estimated >= measured))


async def _memory(result: Measurement, servers: Servers, process: ContenderProcess, runs: int) -> None:
    value = float(await process.call("idle_kilobytes", runs=runs, payload_characters=PAYLOAD_CHARACTERS))
    result.rows.append(("memory per cached idle run", "", f"{value:.0f} kB"))
    for label, steps, characters in FLOORS:
        # A process each: what one of them left would be reused by the next.
        async with contender("temporal_alone", servers.empty_database(), servers.temporal.address) as alone:
            floor = await alone.call("idle_kilobytes", steps=steps, runs=runs, payload_characters=characters)
        result.rows.append((f"the same of a hand-written workflow that {label}", "", f"{floor:.0f} kB"))
    for what, most in (("", MOST_KILOBYTES), (", as the cache counts it", KILOBYTES_PER_RUN)):
        budget = f"at most {most:.0f} kB"
        result.verdicts.append(Verdict(f"memory per cached idle run{what}", budget, f"{value:.0f} kB", value <= most))
