"""The benchmark's own logic: what fails loses itself, every way to run it judges, and nothing it waits for is asked for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import update

from engine.records import RunStatus
from engine.settings import DEFAULT_TENANT
from engine.store.database.engine import create_store_engine
from engine.store.tables import workflow_runs
from tests.bench import __main__ as program
from tests.bench import newest, report, running
from tests.bench.contenders.process import contender
from tests.bench.contenders.told import Told
from tests.bench.measuring import Measurement, Verdict
from tests.bench.servers import Servers
from tests.bench.workers import cores_of
from tests.engine.store.rows import insert_run
from tests.engine.store.wire import statements_sent

NO_SERVERS = cast("Servers", None)


@dataclass
class Part:
    """Measures nothing: it fails, hangs, or has one verdict."""

    NAME: str
    error: BaseException | None = None
    hangs: bool = False
    met: bool = True

    async def measure(self, servers: Servers, *, quick: bool) -> Measurement:
        """See the class."""
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        verdict = Verdict(f"budget of {self.NAME}", "at most 5 ms", "4 ms" if self.met else "6 ms", self.met)
        return Measurement(self.NAME, self.NAME.title(), "How.", ("", "figure"), [("a row", "4")], [verdict])


class Started:
    """In place of servers."""

    def settings(self) -> dict[str, str]:
        """None were set."""
        return {"Postgres": "none"}


@contextmanager
def _started() -> Iterator[Started]:
    yield Started()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The program with three parts, the second of which fails."""
    parts = (Part("first"), Part("second", RuntimeError("no answer | for 30 s")), Part("third", met=False))
    monkeypatch.setattr(program, "PARTS", parts)
    monkeypatch.setattr(program, "started", _started)
    monkeypatch.setattr(program, "use_nobodys_environment", lambda: None)
    monkeypatch.setattr(report, "PACKAGES", ("sqlalchemy",))
    monkeypatch.setattr(program, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(program, "RESULT", tmp_path / "build" / "result.json")
    return monkeypatch


def _run(bench: pytest.MonkeyPatch, *arguments: str) -> int:
    bench.setattr(sys, "argv", ["bench", *arguments])
    return program.main()


def test_a_part_that_fails_loses_itself_and_the_page_is_written(
    bench: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(bench) == 1
    page = program.PAGE.read_text(encoding="utf-8")
    assert "1 of 2 are met." in page
    assert "| second |  | RuntimeError: no answer \\| for 30 s | **not measured** |" in page
    assert "| budget of first | at most 5 ms | 4 ms | met |" in page
    assert "| budget of third | at most 5 ms | 6 ms | **missed** |" in page
    assert page.index("## First") < page.index("## Second") < page.index("## Third")
    assert "FAILED  second: RuntimeError: no answer | for 30 s" in capsys.readouterr().out


def test_without_a_failure_the_exit_code_is_0_although_a_budget_is_missed(
    bench: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(bench, "--only", "first", "--only", "third") == 0
    told = capsys.readouterr().out
    assert "met     budget of first: 4 ms, budget at most 5 ms" in told
    assert "1 of 2 budgets are met.\n  MISSED  budget of third: 6 ms, budget at most 5 ms" in told
    assert not program.PAGE.exists()


@pytest.mark.parametrize("arguments", [("--quick",), ("--only", "second"), ("--only", "first", "--quick")])
def test_every_way_to_run_it_judges_and_tells_of_failures(
    bench: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    failing = arguments != ("--only", "first", "--quick")
    assert _run(bench, *arguments) == int(failing)
    told = capsys.readouterr().out
    assert "budgets are met." in told
    assert ("FAILED  second" in told) is failing
    assert not program.PAGE.exists()


async def test_a_part_that_hangs_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MOST_SECONDS", 0.01)
    parts = [Part("stuck", hangs=True), Part("late", TimeoutError()), Part("well")]
    heard: list[str] = []
    found = await running.measured(parts, NO_SERVERS, quick=True, tell=lambda result: heard.append(result.name))
    assert heard == ["stuck", "late", "well"]
    assert [result.failed for result in found] == ["it took longer than 0.01 s", "TimeoutError", ""]


async def test_whoever_ends_the_benchmark_ends_it() -> None:
    with pytest.raises(KeyboardInterrupt):
        await running.measured([Part("first", KeyboardInterrupt())], NO_SERVERS, quick=True, tell=lambda _: None)


async def test_a_contender_that_ends_at_once_fails_its_part() -> None:
    with pytest.raises(RuntimeError, match="The contender ended while it did open"):
        async with contender("no_such_contender", "", ""):
            pass


@pytest.mark.parametrize(
    ("processes", "cores", "found"),
    [(1, [0, 1], [0]), (2, [0, 3], [0, 3]), (4, [0, 1], [None] * 4), (4, [2, 3, 4, 5, 6], [2, 3, 4, 5])],
)
def test_a_process_has_a_core_of_its_own_where_there_are_as_many(
    processes: int, cores: list[int], found: list[int | None]
) -> None:
    assert cores_of(processes, cores) == found


@pytest.mark.parametrize(
    ("listing", "found"),
    [
        ("dbos (3.5.1)\nAvailable versions: 3.5.1, 3.4.0", "3.5.1"),
        ("", None),
        ("ERROR: no matching distribution", None),
    ],
)
def test_the_newest_release_is_the_one_named_first(listing: str, found: str | None) -> None:
    assert newest.newest_of(listing) == found


@pytest.fixture
async def told(database_url: str) -> AsyncIterator[Told]:
    """Listening on a database of its own."""
    store = create_store_engine(database_url)
    told = Told(store, DEFAULT_TENANT)
    await told.open()
    yield told
    await told.close()
    await store.dispose()


async def _set(url: str, run_id: str, **values: Any) -> None:
    store = create_store_engine(url)
    async with store.begin() as connection:
        await connection.execute(update(workflow_runs).where(workflow_runs.c.run_id == run_id).values(**values))
    await store.dispose()


async def test_whoever_waits_for_a_run_looks_once_and_is_told_the_rest(
    told: Told, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = create_store_engine(database_url)
    run_id, other = await insert_run(store), await insert_run(store)
    await store.dispose()
    sent = statements_sent(monkeypatch, "workflow_runs")
    waits = asyncio.create_task(told.waiting(run_id, 60))
    for status in (RunStatus.WAITING, RunStatus.RUNNING) * 5:
        await _set(database_url, other, status=status)
    await _set(database_url, run_id, status=RunStatus.WAITING)
    await waits
    assert len(sent) <= 3, "at the beginning, and for each of its two notices"


async def test_a_run_that_ends_instead_of_waiting_is_said_to_have_ended(told: Told, database_url: str) -> None:
    store = create_store_engine(database_url)
    run_id = await insert_run(store, status=RunStatus.FAILED)
    await store.dispose()
    with pytest.raises(AssertionError, match="FAILED"):
        await told.waiting(run_id, 60)


async def test_listening_that_fails_is_told_at_once() -> None:
    with pytest.raises(Exception, match="POSTGRES_UNREACHABLE"):
        await Told(create_store_engine("postgresql://nobody@127.0.0.1:1/x"), DEFAULT_TENANT).open()
