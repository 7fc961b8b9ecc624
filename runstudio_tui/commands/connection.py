"""Which database and which Temporal a command talks to: the environment's, else those of a running development stack."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import tzinfo
from typing import TYPE_CHECKING

from runstudio_tui.commands.output import progress

if TYPE_CHECKING:
    from engine.client import Engine, Source
    from engine.settings import Settings


def settings_in_use() -> Settings:
    """Settings of this process; what the environment leaves open is filled from a running development stack, if there is one.

    Raises ``EngineError`` (``SETTING_INVALID``) for a wrong variable.
    """
    from engine.settings import Settings

    settings = Settings.load()
    if settings.database_url is None or settings.temporal_address is None:
        # Not above: it takes as long as the rest of a command, and whoever names both servers does not need it.
        from engine.devstack.stack import running_environment

        for name, value in running_environment(settings).items():
            os.environ.setdefault(name, value)
        settings = Settings.load()
    return settings


def display_zone() -> tzinfo:
    """The time zone in which times are shown to people. Tells on standard error what in the configuration was not understood.

    Raises ``Invalid`` (CONFIG_INVALID).
    """
    from engine.errors import Invalid as Refused
    from runstudio_tui.config import ConfigError, load_config

    try:
        loaded = load_config({})
        for warning in loaded.warnings:
            progress(f"warning: {warning}")
        return loaded.config.zone()
    except ConfigError as error:
        raise Refused("CONFIG_INVALID", str(error), "Correct the configuration.") from error


@asynccontextmanager
async def open_engine(actions: Sequence[str] = ()) -> AsyncIterator[Engine]:
    """The engine of this command, acting as who started it. ``actions``: modules for publishing.

    Raises ``EngineError`` when there is no database, or it lacks migrations.
    """
    async with make_engine(actions) as engine:
        yield engine


def make_engine(actions: Sequence[str] = (), *, source: Source = "cli") -> Engine:
    """As ``open_engine``, connected to nothing yet. Raises ``EngineError`` (DATABASE_URL_MISSING, SETTING_INVALID)."""
    from engine.client import Engine

    return Engine(settings_in_use(), source=source, actions=actions)
