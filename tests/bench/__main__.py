"""``python -m tests.bench``: measures everything, prints it, and writes docs/benchmarks.md.

``--only NAME`` measures a part, ``--quick`` makes one round of everything; both only print, because a page of figures is worth
something only when they come from one run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from types import ModuleType

from tests.bench import control, cpu, latency, lists, pure, studio, throughput, worker
from tests.bench.measuring import Measurement
from tests.bench.report import PAGE, RESULT, as_json, as_markdown, as_text
from tests.bench.servers import Servers, started, use_nobodys_environment

MEASUREMENTS: tuple[ModuleType, ...] = (throughput, cpu, control, latency, worker, pure, lists, studio)


async def _measure(modules: list[ModuleType], servers: Servers, *, quick: bool) -> list[Measurement]:
    results = []
    for module in modules:
        began = time.monotonic()
        result: Measurement = await module.measure(servers, quick=quick)
        result.seconds = time.monotonic() - began
        print(as_text(result), flush=True)
        results.append(result)
    return results


def main() -> int:
    """The exit code: 0, whatever was measured; a missed budget is a figure, not a failure."""
    names = [module.NAME for module in MEASUREMENTS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=names, help="measure this alone; may be given several times")
    parser.add_argument("--quick", action="store_true", help="one round of everything")
    arguments = parser.parse_args()
    use_nobodys_environment()
    chosen = [module for module in MEASUREMENTS if not arguments.only or module.NAME in arguments.only]
    with started() as servers:
        results = asyncio.run(_measure(chosen, servers, quick=arguments.quick))
        result = as_json(results, servers.settings())
    if arguments.only or arguments.quick:
        return 0
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1), encoding="utf-8")
    PAGE.write_text(as_markdown(result), encoding="utf-8")
    print(f"\nwritten: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
