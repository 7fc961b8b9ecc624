"""``python -m tests.faults.nemesis``: rounds for so many minutes, each with a seed of its own, and their figures.

``--seed`` is that of the first round; the next have the numbers after it. One round is repeated with ``--seed N --rounds 1``.
The exit code is 1 when something was violated.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import SystemRandom

from engine.devstack.postgres import EmbeddedPostgres
from engine.operations.runs import starting
from engine.store.database.schema_version import migrate
from tests.bench.servers import use_nobodys_environment
from tests.faults.installation import TEMPLATE, installed
from tests.faults.nemesis.one_round import Outcome, Round
from tests.faults.nemesis.plan import LASTING_OUTAGE, LONG, RESTORES, SHORT, Size, draw_plan
from tests.faults.nemesis.report import as_text, summary


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.nemesis", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="begin no further round after so long (20)")
    parser.add_argument("--rounds", type=int, help="at most so many")
    parser.add_argument("--seed", type=int, help="of the first round; by default any")
    parser.add_argument("--short", action="store_true", help="rounds of the size that `make test` has")
    parser.add_argument(
        "--also", action="append", default=[], choices=RESTORES, help="a fault that the seed does not bring"
    )
    arguments = parser.parse_args()
    use_nobodys_environment()
    # In good order: the servers and workers are processes, and would stay.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    starting.TASK_TIMEOUT = timedelta(seconds=10)
    seed = SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    size = SHORT if arguments.short else LONG
    print(f"nemesis: seed {seed}, {arguments.minutes:g} minutes", flush=True)
    outcomes: list[Outcome] = []
    end = time.monotonic() + 60 * arguments.minutes
    with _postgres() as (postgres, directory):
        while time.monotonic() < end and (arguments.rounds is None or len(outcomes) < arguments.rounds):
            outcome = asyncio.run(_round(postgres, directory, seed + len(outcomes), size, arguments.also))
            outcomes.append(outcome)
            print(as_text(outcome), flush=True)
    print(f"\n{summary(outcomes)}\n    seed  {seed}")
    return int(any(outcome.violations for outcome in outcomes))


async def _round(postgres: EmbeddedPostgres, directory: Path, seed: int, size: Size, also: list[str]) -> Outcome:
    async with installed(postgres, directory) as installation:
        outcome = await Round(draw_plan(seed, size, _by_seed(seed, size, also)), installation).play()
        if outcome.violations:
            kept = Path(tempfile.mkdtemp(prefix=f"nemesis-{seed}-"))
            for file in installation.directory.glob("*.log"):
                shutil.copy(file, kept)
            if installation.ledger.exists():
                shutil.copy(installation.ledger, kept)
            print(f"kept: {kept}", flush=True)
        return outcome


def _by_seed(seed: int, size: Size, also: list[str]) -> list[str]:
    """Faults that not every round has. After a restore less can be compared, so a third of the rounds has none."""
    if size is not LONG:
        return also
    lasting = [LASTING_OUTAGE] if seed % 2 else []
    restore = [name for name in RESTORES[seed % 3 : seed % 3 + 1] if name not in also]
    return [*lasting, *restore, *also]


@contextmanager
def _postgres() -> Iterator[tuple[EmbeddedPostgres, Path]]:
    directory = Path(tempfile.mkdtemp(prefix="rs-nemesis-"))
    os.environ["RUNSTUDIO_DATA_DIR"] = str(directory / "data")
    postgres = EmbeddedPostgres(directory / "postgres")
    try:
        postgres.start()
        migrate(postgres.create_database(TEMPLATE))
        yield postgres, directory
    finally:
        postgres.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
