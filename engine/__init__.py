"""Run Studio's workflow engine: definitions interpreted as Temporal workflows, recorded in Postgres.

``Engine`` is the front door of programs (docs/python.md), ``action`` that of the authors of actions (docs/actions.md). Beside
them stand the errors, and every record of ``engine.records``. All of them are imported when they are first used, so importing
this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from engine.actions.context import ActionContext as ActionContext
    from engine.actions.registry import action as action
    from engine.client import Engine as Engine
    from engine.client import SyncEngine as SyncEngine
    from engine.errors import Conflict as Conflict
    from engine.errors import EngineError as EngineError
    from engine.errors import Forbidden as Forbidden
    from engine.errors import Invalid as Invalid
    from engine.errors import NotFound as NotFound
    from engine.errors import StepFailure as StepFailure
    from engine.errors import TimedOut as TimedOut
    from engine.errors import Unavailable as Unavailable
    from engine.records import *  # noqa: F403 - the names are those of its __all__

__version__ = "0.1.0"

_RECORDS: Final = "engine.records"
_MODULES: Final = {
    "ActionContext": "engine.actions.context",
    "Conflict": "engine.errors",
    "Engine": "engine.client",
    "EngineError": "engine.errors",
    "Forbidden": "engine.errors",
    "Invalid": "engine.errors",
    "NotFound": "engine.errors",
    "StepFailure": "engine.errors",
    "SyncEngine": "engine.client",
    "TimedOut": "engine.errors",
    "Unavailable": "engine.errors",
    "action": "engine.actions.registry",
}


if not TYPE_CHECKING:
    # Hidden from type checkers, for which otherwise any name would do.
    def __getattr__(name: str) -> Any:
        if not name.startswith("_"):
            module = import_module(_MODULES.get(name, _RECORDS))
            if name in _MODULES or name in module.__all__:
                value = globals()[name] = getattr(module, name)
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({"__version__", *_MODULES, *import_module(_RECORDS).__all__})
