"""Which modules with actions of your own a command loads: those of ``--actions``, and those of ``RUNSTUDIO_ACTIONS``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from runstudio_tui.commands.connection import settings_in_use

if TYPE_CHECKING:
    from engine.settings import Settings


def action_modules(settings: Settings, given: Sequence[str] | None) -> tuple[str, ...]:
    """Names of modules, each once: those of the settings, then those of the option, where commas separate several.

    When the option names one, the current directory becomes importable, first of all, as it is for ``python -m``.
    """
    named = [name.strip() for words in given or () for name in words.split(",") if name.strip()]
    if named:
        _import_from_current_directory()
    return tuple(dict.fromkeys([*settings.action_modules, *named]))


def loaded_modules(given: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the modules of a command that publishes, for ``open_engine``; loaded here, before any server is asked.

    Raises ``EngineError``: ``SETTING_INVALID``, and what ``load_actions`` raises for modules that cannot be used.
    """
    from engine.actions.registry import load_actions

    settings = settings_in_use()
    modules = action_modules(settings, given)
    load_actions(modules, settings)
    return modules


def _import_from_current_directory() -> None:
    # A directory that was deleted under the process has no path, and no modules either.
    with suppress(FileNotFoundError):
        here = os.getcwd()
        if here not in sys.path:
            sys.path.insert(0, here)
