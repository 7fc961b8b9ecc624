"""Steps per second: ours in its three ways, the hand-written Temporal workflow, the three-activities shape, and DBOS."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.contenders.process import ContenderProcess, contender
from tests.bench.measuring import Measurement, Sample, Verdict, interleaved, number
from tests.bench.newest import newer_release
from tests.bench.servers import Servers

NAME = "throughput"

OURS = ("quick", "transactional", "ordinary")
LABELS = {
    "quick": "ours, quick steps",
    "transactional": "ours, transactional steps",
    "ordinary": "ours, ordinary steps",
    "hand-written": "hand-written Temporal workflow",
    "three": "three activities per step",
    "dbos": "DBOS",
    "dbos-newest": "DBOS, newest release",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One load: so many runs of so many steps, so many of them under way."""

    steps: int
    at_once: int
    runs: int
    rounds: int
    contenders: tuple[str, ...]

    @property
    def label(self) -> str:
        """As a column says it."""
        return f"{self.steps} steps, {self.at_once} in flight"


NEWER_DBOS = newer_release()
DBOS = ("dbos", "dbos-newest") if NEWER_DBOS else ("dbos",)
ALL = (*OURS, "hand-written", "three", *DBOS)
CELLS = (
    Cell(10, 1, 3, 5, ALL),
    Cell(10, 8, 16, 3, ALL),
    Cell(10, 32, 64, 3, ALL),
    Cell(50, 1, 1, 5, ("quick", "transactional", "ordinary", "hand-written", *DBOS)),
    Cell(50, 8, 8, 3, ("quick", "transactional", *DBOS)),
    Cell(50, 32, 32, 3, ("quick", "transactional", *DBOS)),
)
AGAINST_DBOS = ((10, 8, 1.25), (10, 32, 1.25), (50, 8, 1.5), (50, 32, 1.5), (50, 1, 1.0))
"""Steps, runs in flight, and how much faster at least."""
Figures = dict[str, Sample]


async def measure(servers: Servers, *, quick: bool) -> Measurement:
    """See the module."""
    result = Measurement(
        NAME,
        "Steps per second",
        "Each contender is one process with its worker and its client. A figure counts whole runs, from the request to start"
        " one until its result is there; the actions do nothing. Contenders take turns, every other round backwards."
        " Medians; in brackets the smallest and the largest.",
        ("", *(cell.label for cell in CELLS)),
    )
    async with AsyncExitStack() as stack:
        running = await processes(stack, servers)
        for name in ALL:
            # Compiles, connects, fills caches.
            await _seconds(running[name], name, 10, 4, 4)
        figures = [await _cell(cell, running, 1 if quick else cell.rounds) for cell in CELLS]
    for name in ALL:
        result.rows.append((LABELS[name], *(_shown(found.get(name)) for found in figures)))
    result.verdicts = _verdicts(dict(zip(CELLS, figures, strict=True)))
    return result


async def processes(stack: AsyncExitStack, servers: Servers) -> dict[str, ContenderProcess]:
    """The process that runs each contender, until the stack is closed."""

    async def start(module: str, database: str, packages: Path | None = None) -> ContenderProcess:
        address = servers.temporal.address
        return await stack.enter_async_context(contender(module, database, address, packages=packages))

    ours = await start("run_studio", servers.database())
    alone = await start("temporal_alone", servers.empty_database())
    dbos = await start("dbos_alone", servers.empty_database())
    running = {**dict.fromkeys(OURS, ours), "hand-written": alone, "three": alone, "dbos": dbos}
    if NEWER_DBOS:
        release, packages = NEWER_DBOS
        running["dbos-newest"] = await start("dbos_alone", servers.empty_database(), packages)
        found = await running["dbos-newest"].call("version")
        assert found == release, f"DBOS {found} instead of {release}"
    return running


async def _cell(cell: Cell, running: dict[str, ContenderProcess], rounds: int) -> Figures:
    async def steps_per_second(name: str) -> float:
        return cell.runs * cell.steps / await _seconds(running[name], name, cell.steps, cell.runs, cell.at_once)

    return await interleaved(cell.contenders, rounds, steps_per_second)


async def _seconds(process: ContenderProcess, kind: str, steps: int, runs: int, at_once: int) -> float:
    return float(await process.call("seconds", kind=kind, steps=steps, runs=runs, at_once=at_once))


def _shown(sample: Sample | None) -> str:
    return "" if sample is None else f"{number(sample.median)} ({sample.spread})"


def _verdicts(figures: dict[Cell, Figures]) -> list[Verdict]:
    def against(mine: str, theirs: str, steps: int, at_once: int, least: float) -> Verdict:
        found = next(f for cell, f in figures.items() if (cell.steps, cell.at_once) == (steps, at_once))
        ratio = found[mine].over(found[theirs])
        where = "alone" if at_once == 1 else f"{at_once} in flight"
        return Verdict(
            f"{mine} steps against {LABELS[theirs]}, {steps} steps, {where}",
            f"at least {least:g}x",
            f"{ratio.median:.2f}x ({ratio.spread})",
            ratio.median >= least,
        )

    return [
        *(against("quick", dbos, *load) for dbos in DBOS for load in AGAINST_DBOS),
        against("quick", "hand-written", 10, 1, 2.5),
        against("quick", "hand-written", 10, 32, 3.0),
        against("ordinary", "hand-written", 10, 32, 0.8),
        against("quick", "three", 10, 32, 3.0),
        against("ordinary", "three", 10, 32, 2.0),
    ]
