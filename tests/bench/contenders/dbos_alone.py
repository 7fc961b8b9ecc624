"""DBOS on the same Postgres: durable steps without a server of their own. Its settings are its defaults."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from typing import Any

from dbos import DBOS, DBOSConfig

from tests.bench.contenders.process import serve
from tests.bench.measuring import in_flight
from tests.bench.servers import libpq

RAN: Counter[str] = Counter()


@DBOS.step()
async def give_back(given: dict[str, Any]) -> dict[str, Any]:
    """Gives back what it got."""
    RAN["steps"] += 1
    return given


@DBOS.workflow()
async def chain(steps: int, payload: dict[str, Any]) -> dict[str, Any]:
    """So many steps, one after the other."""
    answer: dict[str, Any] = {}
    for _ in range(steps):
        answer = await give_back({"value": payload["value"]})
    return answer


class DbosAlone:
    """See the module."""

    async def open(self, database_url: str, temporal_address: str) -> None:
        """Launch on a database of its own; Temporal is not for it."""
        config: DBOSConfig = {"name": "bench", "system_database_url": libpq(database_url), "log_level": "ERROR"}
        DBOS(config=config)
        DBOS.launch()

    async def close(self) -> None:
        """End its threads."""
        DBOS.destroy()

    async def version(self) -> str:
        """The release it runs on."""
        return version("dbos")

    async def seconds(self, kind: str, steps: int, runs: int, at_once: int) -> float:
        """How long so many whole runs of so many steps take."""

        async def whole_run() -> None:
            await chain(steps, {"value": 1})

        before = RAN["steps"]
        taken = await in_flight(runs, at_once, whole_run)
        assert RAN["steps"] - before == runs * steps
        return taken


if __name__ == "__main__":
    serve(DbosAlone())
