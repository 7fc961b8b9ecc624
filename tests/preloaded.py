"""What programs that tests start import. See ``imported``."""

from __future__ import annotations

import gc
import importlib
from typing import Final

MODULES: Final = (
    "alembic.command",
    "engine.actions.builtin.catalog",
    "engine.actions.registry",
    "engine.client",
    "engine.operations.catalog.publish",
    "engine.operations.runs.state",
    "engine.simulate.dry_run",
    "engine.worker.host",
    "jsonschema",
    "runstudio_tui.app",
    "runstudio_tui.commands.entry",
    "runstudio_tui.commands.root",
    "runstudio_tui.commands.run_text",
    "tests.imported",
)

for name in MODULES:
    importlib.import_module(name)
# Without this every child would copy the modules' memory only to look for garbage in it.
gc.freeze()
