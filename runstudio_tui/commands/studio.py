"""Opening the studio: on the engine, or on made-up runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from runstudio_tui.commands.output import Exit, progress, refuse
from runstudio_tui.ports import Backend


@dataclass(frozen=True, slots=True)
class StudioOptions:
    """What was said on the command line; it wins over the configuration file and the environment."""

    demo: bool = False
    ascii_only: bool = False
    low_bandwidth: bool = False
    read_only: bool = False

    def flags(self) -> dict[str, Any]:
        """Only what was given, by the names of the configuration."""
        given: dict[str, Any] = {}
        if self.ascii_only:
            given["glyphs"] = "ascii"
        if self.low_bandwidth:
            given["low_bandwidth"] = True
        if self.read_only:
            given["read_only"] = True
        return given


def run_to_the_end(options: StudioOptions, run_id: str | None = None) -> int:
    """Open the studio and return its exit code when the operator leaves. Raises ``EngineError`` for a wrong setting."""
    from runstudio_tui.config import ConfigError, load_config

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        progress("The studio needs a terminal. `runstudio runs list` answers without one.")
        return int(Exit.USAGE)
    try:
        loaded = load_config(options.flags())
    except ConfigError as error:
        progress(str(error))
        return int(Exit.USAGE)
    make_backend = demo_backend if options.demo else engine_backend()
    # Last, because Textual takes most of the start.
    from runstudio_tui.app import run_studio

    return run_studio(make_backend, loaded.config, run_id=run_id, warnings=loaded.warnings)


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
    from runstudio_tui.backend.engine_backend import EngineBackend
    from runstudio_tui.commands.connection import settings_in_use

    settings = settings_in_use()
    settings.required_database_url()
    return lambda: EngineBackend(settings)
