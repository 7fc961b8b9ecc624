"""``python -m tests.prepare``: obtains what the tests need and do not ship.

Done before the tests start, so that a build of some minutes is seen as what it is and not as a test that hangs.
"""

from __future__ import annotations

import sys

from engine.devstack.fetching import ProgressLine
from engine.devstack.postgres_programs import POSTGRES_MAJOR, program
from engine.devstack.temporal_cli import obtain_cli
from engine.errors import EngineError
from engine.settings import Settings
from tests.time_skipping import obtain_program


def main() -> int:
    """The exit code: 0 done, 1 something cannot be obtained."""
    try:
        sys.stdout.write(f"Postgres {POSTGRES_MAJOR}: {program('postgres')} (from the wheel)\n")
        with ProgressLine() as progress:
            cli = obtain_cli(Settings.load(), progress)
        sys.stdout.write(f"Temporal server: {cli.path} (from {cli.source})\n")
        with ProgressLine() as progress:
            time_skipping = obtain_program(progress)
        sys.stdout.write(f"Time-skipping server: {time_skipping.path} (from {time_skipping.source})\n")
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
