"""``python -m engine.devstack prepare``: obtains what the tests and the development stack need and do not ship.

Done before the tests start, so that a build of some minutes is seen as what it is and not as a test that hangs.
"""

from __future__ import annotations

import sys

from engine.devstack.fetching import ProgressLine
from engine.devstack.postgres_programs import POSTGRES_MAJOR, program
from engine.devstack.temporal_cli import obtain_cli
from engine.devstack.time_skipping import obtain_program
from engine.errors import EngineError
from engine.settings import Settings


def main(arguments: list[str]) -> int:
    """Runs the command; the exit code: 0 done, 1 something cannot be obtained, 2 not understood."""
    if arguments != ["prepare"]:
        sys.stderr.write("usage: python -m engine.devstack prepare\n")
        return 2
    progress = ProgressLine()
    try:
        sys.stdout.write(f"Postgres {POSTGRES_MAJOR}: {program('postgres')} (from the wheel)\n")
        cli = obtain_cli(Settings.load(), progress)
        progress.close()
        sys.stdout.write(f"Temporal server: {cli.path} (from {cli.source})\n")
        time_skipping = obtain_program(progress)
        progress.close()
        sys.stdout.write(f"Time-skipping server: {time_skipping.path} (from {time_skipping.source})\n")
    except EngineError as error:
        progress.close()
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
