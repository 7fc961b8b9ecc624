"""A store that is put back to what it was earlier, as from a backup."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Final

from engine.contract import WORKFLOW_TYPE, workflow_id_for
from engine.devstack.postgres import EmbeddedPostgres
from engine.devstack.temporal_server import TemporalServer
from engine.operations.catalog.publish import pause_workflow
from tests.faults.installation import Installation

FOUND_SECONDS: Final = 600.0
"""The reconciler compares in pages, acts at the second look, and shares the cores with everything else."""
_AWAY_SECONDS: Final = 5.0
"""A Temporal that is restored is away for longer than its workers need to notice, on busy cores too."""


async def restore_postgres(installation: Installation, seconds: float) -> None:
    """Copy Postgres while it is down for a moment, and put the copy in its place so many seconds later.

    What was paused in the copy is let go again: that somebody had done so already is lost.
    """
    postgres, copy = installation.postgres, installation.directory / "postgres-copy"
    await asyncio.to_thread(_copy_postgres, postgres, copy)
    await installation.bench.store.dispose()
    await asyncio.sleep(seconds)
    await asyncio.to_thread(_put_back_postgres, postgres, copy)
    await installation.bench.store.dispose()
    for row in await installation.bench.rows("SELECT DISTINCT workflow_id FROM workflow_definitions WHERE is_paused"):
        await pause_workflow(installation.context, row["workflow_id"], paused=False)


async def restore_temporal(installation: Installation, seconds: float) -> None:
    """The same of Temporal's histories."""
    temporal, copy = installation.temporal, installation.directory / "temporal-copy"
    await asyncio.to_thread(temporal.kill)
    await asyncio.to_thread(_copy_histories, temporal, copy)
    await installation.start_temporal()
    await asyncio.sleep(seconds)
    await asyncio.to_thread(temporal.kill)
    await asyncio.sleep(_AWAY_SECONDS)
    await asyncio.to_thread(_put_back_histories, temporal, copy)
    await installation.start_temporal()


async def all_is_brought_together(installation: Installation) -> None:
    """Wait, at most ``FOUND_SECONDS``, until the reconciler has ended the executions whose rows are gone, or have ended.

    And until it has closed what lost records and outcomes had left open.
    """
    listing = f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"
    deadline = asyncio.get_running_loop().time() + FOUND_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        rows = await installation.bench.rows(
            "SELECT run_id::text AS run_id, lost_records IS NOT NULL AS behind FROM workflow_runs"
            " WHERE status IN ('RUNNING', 'WAITING') OR lost_records IS NOT NULL"
        )
        known = {workflow_id_for(row["run_id"]) for row in rows if not row["behind"]}
        left_open = await installation.bench.rows(
            "SELECT FROM workflow_action_invocations AS a JOIN workflow_runs AS r USING (run_id)"
            " WHERE a.status = 'STARTED' AND r.status NOT IN ('RUNNING', 'WAITING')"
        )
        if (
            not left_open
            and not any(row["behind"] for row in rows)
            and {execution.id async for execution in installation.bench.client.list_workflows(listing)} <= known
        ):
            return
        await asyncio.sleep(1)


def _copy_postgres(postgres: EmbeddedPostgres, copy: Path) -> None:
    postgres.stop()
    shutil.rmtree(copy, ignore_errors=True)
    # With its owner, which need not be us.
    subprocess.run(["cp", "-a", postgres.directory, copy], check=True)
    postgres.start()


def _put_back_postgres(postgres: EmbeddedPostgres, copy: Path) -> None:
    postgres.kill()
    # What a killed server leaves behind ends by itself; none of it may write into the copy.
    postgres.start()
    postgres.stop()
    shutil.rmtree(postgres.directory)
    copy.rename(postgres.directory)
    postgres.start()


def _files(temporal: TemporalServer) -> list[Path]:
    return sorted(temporal.database.parent.glob(f"{temporal.database.name}*"))


def _copy_histories(temporal: TemporalServer, copy: Path) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in _files(temporal):
        shutil.copy2(file, copy / file.name)


def _put_back_histories(temporal: TemporalServer, copy: Path) -> None:
    for file in _files(temporal):
        file.unlink()
    for file in copy.iterdir():
        shutil.copy2(file, temporal.database.parent / file.name)
