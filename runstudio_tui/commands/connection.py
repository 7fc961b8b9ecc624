"""Which database and which Temporal a command talks to: the environment's, else those of a running development stack."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import tzinfo
from typing import TYPE_CHECKING

from runstudio_tui.ports import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PortError,
    TooLarge,
    Unavailable,
)

if TYPE_CHECKING:
    from engine.errors import EngineError
    from engine.settings import Settings
    from runstudio_tui.backend.engine_backend import EngineBackend


def settings_in_use() -> Settings:
    """Settings of this process; what the environment leaves open is filled from a running development stack, if there is one.

    Raises ``EngineError`` (``SETTING_INVALID``) for a wrong variable.
    """
    # Not above: it takes a seventh of a second, and neither the demo nor `--help` needs it.
    from engine.devstack.stack import running_environment
    from engine.settings import Settings

    settings = Settings.load()
    if settings.database_url is None or settings.temporal_address is None:
        for name, value in running_environment(settings).items():
            os.environ.setdefault(name, value)
        settings = Settings.load()
    return settings


def display_zone() -> tzinfo:
    """The time zone in which times are shown to people. Raises ``Invalid`` (CONFIG_INVALID)."""
    from engine.errors import Invalid as Refused
    from runstudio_tui.config import ConfigError, load_config

    try:
        return load_config({}).config.zone()
    except ConfigError as error:
        raise Refused("CONFIG_INVALID", str(error), "Correct the configuration.") from error


@asynccontextmanager
async def open_backend() -> AsyncIterator[EngineBackend]:
    """The engine behind the studio's ports. Its refusals leave as ``EngineError``, as every other command's do; bugs as bugs."""
    from runstudio_tui.backend.engine_backend import EngineBackend

    backend = EngineBackend(settings_in_use())
    try:
        await backend.open()
        yield backend
    except PortError as error:
        # What the ports translated for the studio is told as the engine said it, with its details.
        raise error.__cause__ or as_engine_error(error) from error
    finally:
        await backend.close()


def as_engine_error(error: PortError) -> EngineError:
    """The same refusal in the engine's family, for the exit code and the JSON form."""
    from engine import errors

    kinds: tuple[tuple[type[PortError], type[errors.EngineError]], ...] = (
        (NotFound, errors.NotFound),
        (Conflict, errors.Conflict),
        (Unavailable, errors.Unavailable),
        (Forbidden, errors.Forbidden),
        (Invalid, errors.Invalid),
        (TooLarge, errors.Invalid),
    )
    kind = next((engine for port, engine in kinds if isinstance(error, port)), errors.EngineError)
    details = {}
    if isinstance(error, Invalid) and error.issues:
        details["issues"] = [{"pointer": issue.pointer, "message": issue.message} for issue in error.issues]
    return kind(error.code or error.title.upper().replace(" ", "_"), error.title, error.detail, details)
