"""``runstudio worker``: the process that executes runs."""

from __future__ import annotations

import asyncio

from runstudio_tui.commands.action_modules import action_modules
from runstudio_tui.commands.options import Actions
from runstudio_tui.commands.output import refuse


def worker(actions: Actions = None) -> None:
    """Execute runs: Temporal worker, reconciler, heartbeat, health. SIGTERM drains it, a second one ends it at once."""
    from engine.errors import EngineError
    from engine.worker.host import run_worker
    from runstudio_tui.commands.connection import settings_in_use

    try:
        settings = settings_in_use()
        code = asyncio.run(run_worker(settings, action_modules(settings, actions)))
    except EngineError as error:
        refuse(error, as_json=False)
    raise SystemExit(code)
