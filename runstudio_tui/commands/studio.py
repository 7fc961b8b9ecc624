"""Opening the studio: on the engine, or on made-up runs."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import typer

from runstudio_tui.commands.output import Exit, progress, refuse
from runstudio_tui.ports import Backend


@dataclass(frozen=True, slots=True)
class StudioOptions:
    """What was said on the command line; it wins over the configuration file and the environment."""

    demo: bool = False
    ascii_only: bool = False
    low_bandwidth: bool = False
    read_only: bool = False
    console: bool = False
    served: bool = False
    """In a browser: a child of ``runstudio serve``."""

    def words(self) -> list[str]:
        """Those of the options that say how the studio is, as they are written."""
        given = {
            "--demo": self.demo,
            "--ascii": self.ascii_only,
            "--low-bandwidth": self.low_bandwidth,
            "--read-only": self.read_only,
        }
        return [word for word, is_given in given.items() if is_given]

    def flags(self) -> dict[str, Any]:
        """Only what was given, by the names of the configuration."""
        given: dict[str, Any] = {}
        if self.ascii_only:
            given["glyphs"] = "ascii"
        if self.low_bandwidth:
            given["low_bandwidth"] = True
        if self.read_only:
            given["read_only"] = True
        if self.console:
            given["console"] = True
        return given


def refuse_for(context: typer.Context, *, opening: Collection[str]) -> None:
    """Raises ``BadParameter`` where options of the studio stand before a command that is none of ``opening``.

    Nobody gets what they ask for there: with ``--read-only`` something would be changed, with ``--demo`` what is real.
    """
    words = context.obj.words()
    if words and context.invoked_subcommand not in (None, *opening):
        raise typer.BadParameter(f"{words[0]} is about the studio, and {context.invoked_subcommand} opens none")


def run_to_the_end(options: StudioOptions, run_id: str | None = None) -> int:
    """Open the studio and return its exit code when the operator leaves. Raises ``EngineError`` for a wrong setting."""
    from runstudio_tui.config import ConfigError, load_config, require_terminal

    if not options.served and not (sys.stdin.isatty() and sys.stdout.isatty()):
        progress("The studio needs a terminal. `runstudio runs list` answers without one.")
        return int(Exit.USAGE)
    try:
        if not options.served:
            require_terminal()
        loaded = load_config(options.flags())
    except ConfigError as error:
        progress(str(error))
        return int(Exit.USAGE)
    make_backend = demo_backend if options.demo else engine_backend()
    # Last, because Textual takes most of the start.
    from runstudio_tui.app import run_studio

    driver = None
    if options.served:
        from runstudio_tui.served import ServedDriver

        driver = ServedDriver
    return run_studio(make_backend, loaded.config, run_id=run_id, warnings=loaded.warnings, driver_class=driver)


def open_studio(options: StudioOptions, run_id: str | None = None) -> None:
    """Open the studio and end the process with its exit code."""
    from engine.errors import EngineError

    try:
        code = run_to_the_end(options, run_id)
    except EngineError as error:
        refuse(error, as_json=False)
    raise SystemExit(code)


def demo_backend() -> Backend:
    """Made-up runs on the real clock."""
    from runstudio_tui.backend.worlds.demo import demo_backend as make
    from runstudio_tui.clock import SystemClock

    return make(SystemClock())


def engine_backend() -> Any:
    """A factory of backends on the settings in use. Raises ``EngineError`` when there is no database to open."""
    from runstudio_tui.commands.connection import make_engine

    make_engine(source="ui")
    return lambda: make_engine(source="ui")
