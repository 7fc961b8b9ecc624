"""What a worker holds and repeats: replay of a history it has lost from its cache, and memory of the runs it keeps there."""

from __future__ import annotations

from tests.bench.contenders.process import ContenderProcess, contender
from tests.bench.measuring import Measurement, Verdict
from tests.bench.servers import Servers

NAME = "worker"

MOST_MILLISECONDS = 3.0
MOST_KILOBYTES = 60.0
HISTORIES = (("ordinary", 30), ("ordinary", 200), ("quick", 30), ("quick", 200))
IDLE_RUNS = 500
PAYLOAD_CHARACTERS = 1_000


async def measure(servers: Servers, *, quick: bool) -> Measurement:
    """See the module."""
    result = Measurement(
        NAME,
        "Replay and memory",
        "Replay: the fastest of five replays of a finished run's whole history, per acting step. Memory: growth of the"
        f" worker's resident memory per run that did three steps, has a payload of {PAYLOAD_CHARACTERS:,} characters and waits"
        f" for an event, over {IDLE_RUNS} runs after a fifth as many to warm up.",
        ("", "history", "figure"),
    )
    async with contender("run_studio", servers.database(), servers.temporal.address) as process:
        await _memory(result, process, IDLE_RUNS // 5 if quick else IDLE_RUNS)
        for kind, steps in HISTORIES:
            await _replay(result, process, kind, steps)
    return result


async def _replay(result: Measurement, process: ContenderProcess, kind: str, steps: int) -> None:
    found = await process.call("replay_milliseconds", kind=kind, steps=steps, repeats=5)
    label, value = f"replay of {steps} {kind} steps", float(found["milliseconds"])
    result.rows.append((label, f"{found['events']:.0f} events", f"{value:.2f} ms per step"))
    result.verdicts.append(
        Verdict(
            label, f"at most {MOST_MILLISECONDS:g} ms per step", f"{value:.2f} ms per step", value <= MOST_MILLISECONDS
        )
    )


async def _memory(result: Measurement, process: ContenderProcess, runs: int) -> None:
    value = float(await process.call("idle_kilobytes", runs=runs, payload_characters=PAYLOAD_CHARACTERS))
    result.rows.append(("memory per cached idle run", "", f"{value:.0f} kB"))
    result.verdicts.append(
        Verdict(
            "memory per cached idle run", f"at most {MOST_KILOBYTES:.0f} kB", f"{value:.0f} kB", value <= MOST_KILOBYTES
        )
    )
