"""How long somebody waits: from the request to start a run to its first step, and from an event to the step it resumes."""

from __future__ import annotations

from tests.bench.contenders.process import contender
from tests.bench.measuring import Measurement, Verdict, percentile
from tests.bench.servers import Servers

NAME = "latency"

BUDGETS = {0.5: 60.0, 0.99: 250.0}
CASES = {
    "start_to_first_step": "start to first step",
    "event_to_resumed_step": "event submitted to resumed step",
}


async def measure(servers: Servers, *, quick: bool) -> Measurement:
    """See the module."""
    samples = 20 if quick else 100
    result = Measurement(
        NAME,
        "Latency",
        f"{samples} runs of each kind, one after the other, on an otherwise idle worker. The clock starts before the operation"
        " is called (its commits are in it) and stops when the action begins (so the claim of its step is in it too)."
        " Milliseconds.",
        ("", "p50", "p95", "p99", "largest"),
    )
    async with contender("run_studio", servers.database(), servers.temporal.address) as process:
        for method, label in CASES.items():
            await process.call(method, samples=5)
            found: list[float] = await process.call(method, samples=samples)
            shown = [*(percentile(found, share) for share in (0.5, 0.95, 0.99)), max(found)]
            result.rows.append((label, *(f"{value:.0f}" for value in shown)))
            for share, most in BUDGETS.items():
                value = percentile(found, share)
                result.verdicts.append(
                    Verdict(f"{label}, p{share * 100:.0f}", f"at most {most:.0f} ms", f"{value:.0f} ms", value <= most)
                )
    return result
