"""``runstudio worker``: the process that executes runs."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from runstudio_tui.commands.output import refuse


def worker(
    actions: Annotated[
        list[str] | None,
        typer.Option("--actions", help="Python module with actions of your own; may be given several times."),
    ] = None,
) -> None:
    """Execute runs: Temporal worker, reconciler, heartbeat, health. SIGTERM drains it, a second one ends it at once."""
    from engine.errors import EngineError
    from engine.worker.host import run_worker
    from runstudio_tui.commands.connection import settings_in_use

    try:
        settings = settings_in_use()
        code = asyncio.run(run_worker(settings, action_modules=(*settings.action_modules, *(actions or ()))))
    except EngineError as error:
        refuse(error, as_json=False)
    raise SystemExit(code)
