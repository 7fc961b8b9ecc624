"""Programs that Temporal's SDK knows to download: the development server and the time-skipping test server."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from engine.devstack.fetching import Progress, await_visibly
from engine.errors import Unavailable

if TYPE_CHECKING:
    from temporalio.testing import WorkflowEnvironment

DOWNLOAD_SECONDS: Final = 300.0

Server = Literal["start_local", "start_time_skipping"]


def download(start: Server, scratch: Path, progress: Progress, name: str) -> Path:
    """Downloads the program that the SDK's ``WorkflowEnvironment.<start>`` runs, into ``scratch``; gives its path there.

    Raises ``Unavailable`` (``DOWNLOAD_FAILED``) with the SDK's words.
    """
    # Only here: it takes long to import, and is needed once per machine.
    from temporalio.testing import WorkflowEnvironment  # noqa: PLC0415 (see above)

    starting: Callable[..., Awaitable[WorkflowEnvironment]] = getattr(WorkflowEnvironment, start)

    # The SDK has no call that only downloads, so its server is started for a moment.
    async def start_once() -> None:
        environment = await starting(download_dest_dir=str(scratch))
        await environment.shutdown()

    try:
        await_visibly(
            start_once(),
            progress=progress,
            text=f"downloading {name}",
            seconds=DOWNLOAD_SECONDS,
            how_far=lambda: _written(scratch),
        )
    # RuntimeError is what the SDK raises for everything that can go wrong with its download.
    except (RuntimeError, TimeoutError) as error:
        raise Unavailable("DOWNLOAD_FAILED", str(error) or "took too long") from error
    programs = [path for path in scratch.iterdir() if path.is_file() and os.access(path, os.X_OK)]
    if len(programs) != 1:
        raise Unavailable("DOWNLOAD_FAILED", f"the SDK's download left {len(programs)} programs instead of one")
    return programs[0]


def _written(scratch: Path) -> str:
    """What of the program is there; the SDK writes it into ``scratch`` as it comes."""
    total = 0
    for path in scratch.iterdir():
        # It is renamed when it is complete.
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return f"{total / 1e6:.1f} MB"


def reason(error: Unavailable) -> str:
    """Why one way of obtaining a program failed, with the end of what it printed."""
    return f"{error.message} {error.details.get('output', '')}".strip()
