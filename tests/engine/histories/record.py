"""Records the golden histories of the present semantics version: ``python -m tests.engine.histories.record``.

To be run when SEMANTICS_VERSION was raised. The histories of earlier versions stay as they are: they are runs that are still
under way somewhere, and must replay for as long as this build says that it supports their version.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from temporalio.client import Client

from engine.contract import SEMANTICS_VERSION
from engine.devstack.fetching import ProgressLine
from engine.devstack.postgres import EmbeddedPostgres
from engine.devstack.temporal_cli import obtain_cli
from engine.devstack.temporal_server import TemporalServer
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from tests.conftest import migrate
from tests.engine.histories.scenarios import SCENARIOS
from tests.engine.workflow.harness import Bench

DIRECTORY = Path(__file__).parent / SEMANTICS_VERSION


async def record(address: str, url: str, name: str) -> None:
    """Play a scenario in a database of its own and keep the history of its last execution."""
    store = create_store_engine(url)
    bench = Bench(store, await Client.connect(address, identity="recorder"))
    async with bench.worker():
        run = await SCENARIOS[name](bench)
        history = json.loads((await run.history()).to_json())
    await store.dispose()
    text = json.dumps({"workflow_id": run.handle.id, "history": history}, indent=1)
    (DIRECTORY / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Start servers, record everything, stop them."""
    DIRECTORY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rs-") as directory:
        progress = ProgressLine()
        temporal = TemporalServer(
            obtain_cli(Settings.load(), progress).path,
            Path(directory) / "temporal.db",
            log=Path(directory) / "temporal.log",
        )
        progress.close()
        postgres = EmbeddedPostgres(Path(directory) / "postgres")
        postgres.start()
        temporal.start()
        try:
            for name in sys.argv[1:] or sorted(SCENARIOS):
                url = postgres.create_database(f"record_{name}")
                migrate(url)
                asyncio.run(record(temporal.address, url, name))
        finally:
            temporal.stop()
            postgres.stop()


if __name__ == "__main__":
    main()
