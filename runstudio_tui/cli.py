"""Entry point of the console script ``runstudio``."""

from __future__ import annotations

import sys

from runstudio_tui.streams import open_what_is_closed, write_no_more


def main(arguments: list[str] | None = None) -> None:
    """Runs a command line, by default the process's own. Ends the process with one of the exit codes of docs/cli.md."""
    words = sys.argv[1:] if arguments is None else arguments
    open_what_is_closed()
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


if __name__ == "__main__":
    main()
