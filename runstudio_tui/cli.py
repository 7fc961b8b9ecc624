"""Entry point of the console script ``runstudio``."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str] | None = None) -> None:
    """Runs a command line, by default the process's own. Ends the process with one of the exit codes of docs/cli.md."""
    words = sys.argv[1:] if arguments is None else arguments
    _open_what_is_closed()
    if words in (["--version"], ["-V"]):
        # Answered before anything is imported: scripts ask for it often.
        from engine import __version__

        try:
            print(f"runstudio {__version__}", flush=True)
        except OSError as error:
            write_no_more()
            raise SystemExit(f"The version cannot be written: {error.strerror}.") from None
        return
    if "--console" in words or "--served" in words:
        # Also before: what is imported reads the environment, and would be written down as bytecode.
        sys.dont_write_bytecode = True
        from runstudio_tui.commands.console import enter

        enter(served="--served" in words)
    try:
        from runstudio_tui.commands.entry import run
    except ModuleNotFoundError as missing:
        told = f"The commands need {missing.name}, which is not installed: pip install 'runstudio[studio]'."
        raise SystemExit(told) from missing
    run(words)


def write_no_more() -> None:
    """What standard output still holds goes nowhere, at the exit neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_what_is_closed() -> None:
    """A standard stream that was closed (``>&-``) becomes /dev/null: nothing is written to it, and no file takes its number."""
    # In the order of their numbers: each gets the lowest that is free.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 # until the process ends


if __name__ == "__main__":
    main()
