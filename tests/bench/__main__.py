"""``python -m tests.bench``: measures everything, prints it, and writes docs/benchmarks.md.

``--only NAME`` measures a part, ``--quick`` makes one round of everything; both only print, verdicts included, because a page
of figures is worth something only when they come from one run. A part that fails is told of, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from tests.bench import control, cpu, latency, lists, pure, studio, throughput, worker, workers
from tests.bench.measuring import Measurement
from tests.bench.report import PAGE, RESULT, as_json, as_markdown, as_summary, as_text
from tests.bench.running import Part, exit_code, measured
from tests.bench.servers import started, use_nobodys_environment

PARTS: tuple[Part, ...] = (throughput, workers, cpu, control, latency, worker, pure, lists, studio)


def main() -> int:
    """The exit code: that of ``exit_code``."""
    names = [part.NAME for part in PARTS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=names, help="measure this alone; may be given several times")
    parser.add_argument("--quick", action="store_true", help="one round of everything")
    arguments = parser.parse_args()
    use_nobodys_environment()
    chosen = [part for part in PARTS if not arguments.only or part.NAME in arguments.only]
    with started() as servers:
        results = asyncio.run(measured(chosen, servers, quick=arguments.quick, tell=_print))
        settings = servers.settings()
    print(as_summary(results))
    if not arguments.only and not arguments.quick:
        written = as_json(results, settings)
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(written, indent=1), encoding="utf-8")
        PAGE.write_text(as_markdown(written), encoding="utf-8")
        print(f"\nwritten: {PAGE}")
    return exit_code(results)


def _print(result: Measurement) -> None:
    print(as_text(result), flush=True)


if __name__ == "__main__":
    sys.exit(main())
